package pickle

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// witness is a host that knows the classes of the module known and refuses everything else. It
// records what it is asked for.
type witness struct{ asked []string }

type object struct{ of string }

var errRefused = errors.New("refused")

func (w *witness) Global(module, name string) (any, error) {
	w.asked = append(w.asked, module+"."+name)
	if module != "known" {
		return nil, errRefused
	}
	return object{name}, nil
}

func (w *witness) Call(function any, args Tuple) (any, error) {
	f, ok := function.(object)
	if !ok {
		return nil, errRefused
	}
	return object{fmt.Sprintf("%s(%d)", f.of, len(args))}, nil
}

func (w *witness) Build(built, state any) error {
	if _, ok := built.(object); !ok {
		return errRefused
	}
	return nil
}

func (w *witness) Persistent(id any) (any, error) {
	if key, ok := id.(string); ok {
		return object{"at " + key}, nil
	}
	return nil, errRefused
}

func decode(text string) (any, error) {
	return NewDecoder(strings.NewReader(text), int64(len(text)), &witness{}).Decode()
}

func dict(entries ...any) *Dict {
	d := &Dict{}
	for i := 0; i < len(entries); i += 2 {
		d.Set(entries[i], entries[i+1])
	}
	return d
}

// Unless a name says otherwise, Python 3.11 wrote these pickles: pickle.dumps(value, protocol).
func TestDecode(t *testing.T) {
	large, _ := new(big.Int).SetString("1950a86a20f9469cfc6c", 16)
	for name, test := range map[string]struct {
		pickle string
		want   any
	}{
		"None":                   {"\x80\x02N.", nil},
		"True":                   {"\x80\x02\x88.", true},
		"False":                  {"\x80\x02\x89.", false},
		"0":                      {"\x80\x02K\x00.", int64(0)},
		"255":                    {"\x80\x02K\xff.", int64(255)},
		"65535":                  {"\x80\x02M\xff\xff.", int64(65535)},
		"-1":                     {"\x80\x02J\xff\xff\xff\xff.", int64(-1)},
		"2**31":                  {"\x80\x02\x8a\x05\x00\x00\x00\x80\x00.", int64(1 << 31)},
		"-2**40":                 {"\x80\x02\x8a\x06\x00\x00\x00\x00\x00\xff.", int64(-1 << 40)},
		"2**63-1":                {"\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.", int64(1<<63 - 1)},
		"-2**63":                 {"\x80\x02\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", int64(-1 << 63)},
		"2**63":                  {"\x80\x02\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00.", new(big.Int).Lsh(big.NewInt(1), 63)},
		"torch's magic number":   {"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", large},
		"a long of no digits":    {"\x80\x02\x8a\x00.", int64(0)}, // Python reads this, but does not write it
		"0.1":                    {"\x80\x02G?\xb9\x99\x99\x99\x99\x99\x9a.", 0.1},
		"'ü'":                    {"\x80\x02X\x02\x00\x00\x00\xc3\xbcq\x00.", "ü"},
		"'ü', protocol 4":        {"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00\x8c\x02\xc3\xbc\x94.", "ü"},
		"'a' of Python 2":        {"\x80\x02U\x01aq\x00.", "a"},
		"b'a', protocol 3":       {"\x80\x03C\x01aq\x00.", Bytes("a")},
		"bytearray, protocol 5":  {"\x80\x05\x95\x0c\x00\x00\x00\x00\x00\x00\x00\x96\x01\x00\x00\x00\x00\x00\x00\x00a\x94.", Bytes("a")},
		"()":                     {"\x80\x02).", Tuple{}},
		"(1, 2, 3)":              {"\x80\x02K\x01K\x02K\x03\x87q\x00.", Tuple{int64(1), int64(2), int64(3)}},
		"(1, 2, 3, 4)":           {"\x80\x02(K\x01K\x02K\x03K\x04tq\x00.", Tuple{int64(1), int64(2), int64(3), int64(4)}},
		"[None]":                 {"\x80\x02]q\x00Na.", &List{[]any{nil}}},
		"[1, 2]":                 {"\x80\x02]q\x00(K\x01K\x02e.", &List{[]any{int64(1), int64(2)}}},
		"{1}, protocol 4":        {"\x80\x04\x95\x07\x00\x00\x00\x00\x00\x00\x00\x8f\x94(K\x01\x90.", &List{[]any{int64(1)}}},
		"frozenset, protocol 4":  {"\x80\x04\x95\x06\x00\x00\x00\x00\x00\x00\x00(K\x01\x91\x94.", &List{[]any{int64(1)}}},
		"{}":                     {"\x80\x02}q\x00.", &Dict{}},
		"{'a': 1}":               {"\x80\x02}q\x00X\x01\x00\x00\x00aq\x01K\x01s.", dict("a", int64(1))},
		"{'a': 1, 'b': 2, 3: 4}": {"\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bq\x02K\x02K\x03K\x04u.", dict("a", int64(1), "b", int64(2))},
		"a key twice":            {"\x80\x02}(U\x01aK\x01U\x01bK\x02U\x01aK\x03u.", dict("a", int64(3), "b", int64(2))},
		"a value twice":          {"\x80\x02]q\x00(U\x01aq\x01h\x01e.", &List{[]any{"a", "a"}}},
		"memoize, protocol 4":    {"\x80\x04\x8c\x01a\x94h\x00\x86\x94.", Tuple{"a", "a"}},
		"dropped values":         {"\x80\x02K\x01K\x020(K\x031K\x042\x86.", Tuple{int64(4), int64(4)}},
		"a global":               {"\x80\x02cknown\nThing\n.", object{"Thing"}},
		"a global, protocol 4":   {"\x80\x04\x8c\x05known\x8c\x05Thing\x93.", object{"Thing"}},
		"a call":                 {"\x80\x02cknown\nThing\nK\x01\x85R.", object{"Thing(1)"}},
		"a new object":           {"\x80\x02cknown\nThing\n)\x81}b.", object{"Thing(0)"}},
		"keyword arguments":      {"\x80\x04cknown\nThing\n)}\x92.", object{"Thing(0)"}},
		"outside the pickle":     {"\x80\x02U\x01kQ.", object{"at k"}},
	} {
		got, err := decode(test.pickle)
		if err != nil || !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: %#v, %v; want %#v", name, got, err, test.want)
		}
	}
}

