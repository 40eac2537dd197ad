package signum_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// mayPanic lists what is allowed to start without event.Rescue, and why: a
// package, or a package and a function in it ("internal/x Type.method"). Find a
// way without an entry first.
var mayPanic = map[string]string{
	"cmd/signum":                "a command: a panic should end it, with its stack on the terminal",
	"internal/bench":            "a load generator: a panic should end the run",
	"internal/crowd":            "a test that runs for long: a panic should end it",
	"internal/crash":            "a test that runs for long: a panic should end it",
	"internal/engine/phonetest": "a fake for tests: a panic should fail the test",
	"internal/store/pgtest":     "a server for tests: a panic should fail the test",
	"internal/store/storetest":  "a test suite: a panic should fail the test",
	"internal/testkit":          "helpers of tests: a panic should fail the test",
}

const howToRescue = `
A panic in it would end the process, or leave no stack. Start it with
	defer event.Rescue(log, "what it is", undo…)
or, in a function that returns an error, with
	defer event.RescueTo(&err, log, "what it is")
An http.Server gets its Handler from event.Handler. If a panic must end the process here, add an entry with the reason to mayPanic.`

// Every goroutine, every function that a timer calls and every HTTP server
// starts by rescuing, so that one panic cannot end the process.
func TestEverythingIsRescued(t *testing.T) {
	used := map[string]bool{}
	for dir, files := range sources(t) {
		p := rescuePackage{dir: dir, funcs: map[string][]*ast.FuncDecl{}}
		for _, f := range files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					p.funcs[fn.Name.Name] = append(p.funcs[fn.Name.Name], fn)
				}
			}
		}
		for _, f := range files {
			for _, d := range f.Decls {
				p.look(d)
			}
		}
		for _, s := range p.found {
			switch {
			case mayPanic[dir] != "":
				used[dir] = true
			case mayPanic[dir+" "+s.in] != "":
				used[dir+" "+s.in] = true
			default:
				t.Errorf("%s %s: %s does not start with event.Rescue.%s", dir, s.in, s.what, howToRescue)
			}
		}
	}
	for entry := range mayPanic {
		if !used[entry] {
			t.Errorf("mayPanic has %q, but nothing there needs it any more: remove the entry", entry)
		}
	}
}

// sources returns the parsed files of the module by directory, without tests.
func sources(t *testing.T) map[string][]*ast.File {
	t.Helper()
	all := map[string][]*ast.File{}
	set := token.NewFileSet()
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && name != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules"):
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		dir := path.Dir(filepath.ToSlash(name))
		all[dir] = append(all[dir], f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

type unrescued struct{ in, what string }

type rescuePackage struct {
	dir   string
	funcs map[string][]*ast.FuncDecl // by name, methods included
	found []unrescued
}

// look finds what a declaration starts without a rescue.
func (p *rescuePackage) look(d ast.Decl) {
	in := "(declaration)"
	if fn, ok := d.(*ast.FuncDecl); ok {
		in = nameOf(fn)
		if fn.Name.Name == "ServeHTTP" && !rescues(fn.Body) {
			p.found = append(p.found, unrescued{in, "the handler"})
		}
	}
	missing := func(what string) { p.found = append(p.found, unrescued{in, what}) }
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			if !p.started(n.Call.Fun) {
				missing("a go statement")
			}
		case *ast.CallExpr:
			if f := startedBy(n); f != nil && !p.started(f) {
				missing(exprName(n.Fun))
			}
		case *ast.CompositeLit:
			if exprName(n.Type) == "http.Server" && !rescuedServer(n) {
				missing("an http.Server's Handler")
			}
		}
		return true
	})
}

// startedBy returns the function that a call starts on another goroutine, if it is a
// call of errgroup.Group.Go, sync.WaitGroup.Go, time.AfterFunc or context.AfterFunc.
func startedBy(call *ast.CallExpr) ast.Expr {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return nil
	}
	switch {
	case sel.Sel.Name == "Go" && len(call.Args) == 1, sel.Sel.Name == "TryGo" && len(call.Args) == 1:
		return call.Args[0]
	case sel.Sel.Name == "AfterFunc" && len(call.Args) == 2:
		return call.Args[1]
	}
	return nil
}

// started reports whether a started function rescues. It finds a method by its name:
// every method of that name in the package must rescue.
func (p *rescuePackage) started(f ast.Expr) bool {
	name := ""
	switch f := f.(type) {
	case *ast.FuncLit:
		return rescues(f.Body)
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	decls := p.funcs[name]
	return len(decls) > 0 && !slices.ContainsFunc(decls, func(d *ast.FuncDecl) bool { return !rescues(d.Body) })
}

// rescues reports whether the first statement of a body is a deferred
// event.Rescue….
func rescues(body *ast.BlockStmt) bool {
	if body == nil || len(body.List) == 0 {
		return false
	}
	d, ok := body.List[0].(*ast.DeferStmt)
	return ok && strings.HasPrefix(strings.TrimPrefix(exprName(d.Call.Fun), "event."), "Rescue")
}

// rescuedServer reports whether the Handler of an http.Server literal comes
// from package event.
func rescuedServer(lit *ast.CompositeLit) bool {
	for _, e := range lit.Elts {
		kv, ok := e.(*ast.KeyValueExpr)
		if !ok || exprName(kv.Key) != "Handler" {
			continue
		}
		call, ok := kv.Value.(*ast.CallExpr)
		return ok && strings.HasPrefix(exprName(call.Fun), "event.")
	}
	return false
}

func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	recv := fn.Recv.List[0].Type
	if star, ok := recv.(*ast.StarExpr); ok {
		recv = star.X
	}
	if index, ok := recv.(*ast.IndexExpr); ok {
		recv = index.X
	}
	return fmt.Sprintf("%s.%s", exprName(recv), fn.Name.Name)
}

// exprName returns the name of an identifier or of a selector.
func exprName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		if x := exprName(e.X); x != "" {
			return x + "." + e.Sel.Name
		}
		return e.Sel.Name
	}
	return ""
}
