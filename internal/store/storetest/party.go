package storetest

import (
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// A party that is removed is unknown at once, and so are its certificates. What it asked
// for stays, and so do other parties.
func testPartyRemoved(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	asked := NewTransaction(1)
	gone := &mssp.Party{ID: asked.APID, Pins: []mssp.Pin{{1}}}
	other := &mssp.Party{ID: "other", Pins: []mssp.Pin{{1}, {2}}}
	must(t, s.PutParty(ctx, gone))
	must(t, s.PutParty(ctx, other))
	insert(t, s, asked)
	_, err := s.Party(ctx, gone.ID) // so that it is cached
	must(t, err)

	wantNotFound(t, "no party", s.RemoveParty(ctx, "p"))
	wantNotFound(t, "no key", s.RemoveParty(ctx, "\xff"))
	must(t, s.RemoveParty(ctx, gone.ID))
	_, err = s.Party(ctx, gone.ID)
	wantNotFound(t, "party", err)
	wantNotFound(t, "again", s.RemoveParty(ctx, gone.ID))

	s = d.Reopen()
	_, err = s.Party(ctx, gone.ID)
	wantNotFound(t, "party after a restart", err)
	ids, err := s.PartyIDs(ctx)
	must(t, err)
	same(t, []string{other.ID}, ids)
	pins, err := s.Pins(ctx)
	must(t, err)
	same(t, other.Pins, pins)
	same(t, asked, read(t, s, asked.ID))
	got, err := s.Party(ctx, other.ID)
	must(t, err)
	same(t, other, got)
}
