package lang

import (
	"slices"
	"testing"
)

func TestParse(t *testing.T) {
	for sent, want := range map[string]string{"en": "en", "DE": "de", "Fr": "fr"} {
		if got, ok := Parse(sent); !ok || got != want {
			t.Errorf("%q: got %q, %v", sent, got, ok)
		}
	}
	for _, sent := range []string{"", "xx", "de-CH", " de", "deu"} {
		if got, ok := Parse(sent); ok {
			t.Errorf("%q: got %q", sent, got)
		}
	}
}

func TestDefault(t *testing.T) {
	if All[0] != Default || len(slices.Compact(slices.Sorted(slices.Values(All)))) != len(All) {
		t.Errorf("languages %v, default %s", All, Default)
	}
}
