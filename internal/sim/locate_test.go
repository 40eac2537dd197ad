package sim

import (
	"context"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// A card can answer before Send has asked the network where its phone is. The answer must
// wait for the location also then.
func TestAnswerBeforeLocation(t *testing.T) {
	w := newWorld(t, func(c *Config) {
		c.Locator = func(context.Context, string) (*mssp.Location, error) { return &mssp.Location{Country: "CH"}, nil }
	})
	defer w.ch.Close()
	f := w.card(ecKey)
	r := w.request(f, mssp.OpSign, "_1", text)
	r.Locate = true
	q := newRequest(r, &w.ch.set().Retry, w.ch.now())
	q.attempts.card = w.store.cards[r.MSISDN]
	if known, err := w.ch.begin(q); known || err != nil {
		t.Fatal(known, err)
	}
	w.ch.mu.Lock()
	defer w.ch.mu.Unlock()
	if !q.flags.has(locating) {
		t.Error("the request is on its way, and its answer would not wait for the location")
	}
}
