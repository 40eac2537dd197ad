package signum_test

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The checklists and the guide to the code name files that exist. If a file
// moves, its entry must too.
func TestPathsInDocs(t *testing.T) {
	named := regexp.MustCompile("`((?:internal|client|cmd|api|docs)/[\\w./-]+|\\w+\\.go)`")
	for _, section := range []struct {
		file, begin, end string
		atLeast          int
	}{
		{"CONTRIBUTING.md", "\n## Checklists\n", "\n## ", 20},
		{"docs/architecture.md", "\nWhere to look:\n", "\nREST and SOAP ", 15},
	} {
		_, text, ok := strings.Cut(readFile(t, section.file), section.begin)
		if !ok {
			t.Fatalf("%s has no %q", section.file, section.begin)
		}
		text, _, _ = strings.Cut(text, section.end)
		paths := named.FindAllStringSubmatch(text, -1)
		if len(paths) < section.atLeast {
			t.Errorf("%s names %d paths only", section.file, len(paths))
		}
		for _, m := range paths {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s names %s: %v", section.file, m[1], err)
			}
		}
	}
}
