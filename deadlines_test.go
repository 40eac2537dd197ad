package signum_test

import (
	"go/ast"
	"slices"
	"testing"
)

// mayDeadline lists the packages that set deadlines of connections, and why.
var mayDeadline = map[string]string{
	"internal/door":        "the time limits of all listeners",
	"internal/app":         "inboxes, which are no longer HTTP",
	"internal/smpp":        "not HTTP",
	"internal/admin":       "a file of cards may take long",
	"internal/lab/control": "the body of a stranger may take no time at all",
}

// The time limits of a request and of its answer belong to the listener. A handler
// that sets its own can lift them by mistake.
func TestOneKeeperOfDeadlines(t *testing.T) {
	setters := []string{"SetDeadline", "SetReadDeadline", "SetWriteDeadline", "EnableFullDuplex"}
	used := map[string]bool{}
	for dir, files := range sources(t) {
		for _, f := range files {
			ast.Inspect(f, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && slices.Contains(setters, s.Sel.Name) {
					if used[dir] = true; mayDeadline[dir] == "" {
						t.Errorf("%s calls %s: the limits of internal/door hold for all handlers", dir, s.Sel.Name)
					}
				}
				return true
			})
		}
	}
	for dir := range mayDeadline {
		if !used[dir] {
			t.Errorf("mayDeadline has %q, which sets no deadline any more: remove the entry", dir)
		}
	}
}
