package grade

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unit is a top-level declaration.
type unit struct {
	// names are what it declares. A method is T.M, with the receiver's type.
	names []string
	text  string
	// uses are all identifiers in it, packages those before a dot, and exported the exported
	// ones that are not behind a dot.
	uses, packages, exported []string
	// signature is that of a function, without the names of parameters and packages.
	signature string
}

// unitsOf returns the declarations of a Go file and its imports, by the names they have there.
func unitsOf(source []byte) (units []unit, imports map[string]string, pkg string, err error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, "", source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, nil, "", err
	}
	imports = map[string]string{}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		name := path.Base(imported)
		if len(name) > 1 && name[0] == 'v' && strings.Trim(name[1:], "0123456789") == "" {
			name = path.Base(path.Dir(imported))
		}
		line := strconv.Quote(imported)
		if spec.Name != nil {
			name, line = spec.Name.Name, spec.Name.Name+" "+line
		}
		if name == "." { // there may be several
			name = line
		}
		imports[name] = line
	}
	for _, decl := range file.Decls {
		var u unit
		begin, members := decl.Pos(), map[*ast.Ident]bool{}
		switch d := decl.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil && len(d.Recv.List) == 1 {
				name = baseType(d.Recv.List[0].Type) + "." + name
			}
			u.names, u.signature = []string{name}, signatureOf(files, d.Type)
			if d.Doc != nil {
				begin = d.Doc.Pos()
			}
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					u.names = append(u.names, s.Name.Name)
				case *ast.ValueSpec:
					for _, name := range s.Names {
						u.names = append(u.names, name.Name)
					}
				}
			}
			if d.Doc != nil {
				begin = d.Doc.Pos()
			}
		}
		for node := range ast.Preorder(decl) {
			switch n := node.(type) {
			case *ast.Ident:
				u.uses = append(u.uses, n.Name)
				if ast.IsExported(n.Name) && !members[n] {
					u.exported = append(u.exported, n.Name)
				}
			case *ast.SelectorExpr:
				members[n.Sel] = true
				if x, ok := n.X.(*ast.Ident); ok {
					u.packages = append(u.packages, x.Name)
				}
			}
		}
		u.text = string(source[files.Position(begin).Offset:files.Position(decl.End()).Offset])
		units = append(units, u)
	}
	return units, imports, file.Name.Name, nil
}

// baseType returns the name of a receiver's type.
func baseType(x ast.Expr) string {
	for {
		switch t := x.(type) {
		case *ast.StarExpr:
			x = t.X
		case *ast.IndexExpr:
			x = t.X
		case *ast.Ident:
			return t.Name
		default:
			return ""
		}
	}
}

// signatureOf returns the types of a function's parameters and results, without the names of
// packages: a notebook may import one under another name.
func signatureOf(files *token.FileSet, f *ast.FuncType) string {
	var b strings.Builder
	for _, list := range []*ast.FieldList{f.Params, f.Results} {
		b.WriteString("(")
		if list != nil {
			for _, field := range list.List {
				var text bytes.Buffer
				if printer.Fprint(&text, files, field.Type) != nil {
					continue
				}
				for range max(1, len(field.Names)) {
					for word := range strings.FieldsSeq(text.String()) {
						b.WriteString(withoutPackage(word) + " ")
					}
					b.WriteString(",")
				}
			}
		}
		b.WriteString(")")
	}
	return b.String()
}

// withoutPackage removes the qualifier from a type such as []*graph.Node.
func withoutPackage(typ string) string {
	dot := strings.LastIndexByte(typ, '.')
	if dot <= 0 || typ[dot-1] == '.' { // variadic
		return typ
	}
	begin := dot
	for begin > 0 && (typ[begin-1] == '_' || '0' <= typ[begin-1] && typ[begin-1] <= '9' ||
		'a' <= typ[begin-1] && typ[begin-1] <= 'z' || 'A' <= typ[begin-1] && typ[begin-1] <= 'Z') {
		begin--
	}
	return typ[:begin] + typ[dot+1:]
}

