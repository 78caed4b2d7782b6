package main

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"slices"
	"strconv"
	"strings"
)

// mutations returns the edits that change a solution, one for each mutant. Not all of them
// compile.
func mutations(s *source) [][]edit {
	m := &mutator{source: s}
	for _, declaration := range s.file.Decls {
		switch declaration := declaration.(type) {
		case *ast.FuncDecl:
			m.strings = nil
			ast.Inspect(declaration, func(node ast.Node) bool {
				if literal, ok := node.(*ast.BasicLit); ok && literal.Kind == token.STRING && !slices.Contains(m.strings, literal.Value) {
					m.strings = append(m.strings, literal.Value)
				}
				return true
			})
			if declaration.Body != nil {
				m.walk(declaration.Body)
			}
		case *ast.GenDecl:
			if declaration.Tok == token.CONST || declaration.Tok == token.VAR {
				m.walk(declaration)
			}
		}
	}
	return m.made
}

// mutator collects edits.
type mutator struct {
	*source
	made    [][]edit
	strings []string // the string literals of the current function
	stack   []ast.Node
}

// put replaces a node by a text.
func (m *mutator) put(node ast.Node, format string, args ...any) {
	m.made = append(m.made, []edit{{m.offset(node.Pos()), m.offset(node.End()), fmt.Sprintf(format, args...)}})
}

// exchange swaps two nodes.
func (m *mutator) exchange(a, b ast.Node) {
	m.made = append(m.made, []edit{
		{m.offset(a.Pos()), m.offset(a.End()), m.of(b)}, {m.offset(b.Pos()), m.offset(b.End()), m.of(a)},
	})
}

// move cuts a statement and inserts it at another place.
func (m *mutator) move(statement ast.Node, to token.Pos) {
	m.made = append(m.made, []edit{
		{m.offset(statement.Pos()), m.offset(statement.End()), ""}, {m.offset(to), m.offset(to), "\n" + m.of(statement) + "\n"},
	})
}

func (m *mutator) typeOf(e ast.Expr) types.Type { return m.info.TypeOf(e) }

// basic reports whether an expression has a type of that kind, such as types.IsInteger.
func (m *mutator) basic(e ast.Expr, kind types.BasicInfo) bool {
	t := m.typeOf(e)
	if t == nil {
		return false
	}
	b, ok := t.Underlying().(*types.Basic)
	return ok && b.Info()&kind != 0
}

// parent returns the node around the current one.
func (m *mutator) parent() ast.Node {
	if len(m.stack) < 2 {
		return nil
	}
	return m.stack[len(m.stack)-2]
}

func (m *mutator) walk(root ast.Node) {
	ast.Inspect(root, func(node ast.Node) bool {
		if node == nil {
			m.stack = m.stack[:len(m.stack)-1]
			return true
		}
		m.stack = append(m.stack, node)
		switch node := node.(type) {
		case *ast.BinaryExpr:
			m.binary(node)
		case *ast.UnaryExpr:
			if node.Op == token.NOT || node.Op == token.SUB {
				m.put(node, "%s", m.of(node.X))
			}
		case *ast.ParenExpr:
			m.put(node, "%s", m.of(node.X))
		case *ast.BasicLit:
			m.literal(node)
		case *ast.Ident:
			m.name(node)
		case *ast.SelectorExpr:
			m.selector(node)
		case *ast.CallExpr:
			m.call(node)
		case *ast.IndexExpr:
			m.index(node)
		case *ast.SliceExpr:
			m.slice(node)
		case *ast.BlockStmt:
			m.statements(node.List)
		case *ast.IfStmt:
			m.condition(node.Cond)
			m.branches(node)
		case *ast.ForStmt:
			m.loop(node, node.Body)
			if node.Cond != nil {
				m.condition(node.Cond)
			}
			if node.Post != nil {
				m.put(node.Post, "")
			}
		case *ast.RangeStmt:
			m.loop(node, node.Body)
			m.ranged(node)
		case *ast.AssignStmt:
			m.assignment(node)
		case *ast.IncDecStmt:
			m.put(node, "%s%s", m.of(node.X), map[token.Token]string{token.INC: "--", token.DEC: "++"}[node.Tok])
		case *ast.DeferStmt:
			m.put(node, "%s", m.of(node.Call))
		case *ast.BranchStmt:
			switch node.Tok {
			case token.CONTINUE:
				m.put(node, "break")
			case token.BREAK:
				m.put(node, "continue")
			}
		case *ast.ReturnStmt:
			for i, result := range node.Results {
				m.value(result)
				for _, other := range node.Results[i+1:] {
					m.exchange(result, other)
				}
			}
		case *ast.ValueSpec:
			return true
		}
		return true
	})
}

