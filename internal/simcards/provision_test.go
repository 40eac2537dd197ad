package simcards

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/testkit"
)

// testBook is a Provisioner on a store of its own.
type testBook struct {
	*Provisioner
	t       *testing.T
	store   *store.Store
	keys    *KeyRing
	clock   *testkit.Clock
	revoked []string
	told    []string // to users
	checked []string // accounts for which Recheck was called

	mu     sync.Mutex
	placed []ImportedCard
	refuse string // ICCID of the card that its phone does not take
}

type notifier func(mssp.Change)

func (n notifier) Notify(_ context.Context, c mssp.Change) { n(c) }

func newTestBook(t *testing.T) *testBook {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "test.db"), store.WithLogger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	b := &testBook{t: t, store: s, clock: testkit.NewClock(time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC))}
	if b.keys, err = NewKeyRing([]byte("the master key of the test cards")); err != nil {
		t.Fatal(err)
	}
	serial := 0
	var mu sync.Mutex
	b.Provisioner, err = New(Config{
		Store: s, Keys: b.keys, ParseMSISDN: parseTestNumber, Network: signum.Network{MCC: "228", MNC: "01"}, Clock: b.clock,
		Profiles: func() []string { return []string{"contactless", "old"} },
		NewSerial: func() string {
			mu.Lock()
			defer mu.Unlock()
			serial++
			return fmt.Sprintf("MIDCHE%010d", serial)
		},
		Revoke: func(ctx context.Context, serial string, reason int) error {
			b.revoked = append(b.revoked, fmt.Sprint(serial, " ", reason))
			return s.RevokeCertificate(ctx, serial, b.clock.Now(), reason)
		},
		Recheck: func(_ context.Context, msisdn string) error {
			b.checked = append(b.checked, msisdn)
			return nil
		},
		Notifier: notifier(func(c mssp.Change) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.told = append(b.told, string(c.Kind)+" "+c.MSISDN+" "+c.DeviceID)
		}),
		Placed: func(_ context.Context, c ImportedCard) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			if c.ICCID == b.refuse {
				return errors.New("no slot is free")
			}
			b.placed = append(b.placed, c)
			return nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func parseTestNumber(s string) (string, bool) {
	s = strings.TrimPrefix(strings.ReplaceAll(s, " ", ""), "+")
	if len(s) < 9 || len(s) > 15 || strings.Trim(s, "0123456789") != "" {
		return "", false
	}
	return "+" + s, true
}

// cardICCID is the ICCID of card n, with its check digit.
func cardICCID(n int) string {
	body := fmt.Sprintf("894101%013d", n)
	for d := range 10 {
		if s := body + string(rune('0'+d)); checkICCID(s) == nil {
			return s
		}
	}
	panic("no check digit")
}

func cardNumber(n int) string { return fmt.Sprintf("+4179%07d", n) }

// cardKey returns a different key for each card and kind.
func cardKey(n, kind int) []byte {
	return bytes.Repeat([]byte{0xc0 + byte(kind), byte(n >> 8), byte(n), 0x5a}, 4)
}

const cardHeader = "iccid,msisdn,key_set,algorithm,kic,kid,key_type,state\n"

// cardLine is the row of a card with its keys. Number -1 means none.
func cardLine(card, number int, more ...string) string {
	msisdn := ""
	if number >= 0 {
		msisdn = cardNumber(number)
	}
	keyType, state := "", ""
	if len(more) > 0 {
		keyType = more[0]
	}
	if len(more) > 1 {
		state = more[1]
	}
	return fmt.Sprintf("%s,%s,2,AES,%x,%x,%s,%s\n", cardICCID(card), msisdn, cardKey(card, 1), cardKey(card, 2), keyType, state)
}

func (b *testBook) load(rows ...string) Summary {
	b.t.Helper()
	b.placed = nil
	sum, err := b.Import(b.t.Context(), strings.NewReader(cardHeader+strings.Join(rows, "")), ImportOptions{PlainKeys: true})
	if err != nil {
		b.t.Fatal(err)
	}
	return sum
}

func (b *testBook) want(want Summary, got Summary) {
	b.t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		b.t.Errorf("-want +got\n%s", d)
	}
}

