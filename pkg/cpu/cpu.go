package cpu

import (
	"os"
	"reflect"
)

func kernelFromEnvironment() string { return os.Getenv(KernelEnv) }

// cloneFlat copies a slice.
func cloneFlat(flat any) any {
	from := reflect.ValueOf(flat)
	if from.Kind() != reflect.Slice {
		return flat // the reference backend says what is wrong with it
	}
	to := reflect.MakeSlice(from.Type(), from.Len(), from.Len())
	reflect.Copy(to, from)
	return to.Interface()
}
