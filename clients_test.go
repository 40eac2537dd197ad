package signum_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// writtenTests are the tests of the module, each as package.Test.
func writtenTests(t *testing.T) map[string]bool {
	t.Helper()
	written := map[string]bool{}
	for path, names := range testFunctions(t) {
		for _, name := range names {
			written[filepath.ToSlash(filepath.Dir(path))+"."+name] = true
		}
	}
	return written
}

// section returns the text under a heading of the second level.
func section(t *testing.T, page, heading string) string {
	t.Helper()
	_, text, ok := strings.Cut(readFile(t, page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("%s has no section %q", page, heading)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	return text
}

// Each row of docs/clients.md names tests that exist: what CI does not run is not in the
// table.
func TestClientsPage(t *testing.T) {
	text, written := section(t, "docs/clients.md", "Clients and network elements that CI runs"), writtenTests(t)
	rows := tableRows(text, "client or network element")
	if len(rows) < 5 {
		t.Errorf("%d rows only", len(rows))
	}
	named := regexp.MustCompile("`([\\w./-]+\\.Test\\w+)`")
	for _, cells := range rows {
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 4 || len(tests) == 0 {
			t.Errorf("not a row of client, version, what it does and test: %q", cells)
		}
		for _, m := range tests {
			if !written[m[1]] {
				t.Errorf("%s names the test %s, which does not exist", cells[0], m[1])
			}
		}
	}
}