var arithmetic = []token.Token{token.ADD, token.SUB, token.MUL, token.QUO, token.REM}
var comparisons = []token.Token{token.LSS, token.LEQ, token.GTR, token.GEQ, token.EQL, token.NEQ}

// binary changes an operator, drops an operand, and swaps the two.
func (m *mutator) binary(e *ast.BinaryExpr) {
	x, y := m.of(e.X), m.of(e.Y)
	operators := map[token.Token][]token.Token{
		token.LAND: {token.LOR}, token.LOR: {token.LAND}, token.SHL: {token.SHR, token.MUL, token.ADD},
	}[e.Op]
	switch {
	case slices.Contains(arithmetic, e.Op):
		operators = arithmetic
	case slices.Contains(comparisons, e.Op):
		operators = comparisons
	}
	for _, operator := range operators {
		if operator != e.Op && !(operator == token.REM && !m.basic(e, types.IsInteger)) {
			m.put(e, "(%s %s %s)", x, operator, y)
		}
	}
	if !slices.Contains(comparisons, e.Op) {
		m.put(e, "%s", x)
		m.put(e, "%s", y)
	}
	if slices.Contains([]token.Token{token.SUB, token.QUO, token.REM, token.SHL}, e.Op) {
		m.put(e, "(%s %s %s)", y, e.Op, x)
	}
	// The same operators, grouped in another way.
	if left, ok := e.X.(*ast.BinaryExpr); ok && !associative(left.Op, e.Op) {
		m.put(e, "(%s %s (%s %s %s))", m.of(left.X), left.Op, m.of(left.Y), e.Op, y)
	}
	if right, ok := e.Y.(*ast.BinaryExpr); ok && !associative(e.Op, right.Op) {
		m.put(e, "((%s %s %s) %s %s)", x, e.Op, m.of(right.X), right.Op, m.of(right.Y))
	}
	// Integer division instead of floating-point division, and the other way round.
	if e.Op == token.QUO {
		a, isCall := e.X.(*ast.CallExpr)
		b, isCall2 := e.Y.(*ast.CallExpr)
		if isCall && isCall2 && len(a.Args) == 1 && len(b.Args) == 1 && m.basic(a.Args[0], types.IsInteger) {
			m.put(e, "%s(%s/%s)", m.of(a.Fun), m.of(a.Args[0]), m.of(b.Args[0]))
		}
		if m.basic(e, types.IsInteger) {
			m.put(e, "((%s + %s - 1) / %s)", x, y, y)
			m.put(e, "((%s + %s/2) / %s)", x, y, y)
		}
	}
}

// associative reports whether (a first b) second c is the same as a first (b second c).
func associative(first, second token.Token) bool {
	switch first {
	case token.ADD:
		return second == token.ADD || second == token.SUB
	case token.MUL, token.LAND, token.LOR:
		return second == first
	}
	return false
}

// literal changes a number, or replaces a string by another one of the function.
func (m *mutator) literal(e *ast.BasicLit) {
	switch e.Kind {
	case token.INT:
		n, err := strconv.Atoi(e.Value)
		if err != nil {
			return
		}
		for _, other := range []int{n + 1, n - 1, 0, 1, 2 * n} {
			if other != n {
				m.put(e, "%d", other)
			}
		}
	case token.FLOAT:
		m.put(e, "1")
		if value, err := strconv.ParseFloat(e.Value, 64); err == nil && value != 0 {
			m.put(e, "0")
			m.put(e, "(2 * %s)", e.Value)
			m.put(e, "(%s / 2)", e.Value)
		}
	case token.STRING:
		for _, other := range m.strings {
			if other != e.Value {
				m.put(e, "%s", other)
			}
		}
	}
}

