package policy

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"strings"
	"testing"
)

// A nil *signum.Fault that is returned as an error is not nil. So no function of this
// package or of the engine has a *signum.Fault as its result; the result is an error.
func TestNoTypedNil(t *testing.T) {
	fset := token.NewFileSet()
	for _, dir := range []string{".", "../engine"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			p, err := parser.ParseFile(fset, name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
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
