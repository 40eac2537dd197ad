package simcards

import (
	"fmt"
	"strings"
	"testing"
)

// A row gives its card a profile, which stays if a later row gives none. A profile that
// the service does not have is refused, because nothing could be sent to the card.
func TestImportProfiles(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	row := func(n int, profile string) string {
		return fmt.Sprintf("%s,%s,2,AES,%x,%x,%s\n", cardICCID(n), cardNumber(n), cardKey(n, 1), cardKey(n, 2), profile)
	}
	load := func(columns string, rows ...string) Summary {
		t.Helper()
		sum, err := b.Import(t.Context(), strings.NewReader(columns+"\n"+strings.Join(rows, "")), ImportOptions{PlainKeys: true})
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	const columns = "iccid,msisdn,key_set,algorithm,kic,kid,profile"
	for _, step := range []struct {
		profile, want string
		sum           Summary
	}{
		{"contactless", "contactless", Summary{Rows: 1, New: 1}},
		{"contactless", "contactless", Summary{Rows: 1, Unchanged: 1}},
		{"", "contactless", Summary{Rows: 1, Unchanged: 1}},
		{"old", "old", Summary{Rows: 1, Updated: 1}},
		{"default", "default", Summary{Rows: 1, Updated: 1}},
		{"c0ntactless", "default", Summary{Rows: 1, Failed: 1, Errors: []RowError{
			{2, cardICCID(1), "profile: not a card profile of this service, which has default, contactless, old"}}}},
	} {
		b.want(step.sum, load(columns, row(1, step.profile)))
		if c := b.card(1); c.Profile != step.want {
			t.Errorf("%q: the card has %q, want %q", step.profile, c.Profile, step.want)
		}
	}
	b.want(Summary{Rows: 1, New: 1}, b.load(cardLine(2, 2))) // without the column
	if c := b.card(2); c.Profile != "" {
		t.Errorf("a card without a profile has %q", c.Profile)
	}
}