// notebook is the Go declarations in the cells of a Jupyter notebook.
type notebook struct {
	units   []unit
	imports map[string]string
	// packages are those that cells name in a package clause.
	packages []string
	// broken is the error of the first cell that is not Go.
	broken error
}

// readNotebook reads the code cells of a notebook.
func readNotebook(content []byte) (*notebook, error) {
	var raw struct {
		Cells []struct {
			Type   string          `json:"cell_type"`
			Source json.RawMessage `json:"source"`
		} `json:"cells"`
		Metadata struct {
			Kernel struct {
				Language string `json:"language"`
			} `json:"kernelspec"`
			Language struct {
				Name string `json:"name"`
			} `json:"language_info"`
		} `json:"metadata"`
	}
	if json.Unmarshal(plainText(content), &raw) != nil || raw.Cells == nil {
		return nil, errors.New("it is not a Jupyter notebook")
	}
	n := &notebook{imports: map[string]string{}}
	for i, cell := range raw.Cells {
		if cell.Type != "code" {
			continue
		}
		var lines []string
		var text string
		if json.Unmarshal(cell.Source, &lines) == nil {
			text = strings.Join(lines, "")
		} else if json.Unmarshal(cell.Source, &text) != nil {
			continue
		}
		source := goOf(text)
		if strings.TrimSpace(source) == "" {
			continue
		}
		units, imports, pkg, err := unitsOf([]byte(source))
		if err != nil {
			// Most cells have no package clause.
			units, imports, pkg, err = unitsOf([]byte("package cell; " + source))
		}
		if err != nil {
			if n.broken == nil {
				n.broken = fmt.Errorf("cell %d is not Go", i+1)
			}
			continue
		}
		n.units = append(n.units, units...)
		for name, line := range imports {
			n.imports[name] = line
		}
		if pkg != "cell" {
			n.packages = append(n.packages, pkg)
		}
	}
	language := strings.ToLower(raw.Metadata.Kernel.Language)
	if language == "" {
		language = strings.ToLower(raw.Metadata.Language.Name)
	}
	if len(n.units) == 0 && language != "" && !strings.HasPrefix(language, "go") {
		return nil, fmt.Errorf("it is a notebook in %s, not Go", shown(language))
	}
	return n, nil
}

// goOf returns the declarations of a cell for GoNB, Go's Jupyter kernel. There, what follows a
// line %% or %main is the body of main, and other lines with % or ! are commands.
func goOf(cell string) string {
	var kept []string
	for line := range strings.SplitSeq(strings.ReplaceAll(cell, "\r\n", "\n"), "\n") {
		text := strings.TrimSpace(line)
		if strings.HasPrefix(text, "%%") || strings.HasPrefix(text, "%main") {
			break
		}
		if strings.HasPrefix(line, "%") || strings.HasPrefix(line, "!") {
			line = ""
		}
		kept = append(kept, line)
	}
	return strings.Join(kept, "\n")
}

// asked returns the functions that an exercise asks for: all that its stub declares for other
// packages to call, by their signatures.
func asked(t task) map[string]string {
	units, _, _, err := unitsOf(t.stub)
	if err != nil {
		return nil // the stub is generated, so this does not happen
	}
	functions := map[string]string{}
	for _, u := range units {
		if u.signature == "" {
			continue
		}
		name := u.names[0]
		if ast.IsExported(name[strings.LastIndexByte(name, '.')+1:]) {
			functions[name] = u.signature
		}
	}
	return functions
}

// defines reports whether the notebook defines all functions that an exercise asks for.
func (n *notebook) defines(t task) bool {
	functions := asked(t)
	for name, signature := range functions {
		if !slices.ContainsFunc(n.units, func(u unit) bool { return u.names[0] == name && u.signature == signature }) {
			return false
		}
	}
	return len(functions) > 0
}