func (b *testBook) cardOf(number int) *mssp.Card {
	b.t.Helper()
	c, err := b.store.CardOf(b.t.Context(), cardNumber(number))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *testBook) card(n int) *mssp.Card {
	b.t.Helper()
	c, err := b.store.Card(b.t.Context(), cardICCID(n))
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

func (b *testBook) subscriber(number int) *mssp.Subscriber {
	b.t.Helper()
	s, err := b.store.Subscriber(b.t.Context(), cardNumber(number))
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

// activate gives the SIM of a number a certified key.
func (b *testBook) activate(number int, serial string) {
	b.t.Helper()
	ctx, id := b.t.Context(), b.cardOf(number).DeviceID
	for _, err := range []error{
		b.store.IntendCertificate(ctx, &mssp.Certificate{Serial: serial, DeviceID: id, TBS: []byte{1}, NotAfter: b.clock.Now().AddDate(1, 0, 0)}),
		b.store.CompleteCertificate(ctx, serial, []byte{1}),
		b.allow(ctx, cardNumber(number), id),
		b.store.ActivateDevice(ctx, &mssp.Activation{DeviceID: id, KeyType: signum.EC, CertSerial: serial, At: b.clock.Now()}),
	} {
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *testBook) wantKeys(c *mssp.Card, kic, kid []byte) {
	b.t.Helper()
	gotKIc, gotKID, err := b.keysOf(c)
	if err != nil || !bytes.Equal(gotKIc, kic) || !bytes.Equal(gotKID, kid) {
		b.t.Errorf("keys of %s are not those of the file: %v", c.ICCID, err)
	}
}

func refusedWith(t *testing.T, err error, text string) {
	t.Helper()
	var r *Refusal
	if !errors.As(err, &r) || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, want a refusal with %q", err, text)
	}
}

func TestSwap(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1, "RSA"), cardLine(2, -1), cardLine(3, -1), cardLine(4, 4))
	b.activate(1, "a1")
	serial := b.subscriber(1).Serial
	b.placed = nil

	refusedWith(t, b.Swap(ctx, "none", cardICCID(2), false), "not the number")
	refusedWith(t, b.Swap(ctx, cardNumber(1), "123", false), "18 to 20 digits")
	refusedWith(t, b.Swap(ctx, cardNumber(1), cardICCID(9), false), "there is no card")
	refusedWith(t, b.Swap(ctx, cardNumber(9), cardICCID(2), false), "+41****09 has no account")
	refusedWith(t, b.Swap(ctx, cardNumber(1), cardICCID(4), false), "not in stock")
	if len(b.revoked)+len(b.placed) > 0 {
		t.Errorf("refused, but %v, %v", b.revoked, b.placed)
	}
	if err := b.Swap(ctx, "4179 0000001", cardICCID(2), false); err != nil {
		t.Fatal(err)
	}
	sub := b.subscriber(1)
	want := []mssp.Device{{ID: "sim-" + cardICCID(2), Method: signum.SIM, State: signum.DeviceRegistered, KeyType: signum.EC,
		Network: signum.Network{MCC: "228", MNC: "01"}}}
	if d := cmp.Diff(want, sub.Devices); d != "" || sub.Serial != serial {
		t.Errorf("account %s, was %s\n%s", sub.Serial, serial, d)
	}
	if !slices.Equal(b.revoked, []string{"a1 5"}) || b.card(1).State != mssp.CardRetired || b.cardOf(1).ICCID != cardICCID(2) {
		t.Errorf("revoked %v, %+v", b.revoked, b.card(1))
	}
	// The phone gets the card with the imported keys.
	c := b.placed[0]
	if c.OldICCID != cardICCID(1) || c.Change != ChangeSwapped || c.MSISDN != cardNumber(1) || c.DeviceID != want[0].ID ||
		!bytes.Equal(c.KIc, cardKey(2, 1)) || !bytes.Equal(c.KID, cardKey(2, 2)) || c.KeySet != 2 || c.KeyType != signum.EC {
		t.Errorf("%+v", c)
	}
	// Swapping again changes nothing; swapping back is refused.
	if err := b.Swap(ctx, cardNumber(1), cardICCID(2), false); err != nil {
		t.Error(err)
	}
	refusedWith(t, b.Swap(ctx, cardNumber(1), cardICCID(1), false), "RETIRED")

	// A blocked SIM can be swapped. A revoked certificate is not revoked again.
	b.activate(1, "a2")
	if err := errors.Join(b.store.RevokeCertificate(ctx, "a2", b.clock.Now(), 1), b.SetState(ctx, cardICCID(2), mssp.CardBlocked),
		b.Swap(ctx, cardNumber(1), cardICCID(3), false)); err != nil {
		t.Fatal(err)
	}
	if x, err := b.store.Certificate(ctx, "a2"); err != nil || x.Reason != 1 || len(b.revoked) != 1 {
		t.Errorf("%+v %v %v", x, err, b.revoked)
	}
}

// A swap whose revocation fails changes nothing and can be repeated.
func TestSwapWithoutRevocation(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1), cardLine(2, -1))
	b.activate(1, "a1")
	revoke := b.cfg.Revoke
	b.cfg.Revoke = func(context.Context, string, int) error { return errors.New("the CA is away") }
	if err := b.Swap(ctx, cardNumber(1), cardICCID(2), false); err == nil || !strings.Contains(err.Error(), "the CA is away") {
		t.Error(err)
	}
	if b.cardOf(1).ICCID != cardICCID(1) || b.subscriber(1).Devices[0].State != signum.DeviceActive {
		t.Error("swapped all the same")
	}
	b.cfg.Revoke = revoke
	if err := b.Swap(ctx, cardNumber(1), cardICCID(2), false); err != nil || b.cardOf(1).ICCID != cardICCID(2) {
		t.Error(err)
	}
}