// written reports whether the current node is assigned to.
func (m *mutator) written() bool {
	node := m.stack[len(m.stack)-1]
	for i := len(m.stack) - 2; i >= 0; i-- {
		switch parent := m.stack[i].(type) {
		case *ast.AssignStmt:
			return slices.ContainsFunc(parent.Lhs, func(e ast.Expr) bool { return e == node })
		case *ast.IncDecStmt:
			return parent.X == node
		case *ast.RangeStmt:
			return parent.Key == node || parent.Value == node
		case *ast.IndexExpr:
			if parent.X != node {
				return false
			}
		case *ast.SelectorExpr:
		default:
			return false
		}
		node = m.stack[i]
	}
	return false
}

// name replaces a variable by another one of the same type that can be seen from there, and
// changes its value.
func (m *mutator) name(name *ast.Ident) {
	object := m.info.Uses[name]
	if object == nil {
		return
	}
	if field, ok := m.parent().(*ast.SelectorExpr); ok && field.Sel == name {
		return // see selector
	}
	if pair, ok := m.parent().(*ast.KeyValueExpr); ok && pair.Key == name {
		return
	}
	switch object.(type) {
	case *types.Var:
		for _, other := range m.alike(name.Pos(), object.Type()) {
			if other != name.Name {
				m.put(name, "%s", other)
			}
		}
	case *types.Const:
		if name.Name == "true" || name.Name == "false" {
			m.put(name, "%t", name.Name == "false")
			return
		}
	default:
		return
	}
	if !m.written() {
		m.changed(name)
	}
}

// changed changes the value of an operand.
func (m *mutator) changed(e ast.Expr) {
	x := m.of(e)
	switch {
	case m.basic(e, types.IsBoolean):
		m.put(e, "!%s", x)
		m.put(e, "true")
		m.put(e, "false")
	case m.basic(e, types.IsNumeric):
		m.put(e, "(%s + 1)", x)
		m.put(e, "(%s - 1)", x)
		if sign, ok := m.parent().(*ast.BinaryExpr); !ok || m.of(sign.Y) != "0" {
			m.put(e, "(2 * %s)", x)
		}
		m.put(e, "0")
		m.put(e, "1")
	}
}