// answersTo reports whether the notebook answers an exercise, by a package clause or by what
// it defines, and no other exercise that asks for a function of the same name.
func (n *notebook) answersTo(t task, all []task) bool {
	if !n.defines(t) {
		return false
	}
	if slices.Contains(n.packages, t.name) {
		return true
	}
	functions := asked(t)
	for _, other := range all {
		if other.name == t.name || !n.defines(other) {
			continue
		}
		for name := range asked(other) {
			if _, ok := functions[name]; ok {
				return false
			}
		}
	}
	return true
}

// answer returns a Go file with what the notebook defines for an exercise: the functions that
// are asked for, and whatever they need. What the stub declares and the notebook does not is
// taken from the stub.
func (n *notebook) answer(t task) ([]byte, error) {
	stub, imports, _, err := unitsOf(t.stub)
	if err != nil {
		return nil, err
	}
	functions := asked(t)
	if !slices.ContainsFunc(n.units, func(u unit) bool { return len(u.names) > 0 && functions[u.names[0]] != "" }) {
		var names []string
		for name := range functions {
			names = append(names, name)
		}
		slices.Sort(names)
		reason := "no cell defines " + few(names, ", ")
		if n.broken != nil {
			reason += ", and " + n.broken.Error()
		}
		return nil, errors.New(reason)
	}
	var chosen []unit
	done := map[string]bool{}
	var need func(name string) error
	need = func(name string) error {
		if done[name] || name == "_" {
			return nil
		}
		done[name] = true
		declares := func(u unit) bool { return slices.Contains(u.names, name) }
		i := slices.IndexFunc(n.units, declares)
		var u unit
		if i >= 0 {
			u = n.units[i]
			for _, other := range n.units[i+1:] {
				if declares(other) && other.text != u.text {
					return fmt.Errorf("its cells define %s more than once, differently", shown(name))
				}
			}
		} else if i = slices.IndexFunc(stub, declares); i >= 0 {
			u = stub[i]
		} else {
			return nil
		}
		for _, name := range u.names {
			done[name] = true
		}
		chosen = append(chosen, u)
		for _, list := range [][]unit{n.units, stub} { // methods of the types
			for _, other := range list {
				typ, _, isMethod := strings.Cut(firstName(other), ".")
				if isMethod && slices.Contains(u.names, typ) {
					if err := need(firstName(other)); err != nil {
						return err
					}
				}
			}
		}
		for _, used := range u.uses {
			if err := need(used); err != nil {
				return err
			}
		}
		return nil
	}
	for _, u := range stub {
		for _, name := range u.names {
			if err := need(name); err != nil {
				return nil, err
			}
		}
	}
	var lines []string
	for _, u := range chosen {
		for _, name := range u.packages {
			line, ok := n.imports[name]
			if !ok {
				line, ok = imports[name]
			}
			if ok && !slices.Contains(lines, line) {
				lines = append(lines, line)
			}
		}
	}
	// A dot import has no name to look for. One that is not used does not compile, so it is
	// taken if a name is used that must come from one.
	foreign := slices.ContainsFunc(chosen, func(u unit) bool {
		return slices.ContainsFunc(u.exported, func(name string) bool {
			return !slices.ContainsFunc(chosen, func(other unit) bool { return slices.Contains(other.names, name) })
		})
	})
	for name, line := range n.imports {
		if foreign && strings.HasPrefix(name, ". ") {
			lines = append(lines, line)
		}
	}
	slices.Sort(lines)
	var b bytes.Buffer
	fmt.Fprintf(&b, "package %s\n", t.name)
	if len(lines) > 0 {
		fmt.Fprintf(&b, "\nimport (\n\t%s\n)\n", strings.Join(lines, "\n\t"))
	}
	for _, u := range chosen {
		fmt.Fprintf(&b, "\n%s\n", u.text)
	}
	return b.Bytes(), nil
}

// firstName returns the first name that a unit declares, or "".
func firstName(u unit) string {
	if len(u.names) == 0 {
		return ""
	}
	return u.names[0]
}