func TestRenumber(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1), cardLine(2, 2))
	b.activate(1, "a1")
	before := b.subscriber(1)
	b.placed = nil
	refusedWith(t, b.Renumber(ctx, "none", cardNumber(3)), "not the number")
	refusedWith(t, b.Renumber(ctx, cardNumber(1), "none"), "not the number")
	refusedWith(t, b.Renumber(ctx, cardNumber(9), cardNumber(3)), "+41****09 has no account")
	refusedWith(t, b.Renumber(ctx, cardNumber(1), cardNumber(2)), "+41****02 has an account")
	if err := b.Renumber(ctx, cardNumber(1), cardNumber(3)); err != nil {
		t.Fatal(err)
	}
	after := b.subscriber(3)
	before.MSISDN = cardNumber(3)
	if d := cmp.Diff(before, after); d != "" || b.cardOf(3).ICCID != cardICCID(1) || len(b.revoked) > 0 {
		t.Errorf("%v\n%s", b.revoked, d)
	}
	if c := b.placed[0]; c.OldMSISDN != cardNumber(1) || c.MSISDN != cardNumber(3) || c.Change != ChangeRenumbered {
		t.Errorf("%+v", c)
	}
	// An account without a card.
	if err := b.store.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: cardNumber(5), State: mssp.SubscriberActive}); err != nil {
		t.Fatal(err)
	}
	if err := b.Renumber(ctx, cardNumber(5), cardNumber(6)); err != nil || len(b.placed) != 1 {
		t.Error(err)
	}
}

func TestBlock(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1), cardLine(2, -1))
	id := cardICCID(1)
	state := func(to mssp.CardState, want signum.DeviceState) {
		t.Helper()
		if err := b.SetState(ctx, id, to); err != nil {
			t.Fatal(err)
		}
		if d := b.subscriber(1).Devices[0]; b.card(1).State != to || d.State != want {
			t.Errorf("card %s, device %s, want %s", b.card(1).State, d.State, want)
		}
	}
	state(mssp.CardBlocked, signum.DeviceInactive)
	if _, err := b.store.TakeCounter(ctx, id, 0); !errors.Is(err, mssp.ErrCardState) {
		t.Errorf("counter of a blocked card: %v", err)
	}
	state(mssp.CardActive, signum.DeviceRegistered)
	b.activate(1, "a1")
	state(mssp.CardBlocked, signum.DeviceInactive)
	state(mssp.CardActive, signum.DeviceActive)
	refusedWith(t, b.SetState(ctx, "1", mssp.CardBlocked), "18 to 20")
	refusedWith(t, b.SetState(ctx, cardICCID(9), mssp.CardBlocked), "there is no card")
	refusedWith(t, b.SetState(ctx, cardICCID(2), mssp.CardBlocked), "only a card in use")
}

func TestShow(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	ctx := t.Context()
	b.load(cardLine(1, 1), cardLine(2, -1))
	b.activate(1, "a1")
	if _, err := b.store.TakeCounter(ctx, cardICCID(1), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := b.store.AcceptReply(ctx, cardICCID(1), 9); err != nil {
		t.Fatal(err)
	}
	want := &CardInfo{ICCID: cardICCID(1), State: mssp.CardActive, MSISDN: cardNumber(1), KeySet: 2, Algorithm: mssp.CardAES, Profile: mssp.DefaultProfile,
		Counter: 1, ReplyCounter: 9, Created: b.clock.Now(), Changed: b.clock.Now(),
		SIM: &SIMInfo{DeviceID: "sim-" + cardICCID(1), Account: b.subscriber(1).Serial, AccountState: mssp.SubscriberActive,
			State: signum.DeviceActive, KeyType: signum.EC,
			Certificate: &CertificateInfo{Serial: "a1", State: mssp.CertificateGood, NotAfter: b.clock.Now().AddDate(1, 0, 0)}}}
	for _, name := range []string{cardICCID(1), cardNumber(1), "4179 0000001"} {
		got, err := b.Show(ctx, name)
		if d := cmp.Diff(want, got); err != nil || d != "" {
			t.Errorf("%v\n%s", err, d)
		}
	}
	if got, err := b.Show(ctx, cardICCID(2)); err != nil || got.State != mssp.CardStock || got.SIM != nil {
		t.Errorf("%+v, %v", got, err)
	}
	for name, text := range map[string]string{cardICCID(9): "there is no card", cardNumber(9): "+41****09 has no card",
		"89410": "neither an ICCID"} {
		_, err := b.Show(ctx, name)
		refusedWith(t, err, text)
	}
}

func TestProvisionerNeeds(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); err == nil {
		t.Error("made of nothing")
	}
}

// Printing an ImportedCard or an import's row shows no keys.
func TestNoKeysInText(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	b.load(cardLine(1, 1))
	secret := cardKey(1, 1)
	for _, format := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		text := fmt.Sprintf(format, b.placed[0]) + fmt.Sprintf(format, &b.placed[0]) + fmt.Sprintf(format, b.placed)
		if strings.Contains(text, hex.EncodeToString(secret)) || strings.Contains(text, "192 ") || strings.Contains(text, "0xc1") {
			t.Errorf("%s: %s", format, text)
		}
	}
	if text := fmt.Sprint(b.placed[0]); !strings.Contains(text, "+41****01") || strings.Contains(text, cardNumber(1)) {
		t.Error(text)
	}
}