func TestDecodeSequence(t *testing.T) {
	const text = "\x80\x02K\x01q\x00.\x80\x02K\x02.rest"
	d := NewDecoder(strings.NewReader(text), int64(len(text)), &witness{})
	for i, offset := range []int64{7, 12} {
		got, err := d.Decode()
		if err != nil || got != int64(i+1) || d.Offset() != offset {
			t.Errorf("pickle %d is %v, %v, and ends at %d; want %d", i+1, got, err, d.Offset(), offset)
		}
	}
	// The first pickle's memo is not the second's.
	const other = "\x80\x02K\x01q\x00.\x80\x02h\x00."
	d = NewDecoder(strings.NewReader(other), int64(len(other)), &witness{})
	if _, err := d.Decode(); err != nil {
		t.Fatal(err)
	}
	if got, err := d.Decode(); err == nil {
		t.Errorf("a value of the previous pickle was read: %v", got)
	}
}

func TestDictKeepsItsOrder(t *testing.T) {
	var got []string
	for key, value := range dict("b", 1, "a", 2, "b", 3).All() {
		got = append(got, fmt.Sprint(key, value))
		if key == "z" {
			break
		}
	}
	if want := []string{"b3", "a2"}; !reflect.DeepEqual(got, want) {
		t.Errorf("entries %v, want %v", got, want)
	}
}

// Nothing is called, and the host is asked about every name.
func TestGlobalsGoToTheHost(t *testing.T) {
	for name, text := range map[string]string{
		"os.system":      "\x80\x02cos\nsystem\nX\x02\x00\x00\x00id\x85R.",
		"builtins.eval":  "\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x01x\x85R.",
		"posix.system":   "\x80\x02cposix\nsystem\n)\x81.",
		"copy_reg._redo": "\x80\x02ccopy_reg\n_redo\n.",
	} {
		host := &witness{}
		_, err := NewDecoder(strings.NewReader(text), int64(len(text)), host).Decode()
		if err != errRefused || !reflect.DeepEqual(host.asked, []string{name}) {
			t.Errorf("%s: the host was asked for %v, and the error is %v", name, host.asked, err)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, test := range map[string]struct{ pickle, want string }{
		"nothing":                   {"", "cut short"},
		"a future protocol":         {"\x80\x06N.", "protocol 6"},
		"opcode 0xff":               {"\x80\x02\xff.", "byte 2: unknown instruction 0xff"},
		"protocol 0":                {"I1\n.", "unknown instruction 0x49"},
		"an extension":              {"\x80\x02\x82\x01.", "unknown instruction 0x82"},
		"nothing to return":         {"\x80\x02.", "the stack is empty"},
		"text longer than the file": {"\x80\x02X\xff\xff\xff\xffa.", "cut short: the pickle needs 4294967295 bytes at byte 7 and has 2"},
		"text of 2**63 bytes":       {"\x80\x04\x8d\x00\x00\x00\x00\x00\x00\x00\x80.", "cut short"},
		"bytes of 2**64-1":          {"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\xff.", "cut short"},
		"a frame of 2**62":          {"\x80\x04\x95\x00\x00\x00\x00\x00\x00\x00\x40N.", "cut short"},
		"a long of 255 bytes":       {"\x80\x02\x8a\xff\x01.", "cut short"},
		"half an entry":             {"\x80\x02}(U\x01au.", "a key has no value"},
		"entries of a list":         {"\x80\x02](U\x01aNu.", "not a dict"},
		"items of a dict":           {"\x80\x02}Na.", "not a list"},
		"items of a tuple":          {"\x80\x02)(Ne.", "not a list"},
		"no mark":                   {"\x80\x02NNt.", "no mark"},
		"below the mark":            {"\x80\x02N(0.", "the stack is empty"},
		"below the mark, by two":    {"\x80\x02N(N\x86.", "the stack is empty"},
		"an unknown memo":           {"\x80\x02h\x07.", "the memo has no value 7"},
		"a memo of nothing":         {"\x80\x02q\x00.", "the stack is empty"},
		"a call with a list":        {"\x80\x02cknown\nf\n]R.", "not a tuple"},
		"a call of text":            {"\x80\x02U\x01f)R.", "refused"},
		"state for text":            {"\x80\x02U\x01f}b.", "refused"},
		"a global's endless name":   {"\x80\x02c" + strings.Repeat("a", 5000), "a name of more than 1024 bytes"},
		"a global of numbers":       {"\x80\x04K\x01K\x02\x93.", "not text"},
		"a list for an id":          {"\x80\x02]Q.", "refused"},
		"too many instructions":     {"\x80\x02" + strings.Repeat("N0", maxSteps), "instructions"},
	} {
		_, err := decode(test.pickle)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %v, want %q", name, err, test.want)
		}
	}
	long := "\x80\x02X\x00\x00\x00\x04" + strings.Repeat("a", maxSize)
	if _, err := decode(long + "."); err == nil || !strings.Contains(err.Error(), "64 MiB") {
		t.Errorf("a pickle of more than 64 MiB: error %v", err)
	}
}

func TestEveryTruncationIsAnError(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "tensorfile", "testdata", "formats", "dump.pkl"))
	if err != nil {
		t.Fatal(err)
	}
	for length := range text {
		if _, err := NewDecoder(bytes.NewReader(text), int64(length), anything{}).Decode(); err == nil {
			t.Errorf("the first %d of %d bytes are not an error", length, len(text))
		}
	}
	if _, err := NewDecoder(bytes.NewReader(text), int64(len(text)), anything{}).Decode(); err != nil {
		t.Error(err)
	}
}

