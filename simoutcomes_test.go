package signum_test

import (
	"regexp"
	"testing"
)

// Each row of the outcomes of requests to SIMs, and of texts, in docs/sim.md has a code and
// names tests that exist.
func TestSIMOutcomesTable(t *testing.T) {
	text, written := section(t, "docs/sim.md", "Repetitions and faults"), writtenTests(t)
	named, code := regexp.MustCompile("`([\\w/]+\\.Test\\w+)`"), regexp.MustCompile(`^[1-9]\d\d$`)
	outcomes := 0
	for _, cells := range tableRows(text, "outcome") {
		if len(cells) < 3 || !code.MatchString(cells[1]) {
			continue // of another table, or the heading of one
		}
		outcomes++
		tests := named.FindAllStringSubmatch(cells[len(cells)-1], -1)
		if len(cells) != 4 || len(tests) == 0 {
			t.Errorf("not a row of outcome, code, when and tests: %q", cells)
		}
		for _, m := range tests {
			if !written[m[1]] {
				t.Errorf("%s: the test %s does not exist", cells[0], m[1])
			}
		}
	}
	if outcomes < 30 {
		t.Errorf("%d outcomes only", outcomes)
	}
}
