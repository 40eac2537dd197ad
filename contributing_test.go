package signum_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The checklists name files that exist. If a file moves, its entry must too.
func TestChecklistPaths(t *testing.T) {
	_, lists, ok := strings.Cut(readFile(t, "CONTRIBUTING.md"), "\n## Checklists\n")
	if !ok {
		t.Fatal("CONTRIBUTING.md has no section Checklists")
	}
	lists, _, _ = strings.Cut(lists, "\n## ")
	paths := regexp.MustCompile("`((?:internal|client|cmd|api|docs)/[\\w./-]+|\\w+\\.go)`").FindAllStringSubmatch(lists, -1)
	if len(paths) < 20 {
		t.Errorf("the checklists name %d paths only", len(paths))
	}
	for _, m := range paths {
		if _, err := os.Stat(m[1]); err != nil {
			t.Errorf("the checklists name %s: %v", m[1], err)
		}
	}
}
