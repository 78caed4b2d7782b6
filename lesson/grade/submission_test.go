package grade

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"
)

// size and other are different answers to outputsize.
const (
	size  = "package outputsize\n\nfunc OutputSize(in, kernel, stride, padding int) int { return (in+2*padding-kernel)/stride + 1 }\n"
	other = "package outputsize\n\nfunc OutputSize(in, kernel, stride, padding int) int { return in }\n"
)

// archive returns a zip archive with the given files: paths and contents, in turns.
func archive(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		f, err := w.Create(files[i])
		if err == nil {
			_, err = f.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// cells returns a notebook for GoNB with the given code cells.
func cells(t testing.TB, language string, code ...string) string {
	t.Helper()
	list := []any{map[string]any{"cell_type": "markdown", "source": []string{"# func OutputSize()"}}}
	for _, text := range code {
		list = append(list, map[string]any{"cell_type": "code", "source": strings.SplitAfter(text, "\n"), "outputs": []any{}})
	}
	content, err := json.Marshal(map[string]any{"cells": list, "nbformat": 4,
		"metadata": map[string]any{"kernelspec": map[string]string{"language": language}}})
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// utf16Text returns text as an editor on Windows saves it.
func utf16Text(text string) string {
	b := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(text)) {
		b = append(b, byte(unit), byte(unit>>8))
	}
	return string(b)
}

// handInCase is the files of a class, with paths and contents in turns, and what is expected
// of one student's answer to outputsize.
type handInCase struct {
	files   []string
	student string
	// answer is the source that is marked, or a part of it; "" if none is. fails is a part of
	// the reason, and "-" means that nothing was handed in. warns is a part of the warning.
	answer, fails, warns string
}

func (c handInCase) run(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(c.files); i += 2 {
		put(t, dir, c.files[i], c.files[i+1])
	}
	found, _, err := findSubmissions([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	answer, warning, err := readFound(t, found, c.student, "outputsize")
	switch {
	case c.answer != "" && (err != nil || !strings.Contains(answer, c.answer)):
		t.Errorf("got %q, %v; want %q", answer, err, c.answer)
	case c.fails == "-" && !errors.Is(err, fs.ErrNotExist):
		t.Errorf("got %q, %v; want that nothing was handed in", answer, err)
	case c.fails != "" && c.fails != "-" && (err == nil || !strings.Contains(err.Error(), c.fails)):
		t.Errorf("got %q, %v; want an error with %q", answer, err, c.fails)
	}
	if err != nil && (strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' }) || strings.Contains(err.Error(), dir)) {
		t.Errorf("the reason %q has a line break or the path of the class", err)
	}
	if !strings.Contains(warning, c.warns) || c.warns == "" && warning != "" {
		t.Errorf("the warning is %q, want %q in it", warning, c.warns)
	}
}

func TestHandIns(t *testing.T) {
	const moodle = "Ada Lovelace_12345_assignsubmission_file_"
	fork := []string{"residual-main/go.mod", "module x", "residual-main/lesson/exercises/outputsize/outputsize.go", size,
		"residual-main/lesson/exercises/outputsize/solution/outputsize.go", other, "residual-main/lesson/exercises/check/outputsize.go", "package check",
		"residual-main/pkg/outputsize.go", other, "residual-main/pkg/data.zip", "no zip", "residual-main/pkg/optim/sgd.go", "package optim",
		"residual-main/notebooks/1.ipynb", "{}"}
	for name, c := range map[string]handInCase{
		// Folders.
		"plain":          {[]string{"ada/outputsize.go", size}, "ada", size, "", ""},
		"folder":         {[]string{"ada/outputsize/outputsize.go", size}, "ada", size, "", ""},
		"fork":           {[]string{"ada/lesson/exercises/outputsize/outputsize.go", size, "ada/pkg/x/outputsize.go", other}, "ada", size, "", ""},
		"GitHub's":       {prefixed("ada/", fork), "ada", size, "", ""},
		"wrapped twice":  {prefixed("ada/residual-main/", fork), "ada", size, "", ""},
		"beside others":  {append(prefixed("ada/", fork), "ada/pictures/x.png", ""), "ada", size, "", ""},
		"exercises only": {[]string{"ada/exercises/outputsize/outputsize.go", size, "ada/exercises/check/outputsize.go", "package check", "ada/exercises/stub.go", "package exercises"}, "ada", size, "", ""},
		"upper case":     {[]string{"ada/OutputSize.GO", size}, "ada", size, "", ""},
		"words":          {[]string{"ada/Output_Size.go", size}, "ada", size, "", ""},
		"upper folders":  {[]string{"ada/Lesson/Exercises/OutputSize/OutputSize.go", size}, "ada", size, "", ""},
		"txt":            {[]string{"ada/outputsize.go.txt", size}, "ada", size, "", ""},
		"only txt":       {[]string{"ada/outputsize.txt", size}, "ada", size, "", ""},
		"BOM":            {[]string{"ada/outputsize.go", "\xef\xbb\xbf" + size}, "ada", size, "", ""},
		"UTF-16":         {[]string{"ada/outputsize.go", utf16Text(size)}, "ada", size, "", ""},
		"CRLF":           {[]string{"ada/outputsize.go", strings.ReplaceAll(size, "\n", "\r\n")}, "ada", "func OutputSize", "", ""},
		"second copy":    {[]string{"ada/outputsize (1).go", size}, "ada", size, "", ""},
		"other name":     {[]string{"ada/my answer.go", size}, "ada", size, "", ""},
		"same twice":     {[]string{"ada/a/outputsize.go", size, "ada/b/outputsize.go", size + "\n"}, "ada", size, "", ""},
		"stub beside":    {append(prefixed("ada/", []string{"lesson/exercises/outputsize/outputsize.go", stubOf(t, "outputsize")}), "ada/outputsize.go", size), "ada", size, "", ""},
		"only the stub":  {[]string{"ada/outputsize.go", "\xef\xbb\xbf" + stubOf(t, "outputsize")}, "ada", "not done yet", "", ""},
		"hidden":         {[]string{"ada/outputsize.go", size, "ada/._outputsize.go", "x", "ada/.git/outputsize.go", other, "ada/__MACOSX/outputsize.go", other}, "ada", size, "", ""},

		// Platforms.
		"Moodle's file":      {[]string{moodle + "outputsize.go", size, "ben/x.go", ""}, "Ada Lovelace", size, "", ""},
		"Moodle's folder":    {[]string{moodle + "/outputsize.go", size}, "Ada Lovelace", size, "", ""},
		"Moodle's new":       {[]string{strings.TrimSuffix(moodle, "_") + "/outputsize.go", size}, "Ada Lovelace", size, "", ""},
		"Moodle's zip":       {[]string{moodle + "work.zip", archive(t, fork...)}, "Ada Lovelace", size, "", ""},
		"Moodle's other":     {[]string{moodle + "mine.go", size}, "Ada Lovelace", size, "", ""},
		"Moodle's text":      {[]string{"Ada Lovelace_1_assignsubmission_onlinetext_/onlinetext.html", "<p>"}, "Ada Lovelace", "", "found onlinetext.html, but", ""},
		"Moodle's two parts": {[]string{moodle + "outputsize.go", size, "Ada Lovelace_12345_assignsubmission_onlinetext.html", "<p>"}, "Ada Lovelace", size, "", ""},
		"Moodle's namesakes": {[]string{moodle + "outputsize.go", size, "Ada Lovelace_99_assignsubmission_file_outputsize.go", other}, "Ada Lovelace (99)", other, "", ""},
		"Moodle's in one":    {[]string{"ada/" + moodle + "outputsize.go", size}, "ada", size, "", ""},
		"Canvas":             {[]string{"lovelaceada_123_456_outputsize.go", size}, "lovelaceada", size, "", ""},
		"Canvas, late":       {[]string{"lovelaceada_LATE_123_456_outputsize.go", size}, "lovelaceada", size, "", "handed in late"},
		"Canvas, again":      {[]string{"lovelaceada_123_456_outputsize.go", other, "lovelaceada_123_457_outputsize-1.go", other + "//\n", "lovelaceada_123_458_outputsize-10.go", size}, "lovelaceada", size, "", "of 3 attempts at outputsize the newest is marked: lovelaceada_123_458_outputsize-10.go"},
		"Canvas, two files":  {[]string{"lovelaceada_123_456_outputsize.go", size, "lovelaceada_LATE_123_457_convolution.go", ""}, "lovelaceada", size, "", "late"},
		"Canvas, unclear":    {[]string{"lovelaceada_123_456_outputsize.go", size, "lovelaceada_123_457_outputsize.go", other}, "lovelaceada", "", "2 different answers", ""},
		"Blackboard":         {[]string{"Homework_al12_attempt_2026-11-01-10-00-00_outputsize.go", other, "Homework_al12_attempt_2026-11-02-10-00-00_outputsize.go", size, "Homework_al12_attempt_2026-11-02-10-00-00.txt", ""}, "al12", size, "", "newest"},

		// Loose files.
		"zip":              {[]string{"ben.zip", archive(t, "outputsize.go", size)}, "ben", size, "", ""},
		"zip of a fork":    {[]string{"ben.ZIP", archive(t, fork...)}, "ben", size, "", ""},
		"zip and folder":   {[]string{"ben.zip", archive(t, "outputsize.go", size), "ben/outputsize.go", size}, "ben", size, "", ""},
		"zip in a folder":  {[]string{"ben/hand-in/homework.zip", archive(t, "outputsize/outputsize.go", size)}, "ben", size, "", ""},
		"zip in a zip":     {[]string{"ben.zip", archive(t, "work.zip", archive(t, "outputsize.go", size))}, "ben", size, "", ""},
		"zip from Windows": {[]string{"ben.zip", archive(t, `work\outputsize.go`, size)}, "ben", size, "", ""},
		"zip of a Mac":     {[]string{"ben.zip", archive(t, "outputsize.go", size, "__MACOSX/._outputsize.go", "x")}, "ben", size, "", ""},
		"prefix":           {[]string{"ada_outputsize.go", size}, "ada", size, "", ""},
		"prefix and dash":  {[]string{"Ada Lovelace - outputsize.go", size}, "Ada Lovelace", size, "", ""},
		"student's name":   {[]string{"ada.go", size}, "ada", size, "", ""},
		"nobody's":         {[]string{"outputsize (2).go", size, "ben/outputsize.go", size}, "outputsize (2).go", "", "does not say whose", ""},
		"no Go":            {[]string{"ada.pdf", "", "ben/outputsize.go", size}, "ada", "", "found ada.pdf, but", ""},
		"rar":              {[]string{"ada.rar", "", "ben/outputsize.go", size}, "ada", "", "ada.rar is an archive that is not opened", ""},
		"tar.gz":           {[]string{"ada.tar.gz", "", "ben/outputsize.go", size}, "ada", "", "ada.tar.gz is an archive", ""},

		// What is not marked.
		"two answers":     {[]string{"ada/a/outputsize.go", size, "ada/b/outputsize.go", other}, "ada", "", "2 different answers, and nothing says which one to mark: a/outputsize.go, b/outputsize.go", ""},
		"copies":          {[]string{"ada/outputsize.go", size, "ada/outputsize (1).go", other}, "ada", "", "2 different answers", ""},
		"attempts":        {[]string{"ada/attempt 2/outputsize.go", other, "ada/attempt 10/outputsize.go", size}, "ada", size, "", "newest is marked: attempt 10/outputsize.go"},
		"versions":        {[]string{"ada/outputsize_v1.go", other, "ada/outputsize_v2.go", size}, "ada", size, "", "newest is marked: outputsize_v2.go"},
		"unlike attempts": {[]string{"ada/outputsize_v1.go", other, "ada/final/outputsize_v2.go", size}, "ada", "", "2 different answers", ""},
		"two files":       {[]string{"ada/outputsize.go", size, "ada/help.go", "package outputsize\n"}, "ada", size, "", "only outputsize.go is read, not help.go"},
		"two parts":       {[]string{"ada/one.go", size, "ada/two.go", "package outputsize\n"}, "ada", size, "", "only one.go is read, not two.go"},
		"two wholes":      {[]string{"ada/one.go", size, "ada/two.go", other}, "ada", "", "2 different answers", ""},
		"an old one":      {[]string{"ada/outputsize.go", size, "ada/outputsize-old.go", other}, "ada", "", "2 different answers, and nothing says which one to mark: outputsize.go, outputsize-old.go", ""},
		"no function":     {[]string{"ada/one.go", "package outputsize\n"}, "ada", "package outputsize\n", "", ""},
		"a test":          {[]string{"ada/outputsize_test.go", size}, "ada", "", "found outputsize_test.go, but", ""},
		"a solution":      {[]string{"ada/outputsize/solution/outputsize.go", size}, "ada", "", "found outputsize/solution/outputsize.go, but", ""},
		"empty":           {[]string{"ada/.keep", "", "ben/outputsize.go", size}, "ada", "", "-", ""},
		"another one":     {[]string{"ada/convolution.go", "package convolution"}, "ada", "", "-", ""},
		"several":         {[]string{"week 1/" + moodle + "outputsize.go", size, "week 1/Ben_2_assignsubmission_file_outputsize.go", size}, "week 1", "", "hand-ins of 2 students: Ada Lovelace, Ben;", ""},
		"name of a line":  {[]string{"ada/x\nben 10.go", "package x"}, "ada", "", `"x\nben 10.go"`, ""},
	} {
		t.Run(name, c.run)
	}
}

// prefixed returns files with a folder in front of their paths.
func prefixed(folder string, files []string) []string {
	files = slices.Clone(files)
	for i := 0; i < len(files); i += 2 {
		files[i] = folder + files[i]
	}
	return files
}

// stubOf returns the file of an exercise of the course as students find it.
func stubOf(t *testing.T, name string) string {
	t.Helper()
	one, err := openTask(filepath.Join("..", ".."), name)
	if err != nil {
		t.Fatal(err)
	}
	return string(one.stub)
}

func TestNotebooks(t *testing.T) {
	const function = "func OutputSize(in, kernel, stride, padding int) int {\n\treturn half(in)\n}\n"
	const half = "import \"math\"\n\n// half needs math.\nfunc half(n int) int { return int(math.Floor(float64(n) / two)) }"
	const two = "const two = 2"
	block := func(planes string) string {
		return "func Block(scope *model.Scope, x *Node, " + planes + ", stride int, shortcut nn.Shortcut) *Node { return x }"
	}
	for name, c := range map[string]handInCase{
		"by name":         {[]string{"ada/outputsize.ipynb", cells(t, "go", function, half, two, "%%\nfmt.Println(OutputSize(1, 1, 1, 1))")}, "ada", "package outputsize\n\nimport (\n\t\"math\"\n)\n\nfunc OutputSize", "", "taken from the cells of outputsize.ipynb"},
		"helper":          {[]string{"ada/outputsize.ipynb", cells(t, "go", half, two, function)}, "ada", "// half needs math.\nfunc half", "", "cells"},
		"constant":        {[]string{"ada/outputsize.ipynb", cells(t, "go", half, two, function)}, "ada", "const two = 2\n", "", "cells"},
		"commands":        {[]string{"ada/outputsize.ipynb", cells(t, "go", "!ls\n%env X=1\n"+function)}, "ada", "func OutputSize", "", "cells"},
		"by content":      {[]string{"ada/Homework 3.ipynb", cells(t, "go", function)}, "ada", "func OutputSize", "", "Homework 3.ipynb"},
		"loose":           {[]string{"ada.ipynb", cells(t, "go", function)}, "ada", "func OutputSize", "", "ada.ipynb"},
		"twice":           {[]string{"ada/outputsize.ipynb", cells(t, "go", function, strings.ReplaceAll(function, "half(in)", "in"))}, "ada", "", "define OutputSize more than once, differently", ""},
		"twice the same":  {[]string{"ada/outputsize.ipynb", cells(t, "go", function, function)}, "ada", "func OutputSize", "", "cells"},
		"Python":          {[]string{"ada/outputsize.ipynb", cells(t, "python", "def f(x):\n  return x")}, "ada", "", "outputsize.ipynb: it is a notebook in python, not Go", ""},
		"Python, unnamed": {[]string{"ada/work.ipynb", cells(t, "python", "def f(x):\n  return x")}, "ada", "", "work.ipynb: it is a notebook in python", ""},
		"no function":     {[]string{"ada/outputsize.ipynb", cells(t, "go", two, "func (")}, "ada", "", "no cell defines OutputSize, and cell 3 is not Go", ""},
		"not JSON":        {[]string{"ada/outputsize.ipynb", "x"}, "ada", "", "it is not a Jupyter notebook", ""},
		"no exercise":     {[]string{"ada/work.ipynb", cells(t, "go", two)}, "ada", "", "work.ipynb: its name is not that of an exercise, and its cells", ""},
		"beside a file":   {[]string{"ada/outputsize.ipynb", cells(t, "go", function), "ada/outputsize.go", size}, "ada", size, "", "only outputsize.go is read, not outputsize.ipynb"},
		"with a package":  {[]string{"ada/outputsize.ipynb", cells(t, "go", size)}, "ada", "package outputsize\n\nfunc OutputSize", "", "cells"},
		"checkpoints":     {[]string{"ada/outputsize.ipynb", cells(t, "go", function), "ada/.ipynb_checkpoints/outputsize-checkpoint.ipynb", "x"}, "ada", "func OutputSize", "", "cells"},
		"not this":        {[]string{"ada/work.ipynb", cells(t, "go", block("planes"))}, "ada", "", "do not define the functions of exactly one", ""},
	} {
		t.Run(name, c.run)
	}

	dots := cells(t, "go", "import . \"github.com/gomlx/gomlx/core/graph\"", "func Block(s *model.Scope, x *Node) *Node { return Add(x, x) }", function, two, half)
	n, err := readNotebook([]byte(dots))
	if err != nil {
		t.Fatal(err)
	}
	for exercise, want := range map[string]bool{"basicblock": true, "outputsize": false} {
		one, err := openTask(filepath.Join("..", ".."), exercise)
		if err != nil {
			t.Fatal(err)
		}
		source, err := n.answer(one)
		if err != nil || strings.Contains(string(source), `	. "github.com`) != want {
			t.Errorf("%s: %v, with a dot import: want %t\n%s", exercise, err, want, source)
		}
	}

	// Two exercises ask for functions of the same name and type.
	var all []task
	for _, name := range []string{"bottleneck", "bugblock", "basicblock", "momentum"} {
		one, err := openTask(filepath.Join("..", ".."), name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	for want, code := range map[string]string{
		"":           block("planes"),
		"bottleneck": "package bottleneck\n\n" + block("planes"),
		"basicblock": "func Block(s *model.Scope, x *Node) *Node { return x }",
		"momentum":   "type SGD struct{ Rate float64 }\n\nfunc (s *SGD) Step(w, g []float64) {}",
	} {
		n, err := readNotebook([]byte(cells(t, "go", code)))
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range all {
			if got := n.answersTo(one, all); got != (one.name == want) {
				t.Errorf("%q answers %s: %t", code, one.name, got)
			}
		}
	}
}

// TestHostileArchives has archives that must be refused in one line, and quickly.
func TestHostileArchives(t *testing.T) {
	var many []string
	for i := range maxFiles + 1 {
		many = append(many, fmt.Sprint("f", i), "")
	}
	var answers []string
	for i := range maxAnswers + 1 {
		answers = append(answers, fmt.Sprintf("%d/outputsize.go", i), size+strings.Repeat("\n//", i))
	}
	var data []string
	for i := range 3 * maxPlain {
		data = append(data, fmt.Sprintf("data/%d.png", i), "")
	}
	special := func(mode fs.FileMode, flags uint16, method uint16) string {
		var b bytes.Buffer
		w := zip.NewWriter(&b)
		h := &zip.FileHeader{Name: "outputsize.go", Flags: flags, Method: method, CompressedSize64: 4, UncompressedSize64: 4}
		h.SetMode(mode)
		f, err := w.CreateRaw(h)
		if err == nil {
			_, err = f.Write([]byte("/etc"))
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	damaged := []byte(archive(t, "outputsize.go", size))
	damaged[50] ^= 0xff
	handInCase{[]string{"ben.zip", archive(t, append(data, "outputsize.go", size)...)}, "ben", size, "", ""}.run(t)
	for name, c := range map[string]struct{ content, want string }{
		"not a zip":      {"PK", "the archive ben.zip cannot be read: it is damaged or not a zip archive"},
		"cut off":        {archive(t, "outputsize.go", size)[:100], "it is damaged"},
		"damaged":        {string(damaged), "cannot be read"},
		"out of it":      {archive(t, "../../outputsize.go", size), "has a file with the path ../../outputsize.go, which leads out of it"},
		"out, backwards": {archive(t, `..\outputsize.go`, size), "which leads out of it"},
		"absolute":       {archive(t, "/etc/outputsize.go", size), "which leads out of it"},
		"drive":          {archive(t, `C:\outputsize.go`, size), "which leads out of it"},
		"line break":     {archive(t, "../a\nb 10.go", size), `"../a\nb 10.go"`},
		"link":           {special(fs.ModeSymlink|0o777, 0, zip.Store), "ben.zip/outputsize.go is a link"},
		"device":         {special(fs.ModeDevice|0o777, 0, zip.Store), "is not a regular file"},
		"password":       {special(0o644, 1, zip.Store), "ben.zip/outputsize.go is encrypted"},
		"method":         {special(0o644, 0, 99), "ben.zip/outputsize.go cannot be read"},
		"bomb":           {archive(t, "x", strings.Repeat("\x00", maxUnpacked+1)), "would unpack to 64 MiB, more than 200 times its size"},
		"large answer":   {archive(t, "outputsize.go", strings.Repeat("\n", maxSource+1)), "is larger than 1024 KiB"},
		"large inner":    {archive(t, "a.zip", strings.Repeat("\x00", maxInner+1)), "the archive ben.zip/a.zip is larger than 16384 KiB"},
		"many files":     {archive(t, many...), "has more than 100000 files"},
		"many answers":   {archive(t, answers...), "more than 20 files may be the answer"},
		"long path":      {archive(t, strings.Repeat("a/", maxPath)+"outputsize.go", size), "path is longer than"},
		"too deep":       {archive(t, "a.zip", archive(t, "b.zip", archive(t, "outputsize.go", size))), "the archive ben.zip/a.zip/b.zip is inside another archive"},
	} {
		t.Run(name, func(t *testing.T) {
			handInCase{[]string{"ben.zip", c.content}, "ben", "", c.want, ""}.run(t)
			if name == "many answers" {
				return // they are together with the one beside the archive
			}
			handInCase{[]string{"ben/ben.zip", c.content, "ben/outputsize.go", size}, "ben", size, "", "ben.zip"}.run(t)
		})
	}
}

// TestNobodyVanishes tests that whatever is in the folder of a class has a row or is named.
func TestNobodyVanishes(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"ada/outputsize.go", "ben.zip", "cleo", "dan.docx", "eve.go", "outputsize.go", "README.md", "names.csv", "x\ny", ".git/x", "__MACOSX/x", ".DS_Store"} {
		put(t, dir, name, "x")
	}
	found, passed, err := findSubmissions([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range found {
		names = append(names, s.student)
	}
	if want := []string{"ada", "ben", "cleo", "dan", "eve", "outputsize.go", `"x\ny"`}; !slices.Equal(names, want) {
		t.Errorf("students %q, want %q", names, want)
	}
	if want := []string{"README.md", "names.csv"}; !slices.Equal(passed, want) {
		t.Errorf("passed over %q, want %q", passed, want)
	}
}

// TestNamesOfStudents tests that different names look different, and that none can pass for
// more than a name.
func TestNamesOfStudents(t *testing.T) {
	dir := t.TempDir()
	names := []string{"anna", " anna", "anna ", `"anna "`, "anna\n  bob 10", "anna\t", "anna\u200b", "anna\u00a0", "an\x1b[31mna", "＝1+1", ";=1+1", "=1+1", "'=1+1", "\u202eanna"}
	for _, name := range names {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Skip("a name that this system does not allow:", err)
		}
	}
	found, _, err := findSubmissions([]string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != len(names) {
		t.Fatalf("%d students, want %d", len(found), len(names))
	}
	g := Grades{Exercises: []string{"outputsize"}}
	for _, s := range found {
		g.Students = append(g.Students, Student{Name: s.student, Marks: []Mark{{Exercise: "outputsize", Status: NotMarked, Message: "x"}}})
	}
	var csv, table bytes.Buffer
	if err := errors.Join(g.WriteCSV(&csv), g.WriteTable(&table)); err != nil {
		t.Fatal(err)
	}
	if rows := strings.Split(strings.TrimSpace(csv.String()), "\n"); len(rows) != len(names)+1 || len(slices.Compact(slices.Sorted(slices.Values(rows)))) != len(rows) {
		t.Errorf("the CSV has rows that are missing or the same:\n%s", &csv)
	}
	head, _, _ := strings.Cut(table.String(), "\n\n")
	rows := strings.Split(head, "\n")
	for i, row := range rows {
		rows[i] = strings.TrimSpace(row)
	}
	if len(rows) != len(names)+2 || len(slices.Compact(slices.Sorted(slices.Values(rows)))) != len(rows) {
		t.Errorf("the table has rows that are missing or the same:\n%s", head)
	}
	if strings.ContainsFunc(csv.String()+table.String(), func(r rune) bool { return r < ' ' && r != '\n' || r == '\u202e' || r == '\u200b' }) {
		t.Errorf("control characters in the output:\n%q", csv.String()+table.String())
	}
}
