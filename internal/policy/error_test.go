package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"strings"
	"testing"
)

// A nil *signum.Fault that is returned as an error is not nil. No function of
// this package or of the engine therefore returns one: its result is an error.
func TestNoTypedNil(t *testing.T) {
	fset := token.NewFileSet()
	for _, dir := range []string{".", "../engine"} {
		pkgs, err := parser.ParseDir(fset, dir, func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0)
		if err != nil || len(pkgs) != 1 {
			t.Fatalf("%s: %d packages, %v", dir, len(pkgs), err)
		}
		for _, p := range pkgs {
			ast.Inspect(p, func(n ast.Node) bool {
				f, ok := n.(*ast.FuncType)
				if !ok || f.Results == nil {
					return true
				}
				for _, r := range f.Results.List {
					if types.ExprString(r.Type) == "*signum.Fault" {
						t.Errorf("%s: return error instead of *signum.Fault", fset.Position(r.Pos()))
					}
				}
				return true
			})
		}
	}
}
