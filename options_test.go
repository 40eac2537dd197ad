package signum_test

import (
	"regexp"
	"strings"
	"testing"
)

// The table of docs/sim.md that says which option of an SMSC or a card profile was tried
// with whom has each of them, and names tests that exist.
func TestOptionsTable(t *testing.T) {
	text, written := section(t, "docs/sim.md", "What was tried with whom"), writtenTests(t)
	test := regexp.MustCompile("`([\\w/]+\\.Test\\w+)`")
	option := regexp.MustCompile("`([a-z_]+)`")
	listed := map[string]bool{}
	for _, cells := range tableRows(text, "option") {
		for _, m := range option.FindAllStringSubmatch(cells[0], -1) {
			listed[m[1]] = true
		}
		tests := test.FindAllStringSubmatch(strings.Join(cells[1:], " "), -1)
		if len(cells) != 5 || len(tests) == 0 {
			t.Errorf("not a row of an option, three peers and tests without one: %q", cells)
		}
		for _, m := range tests {
			if !written[m[1]] {
				t.Errorf("%s names the test %s, which does not exist", cells[0], m[1])
			}
		}
	}
	// The keys of the example that stand under these two lists.
	key := regexp.MustCompile(`(?m)^ +#(?:- )?([a-z_]+):`)
	example := readFile(t, "internal/config/example.yaml")
	for _, list := range []string{"smscs", "card_profiles"} {
		_, entry, ok := strings.Cut(example, "\n  #"+list+":\n")
		if !ok {
			t.Fatalf("the example has no %s", list)
		}
		entry = entry[:regexp.MustCompile(`(?m)^(  )?[^ ]|\z`).FindStringIndex(entry)[0]]
		keys := key.FindAllStringSubmatch(entry, -1)
		if len(keys) < 5 {
			t.Errorf("%d keys of %s only", len(keys), list)
		}
		for _, m := range keys {
			if !listed[m[1]] {
				t.Errorf("the option %s of %s is not in the table", m[1], list)
			}
		}
	}
}
