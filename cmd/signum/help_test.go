package main

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// TestHelpFits: the help of each command fits 80 columns, except for examples, which are for copying.
func TestHelpFits(t *testing.T) {
	commands(newRootCmd(), func(path []string, c *cobra.Command) {
		stdout, stderr, code := execute(t.Context(), newRootCmd(), "", append(slices.Clone(path), "--help")...)
		if code != 0 || stderr != "" || !strings.Contains(stdout, "Usage:") {
			t.Errorf("%v: exit %d: %s", path, code, stderr)
		}
		for line := range strings.Lines(stdout) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > columns && !strings.Contains(c.Example, line) {
				t.Errorf("%v: %d columns: %s", path, n, line)
			}
		}
	})
}

func TestFit(t *testing.T) {
	word := strings.Repeat("word ", 15) // 75 columns
	for in, want := range map[string]string{
		"short":                      "short",
		word + "and more":            strings.TrimSpace(word) + " and\nmore",
		word + "and\nmore of it":     strings.TrimSpace(word) + " and\nmore of it",
		"  a, b  " + word + "end":    "  a, b  " + strings.TrimSpace(word[:70]) + "\n        word end",
		"one\n  two\nthree\nfour":    "one\n  two\nthree four",
		strings.Repeat("x", 90):      strings.Repeat("x", 90),
		"first\n\nsecond\nparagraph": "first\n\nsecond paragraph",
	} {
		if got := fit(in); got != want {
			t.Errorf("%q\ngave %q\nwant %q", in, got, want)
		}
	}
}
