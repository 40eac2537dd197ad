package signum_test

import (
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Each row of the faults in docs/reliability.md names tests that exist, with their parts,
// and each test of package faults is in a row.
func TestFaultsTable(t *testing.T) {
	text, written := section(t, "docs/reliability.md", "Faults around the service"), writtenTests(t)
	rows := tableRows(text, "fault")
	if len(rows) < 10 {
		t.Errorf("%d rows only", len(rows))
	}
	files, err := filepath.Glob("internal/faults/*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, f := range files {
		source.WriteString(readFile(t, f))
	}
	named, listed := regexp.MustCompile("`([\\w/]+\\.Test\\w+)(?:/([\\w ]+))?`"), map[string]bool{}
	for _, cells := range rows {
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 5 || len(tests) == 0 {
			t.Errorf("not a row of fault, party, operator, how it heals and tests: %q", cells)
		}
		for _, m := range tests {
			if listed[m[1]] = true; !written[m[1]] {
				t.Errorf("%s: the test %s does not exist", cells[0], m[1])
			}
			if part := m[2]; part != "" && !strings.Contains(source.String(), `"`+part+`"`) {
				t.Errorf("%s: %s has no part %q", cells[0], m[1], part)
			}
		}
	}
	for test := range written {
		if strings.HasPrefix(test, "internal/faults.") && test != "internal/faults.TestMain" && !listed[test] {
			t.Errorf("the table has no row for %s", test)
		}
	}
}
