package grade

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/residual-go/residual/lesson/checkout"
)

// writeClass writes a class of students with answers to three exercises, all different: most are
// right, some wrong, and some have what keeps them from sharing a program.
func writeClass(t testing.TB, root, dir string, students int) (names []string) {
	t.Helper()
	names = []string{"outputsize", "convolution", "basicblock"}
	for i := range students {
		for j, name := range names {
			source, err := os.ReadFile(filepath.Join(root, "lesson", "exercises", name, "solution", name+".go"))
			if err != nil {
				t.Fatal(err)
			}
			source = fmt.Appendf(source, "\n// Student %d.\nconst student = %[1]d\n", i)
			switch (i + j) % 10 {
			case 3:
				source = bytes.Replace(source, []byte("stride"), []byte("padding"), 1)
			case 6:
				source = append(source, "\nfunc init() {}\n"...)
			case 9:
				source = append(source, "\nvar seen []int\n"...)
			}
			put(t, dir, fmt.Sprintf("student%02d/%s.go", i, name), string(source))
		}
	}
	return names
}

// BenchmarkClass grades 40 students with three exercises, and then the same again:
//
//	go test -run '^$' -bench Class ./lesson/grade
//
// cpu-s/op are the seconds that all processors worked together.
func BenchmarkClass(b *testing.B) {
	root, err := checkout.Root(".")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	names := writeClass(b, root, dir, 40)
	o := Options{Course: root, Folders: []string{dir}, Exercises: names, Timeout: time.Minute, Memory: 4 << 30, WithoutSandbox: true}
	var all *Grades
	run := func(b *testing.B) {
		before := processorTime()
		for b.Loop() {
			if all, err = Run(b.Context(), o); err != nil || all.Incomplete || all.NotGraded > 0 {
				b.Fatal(all, err)
			}
		}
		b.ReportMetric((processorTime()-before).Seconds()/float64(b.N), "cpu-s/op")
	}
	b.Run("first", run)
	o.Earlier = all
	b.Run("again", run)
}