// anything is a host that refuses nothing.
type anything struct{}

func (anything) Global(module, name string) (any, error) { return object{name}, nil }
func (anything) Call(any, Tuple) (any, error)            { return &Dict{}, nil }
func (anything) Build(any, any) error                    { return nil }
func (anything) Persistent(any) (any, error)             { return object{}, nil }

// Values that contain themselves, are nested 100,000 levels deep, or would have 2**64 items if
// they were written out, are read quickly, and so is their type.
func TestEndlessValues(t *testing.T) {
	circle, err := decode("\x80\x02]q\x00h\x00a.")
	if err != nil || circle.(*List).Items[0] != circle {
		t.Errorf("a list that contains itself: %v", err)
	}
	const depth = 100_000
	deep, err := decode("\x80\x02" + strings.Repeat("]", depth) + strings.Repeat("a", depth-1) + ".")
	if err != nil || TypeName(deep) != "list" {
		t.Errorf("a list in a list in a list …: %v", err)
	}
	laughs, err := decode("\x80\x02N" + strings.Repeat("2\x86", 64) + ".")
	if err != nil || TypeName(laughs) != "tuple" {
		t.Errorf("pairs of pairs of pairs …: %v", err)
	}
}

// These pickles use as much memory as their instructions allow.
func TestMemoryIsBounded(t *testing.T) {
	for name, test := range map[string]struct {
		pickle string
		most   uint64 // bytes
	}{
		"lengths past the end": {"\x80\x04\x8d\x00\x00\x00\x00\x10\x00\x00\x00a.", 1 << 16},
		"dicts":                {strings.Repeat("}", maxSteps), 512 << 20},
		"memos":                {"N" + strings.Repeat("]\x94", maxSteps/2), 512 << 20},
		"dicts of one entry":   {"U\x01aq\x00" + strings.Repeat("}h\x00Ns", maxSteps/4), 512 << 20},
		"marks":                {strings.Repeat("(", maxSteps), 512 << 20},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if _, err := decode(test.pickle); err == nil {
			t.Errorf("%s: no error", name)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; got > test.most {
			t.Errorf("%s: %d bytes were allocated, want at most %d", name, got, test.most)
		} else {
			t.Logf("%s: %d MiB", name, got>>20)
		}
	}
}

func FuzzDecode(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("..", "..", "..", "tensorfile", "testdata", "formats", "*.pkl"))
	if err != nil || len(files) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("\x80\x02]q\x00h\x00a."))
	f.Add([]byte("\x80\x04\x95\x07\x00\x00\x00\x00\x00\x00\x00\x8f\x94(K\x01\x90."))
	f.Add([]byte("\x80\x02}q\x00(X\x01\x00\x00\x00aq\x01K\x01X\x01\x00\x00\x00bG?\xb9\x99\x99\x99\x99\x99\x9au."))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, host := range []Host{&witness{}, anything{}} {
			d := NewDecoder(bytes.NewReader(text), int64(len(text)), host)
			value, err := d.Decode()
			if err != nil && (value != nil || strings.Contains(err.Error(), "\n")) {
				t.Errorf("%v with the error %q", TypeName(value), err)
			}
			if d.Offset() > int64(len(text)) {
				t.Errorf("%d bytes read of %d", d.Offset(), len(text))
			}
		}
	})
}
