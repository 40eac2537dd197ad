package simcards

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func TestImport(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	rows := []string{
		cardLine(1, 1), cardLine(2, 2, "RSA", "blocked"), cardLine(3, -1), cardLine(4, -1, "", "STOCK"), cardLine(5, 5, "ec", "Active"),
	}
	b.want(Summary{Rows: 5, New: 5}, b.load(rows...))
	sub := b.subscriber(1)
	want := &mssp.Subscriber{MSISDN: cardNumber(1), Serial: sub.Serial, State: mssp.SubscriberActive, Devices: []mssp.Device{
		{ID: "sim-" + cardICCID(1), Method: signum.SIM, State: signum.DeviceRegistered, Network: signum.Network{MCC: "228", MNC: "01"}}}}
	if d := cmp.Diff(want, sub); d != "" || len(sub.Serial) != 16 {
		t.Errorf("-want +got\n%s", d)
	}
	if d := b.subscriber(2).Devices[0]; d.State != signum.DeviceInactive || d.KeyType != signum.RSA || b.card(2).State != mssp.CardBlocked {
		t.Errorf("%+v", d)
	}
	if d := b.subscriber(5).Devices[0]; d.State != signum.DeviceRegistered || d.KeyType != signum.EC {
		t.Errorf("%+v", d)
	}
	for n := 1; n <= 5; n++ {
		c := b.card(n)
		b.wantKeys(c, cardKey(n, 1), cardKey(n, 2))
		if c.KeySet != 2 || c.Algorithm != mssp.CardAES || bytes.Contains(c.KIc, cardKey(n, 1)) || (c.State == mssp.CardStock) != (n == 3 || n == 4) {
			t.Errorf("%+v", c)
		}
	}
	if len(b.placed) != 5 {
		t.Errorf("%d placed", len(b.placed))
	}

	// Importing again changes nothing, not even the wrapped keys. Phones are told again.
	before := []*mssp.Card{b.card(1), b.card(2), b.card(3), b.card(4), b.card(5)}
	b.clock.Advance(24 * time.Hour)
	b.want(Summary{Rows: 5, Unchanged: 5}, b.load(rows...))
	if d := cmp.Diff(before, []*mssp.Card{b.card(1), b.card(2), b.card(3), b.card(4), b.card(5)}); d != "" {
		t.Errorf("-before +after\n%s", d)
	}
	if len(b.placed) != 5 || b.placed[0].Change != ChangeNone {
		t.Errorf("%v placed", b.placed)
	}
}

// What a row does depends on the state of card and number.
func TestImportMoves(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1), cardLine(2, 2), cardLine(3, -1), cardLine(6, 6))
	b.activate(1, "a1")
	b.activate(2, "a2")
	serials := []string{b.subscriber(1).Serial, b.subscriber(2).Serial}
	app := mssp.Device{ID: "app-7", Method: signum.App, State: signum.DeviceActive}
	if err := b.store.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: cardNumber(7), Serial: "S7", State: mssp.SubscriberActive,
		Devices: []mssp.Device{app}}); err != nil {
		t.Fatal(err)
	}
	rows := []string{
		cardLine(1, 11),                // number change
		cardLine(10, 2),                // swap, with a new card
		cardLine(3, 1),                 // from stock to the number that the first row freed
		cardLine(4, 7),                 // first SIM of an account with an App
		cardLine(6, 12, "", "BLOCKED"), // number change, and blocked
	}
	b.want(Summary{Rows: 5, New: 2, Swapped: 1, Renumbered: 2}, b.load(rows...))
	if s := b.subscriber(11); s.Serial != serials[0] || s.Devices[0].State != signum.DeviceActive || s.Devices[0].Certificate.Serial != "a1" {
		t.Errorf("renumbered: %+v", s)
	}
	if s := b.subscriber(2); s.Serial != serials[1] || s.Devices[0].ID != "sim-"+cardICCID(10) || s.Devices[0].State != signum.DeviceRegistered ||
		b.card(2).State != mssp.CardRetired || !slices.Equal(b.revoked, []string{"a2 5"}) {
		t.Errorf("swapped: %+v, %v", s, b.revoked)
	}
	if s := b.subscriber(1); s.Serial == serials[0] || s.Devices[0].ID != "sim-"+cardICCID(3) {
		t.Errorf("new at an old number: %+v", s)
	}
	if s := b.subscriber(7); len(s.Devices) != 2 || s.Devices[0].ID != app.ID || s.Serial != "S7" {
		t.Errorf("first SIM: %+v", s)
	}
	if d := b.subscriber(12).Devices[0]; d.State != signum.DeviceInactive || b.cardOf(12).State != mssp.CardBlocked {
		t.Errorf("renumbered and blocked: %+v", d)
	}
	b.want(Summary{Rows: 5, Unchanged: 5}, b.load(rows...))

	failed := b.load(cardLine(2, 2), cardLine(2+100, -1), cardLine(1, 7), cardLine(10, -1), cardLine(3, 1))
	reasons := []string{}
	for _, e := range failed.Errors {
		reasons = append(reasons, e.Error())
	}
	b.want(Summary{Rows: 5, New: 1, Unchanged: 1, Failed: 3, Errors: failed.Errors}, failed)
	want := []string{
		"line 2, card " + cardICCID(2) + ": the card was swapped out and cannot come back",
		"line 4, card " + cardICCID(1) + ": +41****07 has an account of its own: renumber that account first",
		"line 5, card " + cardICCID(10) + ": the card is in use and cannot go back to stock",
	}
	if d := cmp.Diff(want, reasons); d != "" {
		t.Error(d)
	}
}

