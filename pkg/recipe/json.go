package recipe

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/residual-go/residual/pkg/printable"
)

// UnknownKeyError is the error of reading a recipe with an unknown key: a typo, or a setting of a
// later version.
type UnknownKeyError struct {
	// Key is the full path of the key, such as schedule.kind.
	Key string
	// Known are the keys that are valid in its place.
	Known []string
}

func (e *UnknownKeyError) Error() string {
	return fmt.Sprintf("unknown key %s", printable.Quote(e.Key))
}

// earlierKeys are keys of earlier versions that have been renamed.
type earlierKeys struct {
	Batch     *int        `json:"batch"`
	HeadRate  *float64    `json:"head_rate"`
	Mean      *[3]float32 `json:"mean"`
	Deviation *[3]float32 `json:"deviation"`
}

// UnmarshalJSON reads a recipe. It also accepts the keys that earlier versions wrote. Any other key
// is an [UnknownKeyError], so that no setting is silently ignored.
func (r *Recipe) UnmarshalJSON(text []byte) error {
	type current Recipe
	var earlier earlierKeys
	renamed := keysOf(reflect.TypeFor[earlierKeys]())
	if err := checkKeys(text, reflect.TypeFor[Recipe](), "", renamed); err != nil {
		return err
	}
	for _, into := range []any{(*current)(r), &earlier} {
		if err := json.Unmarshal(text, into); err != nil {
			return inWords(err)
		}
	}
	take(&r.BatchSize, earlier.Batch)
	take(&r.HeadLearningRateMultiplier, earlier.HeadRate)
	take(&r.Normalization.Mean, earlier.Mean)
	take(&r.Normalization.Std, earlier.Deviation)
	return nil
}

// take sets field to value, if there is one.
func take[T any](field, value *T) {
	if value != nil {
		*field = *value
	}
}

// keysOf returns the JSON keys of a struct, in the order of its fields, with the fields' types.
func keysOf(t reflect.Type) []key {
	var keys []key
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		keys = append(keys, key{name, field.Type})
	}
	return keys
}

type key struct {
	name  string
	value reflect.Type
}

// checkKeys returns an error if a JSON object, or an object in it, has a key twice, or one that is
// neither in the struct type t nor in more. Upper and lower case differ. Values are left to
// json.Unmarshal, which would ignore unknown keys.
func checkKeys(text []byte, t reflect.Type, inside string, more []key) error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Slice {
		var elements []json.RawMessage
		if json.Unmarshal(text, &elements) != nil {
			return nil
		}
		for _, element := range elements {
			if err := checkKeys(element, t.Elem(), inside, nil); err != nil {
				return err
			}
		}
		return nil
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	if start, err := decoder.Token(); err != nil || start != json.Delim('{') {
		return nil
	}
	known := append(keysOf(t), more...)
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil
		}
		name, _ := token.(string)
		var value json.RawMessage
		if decoder.Decode(&value) != nil {
			return nil
		}
		if seen[name] {
			return fmt.Errorf("the key %s appears twice", printable.Quote(inside+name))
		}
		seen[name] = true
		found := false
		for _, key := range known {
			if key.name == name {
				found = true
				if err := checkKeys(value, key.value, inside+name+".", nil); err != nil {
					return err
				}
			}
		}
		if !found {
			unknown := &UnknownKeyError{Key: inside + name}
			for _, key := range keysOf(t) {
				unknown.Known = append(unknown.Known, inside+key.name)
			}
			return unknown
		}
	}
	return nil
}

// inWords rewords the error of a value of the wrong type, without the names of Go's types.
func inWords(err error) error {
	wrong, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	want := "an object"
	switch wrong.Type.Kind() {
	case reflect.Int, reflect.Int64:
		want = "a whole number"
	case reflect.Uint64:
		want = "a whole number, at least 0"
	case reflect.Float32, reflect.Float64:
		want = "a number"
	case reflect.String:
		want = "a string"
	case reflect.Bool:
		want = "true or false"
	case reflect.Slice, reflect.Array:
		want = "a list"
	}
	got := wrong.Value // the type or, of some numbers, as in number 1.5, also the value
	switch got {
	case "array":
		got = "a list"
	case "object":
		got = "an object"
	case "bool":
		got = "true or false"
	case "string", "number":
		got = "a " + got
	default:
		got = strings.TrimPrefix(got, "number ")
	}
	if wrong.Field == "" {
		return fmt.Errorf("got %s, want %s", got, want)
	}
	return fmt.Errorf("%s: got %s, want %s", printable.Quote(wrong.Field), got, want)
}

// Difference is a setting in which two recipes differ.
type Difference struct {
	// Key is the full path of its key in JSON, such as schedule.kind.
	Key string
	// Value and Other are its values in the two recipes, as JSON.
	Value, Other string
}

// Differences returns the settings in which two recipes differ, in the order of their fields.
func (r Recipe) Differences(other Recipe) []Difference {
	return differences(reflect.ValueOf(r), reflect.ValueOf(other), "")
}

func differences(a, b reflect.Value, name string) (found []Difference) {
	if a.Kind() == reflect.Struct {
		prefix := name
		if prefix != "" {
			prefix += "."
		}
		for i, key := range keysOf(a.Type()) {
			found = append(found, differences(a.Field(i), b.Field(i), prefix+key.name)...)
		}
		return found
	}
	if a.Kind() == reflect.Pointer && !a.IsNil() && !b.IsNil() {
		return differences(a.Elem(), b.Elem(), name)
	}
	if value, other := asJSON(a), asJSON(b); value != other {
		found = append(found, Difference{name, value, other})
	}
	return found
}

// asJSON returns a value as JSON. A nil slice becomes an empty list.
func asJSON(v reflect.Value) string {
	if v.Kind() == reflect.Slice && v.Len() == 0 {
		return "[]"
	}
	var text strings.Builder
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(v.Interface()); err != nil { // a number that JSON does not have
		return fmt.Sprint(v.Interface())
	}
	return strings.TrimSuffix(text.String(), "\n")
}