// alike returns the names of the variables of a type that can be seen from pos.
func (m *mutator) alike(pos token.Pos, t types.Type) (names []string) {
	scope := m.pkg.Scope().Innermost(pos)
	if scope == nil { // Innermost knows the scopes of files only
		return nil
	}
	seen := map[string]bool{}
	for ; scope != nil && scope != types.Universe; scope = scope.Parent() {
		for _, name := range scope.Names() {
			_, object := scope.LookupParent(name, pos)
			if variable, ok := object.(*types.Var); ok && !seen[name] && types.Identical(variable.Type(), t) {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// functions are package functions that are easily confused.
var functions = [][]string{
	{"Add", "Sub", "Mul", "Div", "Max"}, {"AddScalar", "MulScalar", "DivScalar"}, {"ReduceMean", "ReduceSum", "ReduceMax"},
	{"Square", "Sqrt"}, {"One", "Zero"},
}

// selector replaces a field or a method by another one of the same type, and a function of a
// package by a similar one.
func (m *mutator) selector(e *ast.SelectorExpr) {
	if selection := m.info.Selections[e]; selection != nil {
		receiver := selection.Recv()
		if pointer, ok := receiver.(*types.Pointer); ok {
			receiver = pointer.Elem()
		}
		switch selection.Kind() {
		case types.FieldVal:
			if fields, ok := receiver.Underlying().(*types.Struct); ok {
				for field := range fields.Fields() {
					if field != selection.Obj() && types.Identical(field.Type(), selection.Type()) {
						m.put(e, "%s.%s", m.of(e.X), field.Name())
					}
				}
			}
			if !m.written() {
				m.changed(e)
			}
		case types.MethodVal:
			if methods, ok := receiver.Underlying().(*types.Interface); ok {
				for method := range methods.Methods() {
					if method != selection.Obj() && types.Identical(method.Type(), selection.Type()) {
						m.put(e, "%s.%s", m.of(e.X), method.Name())
					}
				}
			}
		}
		return
	}
	object, ok := m.info.Uses[e.Sel].(*types.Func)
	if !ok {
		return
	}
	names := []string{}
	for _, group := range functions {
		if slices.Contains(group, e.Sel.Name) {
			names = group
		}
	}
	if strings.HasSuffix(object.Pkg().Path(), "/exercises/nn") {
		names = object.Pkg().Scope().Names()
	}
	for _, name := range names {
		if other, ok := object.Pkg().Scope().Lookup(name).(*types.Func); ok && other != object && types.Identical(other.Type(), object.Type()) {
			m.put(e, "%s.%s", m.of(e.X), name)
		}
	}
}

// commutative are functions whose arguments may come in any order if they have the same type.
var commutative = map[string]bool{
	"Add": true, "Mul": true, "Max": true, "min": true, "max": true, "Equal": true,
	"ReduceMean": true, "ReduceSum": true, "ReduceMax": true,
}

// called returns the name of the function or method that is called, without its package.
func called(e *ast.CallExpr) string {
	switch function := e.Fun.(type) {
	case *ast.Ident:
		return function.Name
	case *ast.SelectorExpr:
		return function.Sel.Name
	}
	return ""
}

// call swaps and drops arguments, and leaves out the call.
func (m *mutator) call(e *ast.CallExpr) {
	if m.info.Types[e.Fun].IsType() {
		return
	}
	result := m.typeOf(e)
	for i, argument := range e.Args {
		t := m.typeOf(argument)
		if result != nil && t != nil && types.Identical(result, t) {
			m.put(e, "%s", m.of(argument))
		}
		for _, other := range e.Args[i+1:] {
			if !commutative[called(e)] && t != nil && m.typeOf(other) != nil && types.AssignableTo(t, m.typeOf(other)) && m.of(argument) != m.of(other) {
				m.exchange(argument, other)
			}
		}
	}
	signature, ok := m.typeOf(e.Fun).(*types.Signature)
	if ok && signature.Variadic() && !e.Ellipsis.IsValid() {
		for i := signature.Params().Len() - 1; i < len(e.Args); i++ {
			rest := append(slices.Clone(e.Args[:i]), e.Args[i+1:]...)
			var texts []string
			for _, argument := range rest {
				texts = append(texts, m.of(argument))
			}
			m.put(e, "%s(%s)", m.of(e.Fun), strings.Join(texts, ", "))
		}
	}
	if function, ok := e.Fun.(*ast.Ident); ok && m.info.Types[e.Fun].IsBuiltin() {
		switch function.Name {
		case "min", "max":
			other := map[string]string{"min": "max", "max": "min"}[function.Name]
			m.put(function, "%s", other)
		case "make":
			// The argument instead of a copy.
			for _, name := range m.alike(e.Pos(), result) {
				m.put(e, "%s", name)
			}
		}
	}
	if m.basic(e, types.IsNumeric|types.IsBoolean) {
		m.changed(e)
	}
}

func (m *mutator) index(e *ast.IndexExpr) {
	if !m.basic(e.Index, types.IsInteger) {
		return
	}
	at := m.of(e.Index)
	m.put(e.Index, "0")
	m.put(e.Index, "(%s)+1", at)
	m.put(e.Index, "(%s)-1", at)
	m.put(e.Index, "len(%s)-1-(%s)", m.of(e.X), at)
}

func (m *mutator) slice(e *ast.SliceExpr) {
	part := func(low, high string) { m.put(e, "%s[%s:%s]", m.of(e.X), low, high) }
	low, high := "", ""
	if e.Low != nil {
		low = m.of(e.Low)
	}
	if e.High != nil {
		high = m.of(e.High)
	}
	part("", high)
	part(low, "")
	if low != "" {
		part(low+"+1", high)
	}
	if high != "" {
		part(low, high+"-1")
	}
}

// condition negates a condition, makes it always true, and makes it always false.
func (m *mutator) condition(e ast.Expr) {
	m.put(e, "!(%s)", m.of(e))
	m.put(e, "true")
	m.put(e, "false")
}

// branches removes the else, and always takes one of the branches.
func (m *mutator) branches(s *ast.IfStmt) {
	before := ""
	if s.Init != nil {
		before = m.of(s.Init) + "\n"
	}
	m.put(s, "%s%s", before, m.of(s.Body))
	if s.Else != nil {
		m.put(s, "%s%s", before, m.of(s.Else))
		m.made = append(m.made, []edit{{m.offset(s.Body.End()), m.offset(s.Else.End()), ""}})
	}
}

// statements leaves out, repeats and swaps statements.
func (m *mutator) statements(list []ast.Stmt) {
	for i, statement := range list {
		m.put(statement, "")
		switch s := statement.(type) {
		case *ast.ExprStmt, *ast.IncDecStmt:
			m.put(statement, "%s\n%s", m.of(s), m.of(s))
		case *ast.AssignStmt:
			again := s.Tok != token.ASSIGN || m.meet(s.Lhs, s.Rhs) || strings.Contains(m.of(s), "graph.") || strings.Contains(m.of(s), "nn.")
			if s.Tok != token.DEFINE && again {
				m.put(statement, "%s\n%s", m.of(s), m.of(s))
			}
		}
		if i+1 < len(list) && !m.apart(statement, list[i+1]) {
			m.exchange(statement, list[i+1])
		}
	}
}

// apart reports whether two statements clearly do the same in either order: both are assignments without
// calls, and neither reads what the other writes.
func (m *mutator) apart(a, b ast.Stmt) bool {
	readA, writtenA, ok := m.touched(a)
	readB, writtenB, ok2 := m.touched(b)
	meet := func(x, y map[types.Object]bool) bool {
		for object := range x {
			if y[object] {
				return true
			}
		}
		return false
	}
	return ok && ok2 && !meet(writtenA, readB) && !meet(writtenB, readA) && (a == b || !meet(writtenA, writtenB))
}

// touched returns the variables that an assignment without calls reads and writes.
func (m *mutator) touched(statement ast.Stmt) (read, written map[types.Object]bool, ok bool) {
	assignment, ok := statement.(*ast.AssignStmt)
	if !ok {
		return nil, nil, false
	}
	read, written = map[types.Object]bool{}, map[types.Object]bool{}
	collect := func(e ast.Expr, into map[types.Object]bool) {
		ast.Inspect(e, func(node ast.Node) bool {
			switch node := node.(type) {
			case *ast.CallExpr:
				if kind := m.info.Types[node.Fun]; !kind.IsBuiltin() && !kind.IsType() {
					ok = false
				}
			case *ast.Ident:
				if object := m.info.ObjectOf(node); object != nil {
					into[object] = true
				}
			}
			return true
		})
	}
	for _, e := range assignment.Rhs {
		collect(e, read)
	}
	for _, e := range assignment.Lhs {
		if _, isName := e.(*ast.Ident); !isName {
			return nil, nil, false
		}
		collect(e, written)
	}
	if assignment.Tok != token.ASSIGN && assignment.Tok != token.DEFINE {
		return nil, nil, false
	}
	return read, written, ok
}

// loop moves statements into the loop, and out of it.
func (m *mutator) loop(loop ast.Stmt, body *ast.BlockStmt) {
	if n := len(body.List); n > 0 {
		m.move(body.List[0], loop.Pos())
		m.move(body.List[n-1], loop.End())
		m.put(loop, "%s", m.of(body)) // once
		// The whole first iteration, and only the last statement of the others.
		if _, ok := body.List[n-1].(*ast.BranchStmt); !ok {
			at := m.offset(body.Rbrace)
			m.made = append(m.made, []edit{{at, at, "\nbreak\n"}})
		}
	}
	block, ok := m.parent().(*ast.BlockStmt)
	if !ok {
		return
	}
	i := slices.Index(block.List, loop)
	if i > 0 {
		m.move(block.List[i-1], body.Lbrace+1)
	}
	if i+1 < len(block.List) {
		m.move(block.List[i+1], body.Rbrace)
	}
}

// ranged makes a range shorter and longer.
func (m *mutator) ranged(s *ast.RangeStmt) {
	x := m.of(s.X)
	switch t := m.typeOf(s.X).Underlying().(type) {
	case *types.Slice:
		m.put(s.X, "%s[1:]", x)
		m.put(s.X, "%s[:len(%s)-1]", x, x)
	case *types.Array:
		m.put(s.X, "%s[1:]", x)
		m.put(s.X, "%s[:len(%s)-1]", x, x)
	case *types.Basic:
		if t.Info()&types.IsInteger != 0 {
			m.put(s.X, "%s - 1", x)
			m.put(s.X, "%s + 1", x)
			m.put(s.X, "%s / 2", x)
		}
	}
}

// assignment changes what an assignment does with the old value.
func (m *mutator) assignment(s *ast.AssignStmt) {
	left := make([]string, len(s.Lhs))
	for i, e := range s.Lhs {
		left[i] = m.of(e)
	}
	right := make([]string, len(s.Rhs))
	for i, e := range s.Rhs {
		right[i] = m.of(e)
		m.value(e)
	}
	put := func(left []string, operator string, right []string) {
		m.put(s, "%s %s %s", strings.Join(left, ", "), operator, strings.Join(right, ", "))
	}
	switch s.Tok {
	case token.ASSIGN:
		put(left, ":=", right)
		if len(left) == 1 && m.basic(s.Lhs[0], types.IsNumeric) {
			put(left, "+=", right)
		}
	case token.DEFINE:
		put(left, "=", right)
	case token.ADD_ASSIGN, token.SUB_ASSIGN, token.MUL_ASSIGN, token.QUO_ASSIGN:
		for _, operator := range []string{"=", "+=", "-=", "*=", "/="} {
			if operator != s.Tok.String() {
				put(left, operator, right)
			}
		}
		m.put(s, "%s = %s - %s", left[0], right[0], left[0])
	}
	if len(right) == 2 {
		put(left, s.Tok.String(), []string{right[1], right[0]})
		if s.Tok == token.ASSIGN && m.meet(s.Lhs, s.Rhs) {
			// One after the other.
			m.put(s, "%s = %s\n%s = %s", left[0], right[0], left[1], right[1])
			m.put(s, "%s = %s\n%s = %s", left[1], right[1], left[0], right[0])
		}
	}
}

// meet reports whether two lists of expressions share a variable.
func (m *mutator) meet(a, b []ast.Expr) bool {
	variables := func(list []ast.Expr) map[types.Object]bool {
		found := map[types.Object]bool{}
		for _, e := range list {
			ast.Inspect(e, func(node ast.Node) bool {
				if name, ok := node.(*ast.Ident); ok {
					if variable, ok := m.info.ObjectOf(name).(*types.Var); ok {
						found[variable] = true
					}
				}
				return true
			})
		}
		return found
	}
	others := variables(b)
	for variable := range variables(a) {
		if others[variable] {
			return true
		}
	}
	return false
}

// value changes a value that is assigned or returned.
func (m *mutator) value(e ast.Expr) {
	t := m.typeOf(e)
	if t == nil {
		return
	}
	if t.String() == "*github.com/gomlx/gomlx/core/graph.Node" && !strings.HasPrefix(m.of(e), "nn.ReLU(") {
		for _, spec := range m.file.Imports {
			if strings.HasSuffix(spec.Path.Value, `/exercises/nn"`) {
				m.put(e, "nn.ReLU(%s)", m.of(e))
			}
		}
	}
	switch e.(type) {
	case *ast.Ident, *ast.BasicLit, *ast.SelectorExpr:
		return // changed elsewhere
	}
	if m.basic(e, types.IsNumeric) {
		m.put(e, "-(%s)", m.of(e))
	}
	m.changed(e)
}
