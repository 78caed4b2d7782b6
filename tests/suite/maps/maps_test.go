// Package maps tests that the READMEs, which lead strangers through the code, tell the truth:
// links lead somewhere, every package is listed, the picture of imports is that of the code,
// and functions that are named exist.
package maps

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const (
	root   = "../../.."
	module = "github.com/residual-go/residual/"
)

// read returns the content of a file, by its path from the root of the checkout.
func read(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// imports returns the packages that match a pattern, each with those of this module that it
// imports, by their paths in the module.
func imports(t *testing.T, pattern string) map[string][]string {
	t.Helper()
	list := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, pattern)
	list.Dir = root
	output, err := list.Output()
	if err != nil {
		t.Fatalf("go list %s: %v", pattern, err)
	}
	packages := map[string][]string{}
	for line := range strings.Lines(string(output)) {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		packages[name] = nil
		for _, imported := range fields[1:] {
			if inside, ok := strings.CutPrefix(imported, module); ok {
				packages[name] = append(packages[name], inside)
			}
		}
	}
	return packages
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

func TestLinksInMarkdownLeadSomewhere(t *testing.T) {
	checked := 0
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == ".git" || name == "node_modules" || name == "bin" || name == "runs" || name == "testdata") {
			return filepath.SkipDir
		}
		if filepath.Ext(file) != ".md" {
			return nil
		}
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range link.FindAllStringSubmatch(string(content), -1) {
			target, _, _ := strings.Cut(match[1], "#")
			if target == "" || strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), filepath.FromSlash(target))); err != nil {
				t.Errorf("%s links to %s, which does not exist", file, match[1])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if checked < 50 {
		t.Errorf("only %d links were found", checked)
	}
}

// TestEveryPackageIsOnAMap: internal packages are their parents' business; exercises are listed
// by their names.
func TestEveryPackageIsOnAMap(t *testing.T) {
	for folder, pattern := range map[string]string{"pkg": "./pkg/...", "lesson": "./lesson/..."} {
		text := read(t, folder+"/README.md")
		for name := range imports(t, pattern) {
			inside, ok := strings.CutPrefix(name, folder+"/")
			if !ok || strings.Contains(name, "/internal") || strings.HasSuffix(name, "/solution") {
				continue
			}
			if inside = strings.TrimPrefix(inside, "exercises/"); !strings.Contains(text, "`"+inside+"`") && !strings.Contains(text, "`exercises/"+inside+"`") {
				t.Errorf("%s/README.md does not name `%s`", folder, inside)
			}
		}
	}
}

// groundwork is imported nearly everywhere and is left out of the picture.
var groundwork = []string{"atomicfile", "printable", "download"}

// TestPictureOfImports compares the arrows in pkg/README.md with the code: each is an import,
// direct or through others, and every import can be followed along arrows.
func TestPictureOfImports(t *testing.T) {
	code, drawn := map[string][]string{}, map[string][]string{}
	for name, imported := range imports(t, "./pkg/...") {
		from := strings.TrimPrefix(name, "pkg/")
		if strings.Contains(from, "/") || slices.Contains(groundwork, from) {
			continue
		}
		code[from] = nil
		for _, to := range imported {
			if to = strings.TrimPrefix(to, "pkg/"); !strings.Contains(to, "/") && !slices.Contains(groundwork, to) {
				code[from] = append(code[from], to)
			}
		}
	}
	arrow := regexp.MustCompile(`(?m)^\s*(\w+) --> (\w+)$`)
	for _, match := range arrow.FindAllStringSubmatch(read(t, "pkg/README.md"), -1) {
		drawn[match[1]] = append(drawn[match[1]], match[2])
	}
	for _, from := range slices.Sorted(maps.Keys(drawn)) {
		for _, to := range drawn[from] {
			if !reaches(code, from, to) {
				t.Errorf("pkg/README.md draws an arrow from %s to %s, which it does not import", from, to)
			}
		}
	}
	for _, from := range slices.Sorted(maps.Keys(code)) {
		for _, to := range code[from] {
			if !reaches(drawn, from, to) {
				t.Errorf("%s imports %s, and pkg/README.md has no arrows that lead there", from, to)
			}
		}
	}
}

// reaches reports whether edges lead from one node to another.
func reaches(edges map[string][]string, from, to string) bool {
	seen := map[string]bool{}
	var visit func(node string) bool
	visit = func(node string) bool {
		for _, next := range edges[node] {
			if next == to {
				return true
			}
			if !seen[next] {
				seen[next] = true
				if visit(next) {
					return true
				}
			}
		}
		return false
	}
	return visit(from)
}

var named = regexp.MustCompile("`([a-z0-9]+)\\.([A-Za-z]\\w*)(?:\\.([A-Za-z]\\w*))?`")

// TestNamedFunctionsExist looks up every `package.Name` and `package.Type.Method` of the maps.
func TestNamedFunctionsExist(t *testing.T) {
	folders := map[string]string{}
	for _, pattern := range []string{"./pkg/...", "./lesson/..."} {
		for name := range imports(t, pattern) {
			if base := path.Base(name); folders[base] == "" || !strings.Contains(name, "exercises") {
				folders[base] = name
			}
		}
	}
	found := 0
	for _, file := range []string{"README.md", "pkg/README.md", "lesson/README.md"} {
		for _, match := range named.FindAllStringSubmatch(read(t, file), -1) {
			folder, ok := folders[match[1]]
			if !ok || match[2] == "go" { // not a package of ours, or the name of a file
				continue
			}
			found++
			if !declares(t, folder, match[2], match[3]) {
				t.Errorf("%s names %s, which %s does not declare", file, match[0], folder)
			}
		}
	}
	if found < 20 {
		t.Errorf("only %d names were looked up", found)
	}
}

// declares reports whether the package in folder declares name, and, unless it is empty, the
// method or field of that type.
func declares(t *testing.T, folder, name, member string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range parsed.Decls {
			switch d := declaration.(type) {
			case *ast.FuncDecl:
				receiver := receiverOf(d)
				if member == "" && d.Name.Name == name || member != "" && receiver == name && d.Name.Name == member {
					return true
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						if s.Name.Name == name && (member == "" || hasMember(s.Type, member)) {
							return true
						}
					case *ast.ValueSpec:
						if member == "" && slices.ContainsFunc(s.Names, func(id *ast.Ident) bool { return id.Name == name }) {
							return true
						}
					}
				}
			}
		}
	}
	return false
}

// receiverOf returns the name of a method's type, and "" for a function.
func receiverOf(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	kind := d.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	if id, ok := kind.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// hasMember reports whether a struct or interface has a field or method of that name.
func hasMember(kind ast.Expr, name string) bool {
	var fields *ast.FieldList
	switch k := kind.(type) {
	case *ast.StructType:
		fields = k.Fields
	case *ast.InterfaceType:
		fields = k.Methods
	default:
		return false
	}
	for _, field := range fields.List {
		if slices.ContainsFunc(field.Names, func(id *ast.Ident) bool { return id.Name == name }) {
			return true
		}
	}
	return false
}
