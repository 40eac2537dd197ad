package signum_test

import (
	"go/ast"
	"strings"
	"testing"
)

// Only clientaddr reads the address of an HTTP peer: behind a proxy it is not
// the client's.
func TestOneReaderOfAddresses(t *testing.T) {
	for dir, files := range sources(t) {
		if dir == "internal/clientaddr" || dir == "internal/smpp" || strings.HasPrefix(dir, "internal/lab/") {
			continue // SMPP has no proxies, and the lab no strangers
		}
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "RemoteAddr" {
					t.Errorf("%s reads RemoteAddr: use package clientaddr", dir)
				}
				return true
			})
		}
	}
}