// A number that one row frees can be taken by a later row.
func TestImportChain(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	b.load(cardLine(1, 1), cardLine(2, 2))
	b.want(Summary{Rows: 2, Renumbered: 2}, b.load(cardLine(2, 3), cardLine(1, 2)))
	if b.cardOf(3).ICCID != cardICCID(2) || b.cardOf(2).ICCID != cardICCID(1) {
		t.Error("not moved")
	}
	// In the other order, the first row is refused; it succeeds in a second import.
	rows := []string{cardLine(1, 3), cardLine(2, 4)}
	if sum := b.load(rows...); sum.Failed != 1 || sum.Renumbered != 1 {
		t.Errorf("%+v", sum)
	}
	b.want(Summary{Rows: 2, Renumbered: 1, Unchanged: 1}, b.load(rows...))
}

func TestImportKeys(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1), cardLine(2, -1))
	for range 3 {
		if _, err := b.store.TakeCounter(ctx, cardICCID(1), 0); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.store.AcceptReply(ctx, cardICCID(1), 7); err != nil {
		t.Fatal(err)
	}
	row := func(n int, set int, algorithm string, kic, kid []byte) string {
		msisdn := cardNumber(n)
		if n == 2 {
			msisdn = ""
		}
		return fmt.Sprintf("%s,%s,%d,%s,%X,%x,,\n", cardICCID(n), msisdn, set, algorithm, kic, kid)
	}
	long := bytes.Repeat([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 4)
	triple := append(bytes.Repeat([]byte{2}, 8), append(bytes.Repeat([]byte{4}, 8), bytes.Repeat([]byte{2}, 8)...)...)
	for _, step := range []struct {
		set             int
		algorithm       string
		kic, kid        []byte
		counter, window uint64
	}{
		{2, "aes", long, long[:24], 3, 7},      // other keys of the same set
		{3, "AES", long, long[:24], 0, 0},      // another set
		{3, "3DES", triple, triple[:16], 0, 0}, // another algorithm
	} {
		b.want(Summary{Rows: 2, Updated: 2}, b.load(row(1, step.set, step.algorithm, step.kic, step.kid), row(2, step.set, step.algorithm, step.kic, step.kid)))
		for n := 1; n <= 2; n++ {
			c := b.card(n)
			b.wantKeys(c, step.kic, step.kid)
			if n == 1 && (c.Counter != step.counter || c.ReplyCounter != step.window) || int(c.KeySet) != step.set {
				t.Errorf("%+v", c)
			}
		}
		if !bytes.Equal(b.placed[0].KIc, step.kic) || b.placed[0].Change != ChangeUpdated {
			t.Errorf("%v", b.placed[0])
		}
	}
	if b.subscriber(1).Devices[0].ID != "sim-"+cardICCID(1) {
		t.Error("the SIM is another")
	}
	// Keys that were tampered with in the store are not overwritten.
	c := b.card(1)
	c.KIc[20] ^= 1
	if err := b.store.PutCard(ctx, c); err != nil {
		t.Fatal(err)
	}
	if sum := b.load(cardLine(1, 1)); sum.Failed != 1 || !strings.Contains(sum.Errors[0].Reason, "cannot be read") {
		t.Errorf("%+v", sum)
	}
}

// A row without a state keeps the card's state; a row with one sets it.
func TestImportStates(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	b.load(cardLine(1, 1))
	b.activate(1, "a1")
	if err := b.SetState(t.Context(), cardICCID(1), mssp.CardBlocked); err != nil {
		t.Fatal(err)
	}
	b.want(Summary{Rows: 1, Unchanged: 1}, b.load(cardLine(1, 1)))
	b.want(Summary{Rows: 1, Updated: 1}, b.load(cardLine(1, 1, "", "ACTIVE")))
	if b.card(1).State != mssp.CardActive || b.subscriber(1).Devices[0].State != signum.DeviceActive {
		t.Error("not active again")
	}
	b.want(Summary{Rows: 1, Updated: 1}, b.load(cardLine(1, 1, "", "BLOCKED")))

	sum, err := b.Import(t.Context(), strings.NewReader(cardHeader+cardLine(1, 1)+cardLine(2, 2)+cardLine(3, 3, "", "ACTIVE")+cardLine(4, 1+1000)+cardLine(5, -1)),
		ImportOptions{PlainKeys: true, DefaultState: mssp.CardBlocked})
	if err != nil || sum.New != 4 || sum.Unchanged != 1 {
		t.Fatal(sum, err)
	}
	for n, want := range map[int]mssp.CardState{1: mssp.CardBlocked, 2: mssp.CardBlocked, 3: mssp.CardActive, 4: mssp.CardBlocked, 5: mssp.CardStock} {
		if got := b.card(n).State; got != want {
			t.Errorf("card %d: %s, want %s", n, got, want)
		}
	}
	// The default state applies to swaps too.
	if _, err := b.Import(t.Context(), strings.NewReader(cardHeader+cardLine(6, 1)), ImportOptions{PlainKeys: true, DefaultState: mssp.CardBlocked}); err != nil {
		t.Fatal(err)
	}
	if d := b.subscriber(1).Devices[0]; b.cardOf(1).State != mssp.CardBlocked || d.State != signum.DeviceInactive {
		t.Errorf("%+v", d)
	}
}

// A database error ends the import and is not reported as a bad row.
func TestImportStoreFails(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	sum, err := b.Import(t.Context(), strings.NewReader(cardHeader+cardLine(1, 1)), ImportOptions{PlainKeys: true})
	if err == nil || sum.Failed != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// Importing a file again changes nothing, whatever is in it and in whatever order,
// and cards and accounts stay one to one.
func TestImportTwice(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	first := -10
	rapid.Check(t, func(rt *rapid.T) {
		first += 10 // cards and numbers that no earlier run has used
		for range 3 {
			var file strings.Builder
			file.WriteString(cardHeader)
			for range rapid.IntRange(1, 8).Draw(rt, "rows") {
				number, state := rapid.IntRange(-1, 5).Draw(rt, "number"), ""
				if number >= 0 {
					number += first
					state = rapid.SampledFrom([]string{"", "", "ACTIVE", "BLOCKED"}).Draw(rt, "state")
				}
				file.WriteString(cardLine(first+rapid.IntRange(1, 8).Draw(rt, "card"), number, "", state))
			}
			load := func() Summary {
				sum, err := b.Import(context.Background(), strings.NewReader(file.String()), ImportOptions{PlainKeys: true})
				if err != nil {
					rt.Fatal(err)
				}
				if sum.Rows != sum.New+sum.Swapped+sum.Renumbered+sum.Updated+sum.Unchanged+sum.Failed {
					rt.Fatalf("%+v", sum)
				}
				return sum
			}
			sum := load()
			for n := 0; ; n++ {
				again := load()
				if again.New+again.Swapped+again.Renumbered+again.Updated == 0 {
					break
				}
				// A row that waited for a later one succeeds in another import.
				if sum.Failed == 0 || n == 8 {
					rt.Fatalf("first %+v, again %+v", sum, again)
				}
			}
			for number := first; number < first+6; number++ {
				s, err := b.store.Subscriber(context.Background(), cardNumber(number))
				if err != nil {
					continue
				}
				c, err := b.store.CardOf(context.Background(), cardNumber(number))
				if err != nil || len(s.Devices) != 1 || c.DeviceID != s.Devices[0].ID {
					rt.Fatalf("%+v, %+v, %v", s, c, err)
				}
			}
		}
	})
}

// Two imports of the same file at the same time have the effect of one.
func TestImportsAtOnce(t *testing.T) {
	t.Parallel()
	const rows = importBatch + 200 // two batches
	b := newTestBook(t)
	var file strings.Builder
	file.WriteString(cardHeader)
	for n := range rows {
		file.WriteString(cardLine(n, n))
	}
	sums := make(chan Summary, 2)
	for range 2 {
		go func() {
			sum, err := b.Import(t.Context(), strings.NewReader(file.String()), ImportOptions{PlainKeys: true})
			if err != nil {
				t.Error(err)
			}
			sums <- sum
		}()
	}
	one, other := <-sums, <-sums
	if one.New+other.New != rows || one.Unchanged+other.Unchanged != rows {
		t.Errorf("%+v, %+v", one, other)
	}
}
