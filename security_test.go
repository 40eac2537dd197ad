package signum_test

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// docs/security.md has a row for each attack test, and each of its rows names tests
// that exist.
func TestSecurityPage(t *testing.T) {
	page, err := os.ReadFile("docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, cells := range tableRows(string(page), "threat") {
		names := regexp.MustCompile("`(TestAttack\\w+)`").FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 3 || len(names) == 0 {
			t.Errorf("not a row of threat, what stops it and test: %q", cells)
		}
		for _, m := range names {
			listed[m[1]] = true
		}
	}
	written := attackTests(t)
	for _, name := range slices.Sorted(maps.Keys(written)) {
		if !listed[name] {
			t.Errorf("%s (%s) is not in docs/security.md", name, written[name])
		}
	}
	for _, name := range slices.Sorted(maps.Keys(listed)) {
		if written[name] == "" {
			t.Errorf("docs/security.md names %s, which does not exist", name)
		}
	}
}

// attackTests returns the attack tests of all packages and their files.
func attackTests(t *testing.T) map[string]string {
	t.Helper()
	tests := map[string]string{}
	for path, names := range testFunctions(t) {
		for _, name := range names {
			if strings.HasPrefix(name, "TestAttack") {
				tests[name] = path
			}
		}
	}
	return tests
}

// testFunctions returns the names of the tests in each file.
func testFunctions(t *testing.T) map[string][]string {
	t.Helper()
	function := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	tests := map[string][]string{}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range function.FindAllStringSubmatch(string(text), -1) {
			tests[path] = append(tests[path], m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// tableRows returns the cells of the rows of all tables in a document, without those of
// the headings, of which the first cell is given.
func tableRows(page, heading string) (rows [][]string) {
	for line := range strings.Lines(page) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		if strings.HasPrefix(line, "|") && !strings.HasPrefix(line, "|---") && strings.TrimSpace(cells[0]) != heading {
			rows = append(rows, cells)
		}
	}
	return rows
}
