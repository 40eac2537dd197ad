package softapp

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// openFunc is a vault.
type openFunc func(transID, passcode string) (crypto.Signer, error)

func (f openFunc) open(transID, passcode string) (crypto.Signer, error) { return f(transID, passcode) }

const number = "+41791234567"

// bench is a Device with a clock, a vault and an observer of the test.
type bench struct {
	*Device
	clock *testkit.Clock
	key   *ecdsa.PrivateKey

	seen   testkit.Events[person.Event]
	opened int // how often the vault was
}

// newBench has a device whose vault opens with person.DefaultPIN, and counts the
// tries, unless another vault is given.
func newBench(t testing.TB, v vault) *bench {
	t.Helper()
	key := testkit.ECKey(t)
	b := &bench{clock: testkit.NewClock(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)), key: key}
	if v == nil {
		left := MaxTries
		v = openFunc(func(_, passcode string) (crypto.Signer, error) {
			b.opened++
			if passcode != person.DefaultPIN {
				left--
				return nil, &PINError{TriesLeft: left}
			}
			left = MaxTries
			return key, nil
		})
	}
	b.Device = &Device{
		id: "app-1", msisdn: number, clock: b.clock, log: slog.New(slog.DiscardHandler), person: person.New(0),
		observer: person.NewObserver(b.seen.Note), vault: v, public: &key.PublicKey, pin: person.DefaultPIN, tries: MaxTries,
	}
	return b
}

func (b *bench) events() []person.Kind { return Kinds(&b.seen) }

// toSign is a request that is valid for a minute.
func (b *bench) toSign(id, text string) mssp.DeviceRequest {
	return mssp.DeviceRequest{
		TransID: id, MSISDN: number, DeviceID: b.id, Method: signum.App, MimeType: signum.MimeText, Text: text,
		SignedAttrs: SignedAttrs(text), Expires: b.clock.Now().Add(time.Minute),
	}
}

func (b *bench) toShow(id, text string) mssp.DeviceRequest {
	r := b.toSign(id, text)
	r.Op, r.SignedAttrs = mssp.OpDisplay, nil
	return r
}

func code(a mssp.DeviceAnswer) signum.Code {
	if a.Fault == nil {
		return 0
	}
	return a.Fault.Code
}

// A device neither shows nor signs a text that hides something. The service has refused
// it, unless it is not the service that asks.
func TestAttackUnseenTextOnApp(t *testing.T) {
	t.Parallel()
	const approval = `{"type":"Pay","dtbd":[{"key":"To","value":"Bank: %s"}]}`
	for _, unseen := range []string{"\u200b", "\u202e", "\U000e0041", "a\ufe0f", "\n\n\n\n", "a\u0301\u0301"} {
		b := newBench(t, nil)
		text := "Bank: pay 10" + unseen + "00 CHF?"
		rows := fmt.Sprintf(approval, "1"+strings.ReplaceAll(unseen, "\n", `\n`))
		content, err := signum.SignedContent(signum.MimeTxnApproval, rows)
		if err != nil {
			t.Fatal(err)
		}
		approve := b.toSign("h2", rows)
		approve.MimeType, approve.SignedAttrs = signum.MimeTxnApproval, SignedAttrs(content)
		for _, r := range []mssp.DeviceRequest{b.toSign("h1", text), approve, b.toShow("h3", text)} {
			got := b.receive(r, 0)
			if got.asked || len(got.answers) != 1 || code(got.answers[0]) != signum.InternalError || got.answers[0].Signature != nil {
				t.Errorf("%+q: %+v", r.Text, got)
			}
		}
	}
}

// A device neither shows nor signs a text whose digest is not in the signed
// attributes, whatever the difference.
func TestDigestMismatch(t *testing.T) {
	t.Parallel()
	const text = "Bank: pay 10 CHF?"
	good := SignedAttrs(text)
	flipped := bytes.Clone(good)
	flipped[len(flipped)-1] ^= 1
	for name, c := range map[string]struct {
		mime, text string
		attrs      []byte
	}{
		"another text":       {signum.MimeText, "Bank: pay 10000 CHF?", good},
		"one bit":            {signum.MimeText, text, flipped},
		"a space":            {signum.MimeText, text + " ", good},
		"empty text":         {signum.MimeText, "", good},
		"no attributes":      {signum.MimeText, text, nil},
		"not DER":            {signum.MimeText, text, []byte("attributes")},
		"truncated":          {signum.MimeText, text, good[:len(good)-1]},
		"trailing byte":      {signum.MimeText, text, append(bytes.Clone(good), 0)},
		"no digest":          {signum.MimeText, text, []byte{0x31, 0}},
		"digest of a digest": {signum.MimeText, text, SignedAttrs(string(good))},
		"no approval":        {signum.MimeTxnApproval, text, good},
		"approval as a text": {signum.MimeTxnApproval, `{"type":"Pay","dtbd":[]}`, SignedAttrs(`{"type":"Pay","dtbd":[]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			r := b.toSign("h1", c.text)
			r.MimeType, r.SignedAttrs = c.mime, c.attrs
			got := b.receive(r, 0)
			if got.asked || len(got.answers) != 1 || code(got.answers[0]) != signum.InternalError || got.answers[0].Signature != nil {
				t.Errorf("%+v", got)
			}
			if _, err := b.EnterPIN("h1", person.DefaultPIN); !errors.Is(err, person.ErrNotShown) || b.opened != 0 {
				t.Errorf("%v, the vault was opened %d times", err, b.opened)
			}
			if k := b.events(); !slices.Equal(k, []person.Kind{person.Refused}) {
				t.Errorf("%q", k)
			}
		})
	}
}

// The digest is computed again when the device signs: attributes that changed
// while the text was shown are refused.
func TestAttributesChangedWhileShown(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	r := b.toSign("h1", "a")
	if got := b.receive(r, 0); !got.asked {
		t.Fatalf("%+v", got)
	}
	copy(r.SignedAttrs, SignedAttrs("b"))
	a, err := b.EnterPIN("h1", person.DefaultPIN)
	if err != nil || code(a) != signum.InternalError || a.Signature != nil {
		t.Errorf("%+v, %v", a, err)
	}
	if _, shown := b.Shown(); shown || slices.Contains(b.events(), person.Signed) {
		t.Errorf("shown: %t, %q", shown, b.events())
	}
}

// The tries are those that the vault reports. They last from one request to the
// next, and the right passcode restores them.
func TestPasscodeTries(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	ask := func(id string) {
		t.Helper()
		if got := b.receive(b.toSign(id, "a"), 0); !got.asked {
			t.Fatalf("%+v", got)
		}
	}
	wrong := func(id, passcode string, left int) {
		t.Helper()
		e := (*PINError)(nil)
		if a, err := b.EnterPIN(id, passcode); !errors.As(err, &e) || e.TriesLeft != left || b.TriesLeft() != left {
			t.Fatalf("%+v, %v", a, err)
		}
	}
	ask("h1")
	wrong("h1", "", 2)
	wrong("h1", "1234567", 1)
	if a, err := b.EnterPIN("h1", person.DefaultPIN); err != nil || a.Signature == nil || b.TriesLeft() != MaxTries {
		t.Fatal(a, err)
	}
	ask("h2")
	wrong("h2", "12345", 2)
	if _, err := b.Cancel("h2"); err != nil {
		t.Fatal(err)
	}
	ask("h3")
	wrong("h3", "000000", 1)
	if a, err := b.EnterPIN("h3", "000000"); err != nil || code(a) != signum.PINBlocked || b.TriesLeft() != 0 {
		t.Fatal(a, err)
	}
	if _, err := b.EnterPIN("h3", person.DefaultPIN); !errors.Is(err, person.ErrNotShown) {
		t.Error(err)
	}
	if got := b.receive(b.toSign("h4", "a"), 0); got.asked || code(got.answers[0]) != signum.PINBlocked {
		t.Errorf("%+v", got)
	}
	if got := b.receive(b.toShow("h4", "a"), 0); !got.asked {
		t.Errorf("a receipt needs no passcode: %+v", got)
	}
}

// While the vault is asked, the device is not locked, and the request may
// disappear.
func TestVault(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	for _, c := range []struct {
		name  string
		gone  bool
		err   error
		want  error
		tries int
		kinds []person.Kind // after Shown
	}{
		{name: "right", tries: 3, kinds: []person.Kind{person.PINRight, person.Signed}},
		{name: "right and gone", gone: true, want: person.ErrNotShown, tries: 3, kinds: []person.Kind{person.Withdrawn}},
		{name: "wrong and gone", gone: true, err: &PINError{TriesLeft: 1}, want: &PINError{}, tries: 1, kinds: []person.Kind{person.Withdrawn, person.PINWrong}},
		{name: "blocked", err: &PINError{}, tries: 0, kinds: []person.Kind{person.PINWrong}},
		{name: "blocked and gone", gone: true, err: &PINError{}, want: person.ErrNotShown, tries: 0, kinds: []person.Kind{person.Withdrawn, person.PINWrong}},
		{name: "down", err: down, want: down, tries: 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b *bench
			b = newBench(t, openFunc(func(transID, passcode string) (crypto.Signer, error) {
				if transID != "h1" || passcode != "y" {
					t.Errorf("asked for %q with %q", transID, passcode)
				}
				if c.gone {
					b.retire(requestKey{"h1", mssp.OpSign}, person.Withdrawn)
				}
				if c.err != nil {
					return nil, c.err
				}
				return b.key, nil
			}))
			b.receive(b.toSign("h1", "a"), 0)
			_, err := b.EnterPIN("h1", "y")
			if wrong := (*PINError)(nil); !(errors.As(c.want, &wrong) && errors.As(err, &wrong)) && !errors.Is(err, c.want) {
				t.Error(err)
			}
			if n := b.TriesLeft(); n != c.tries {
				t.Errorf("%d tries left", n)
			}
			if got := b.events()[1:]; !slices.Equal(got, c.kinds) {
				t.Errorf("%q", got)
			}
			if _, shown := b.Shown(); shown != (c.err == down) {
				t.Errorf("shown: %t", shown)
			}
		})
	}
}

// A panic in the vault, or in the function that chooses a code, leaves the device
// unlocked and the request on the screen.
func TestPanicAside(t *testing.T) {
	t.Parallel()
	for _, where := range []string{"vault", "choose"} {
		t.Run(where, func(t *testing.T) {
			t.Parallel()
			calls := 0
			once := func() {
				if calls++; calls == 1 {
					panic("once")
				}
			}
			var b *bench
			b = newBench(t, openFunc(func(string, string) (crypto.Signer, error) {
				if where == "vault" {
					once()
				}
				return b.key, nil
			}))
			r := b.toSign("h1", "a")
			if where == "choose" {
				r.Choices = []string{"12"}
				b.Choose(func(c []string) string { once(); return c[0] })
			}
			b.receive(r, 0)
			func() {
				defer func() {
					if recover() == nil {
						t.Error("no panic")
					}
				}()
				_, _ = b.EnterPIN("h1", person.DefaultPIN)
			}()
			if a, err := b.EnterPIN("h1", person.DefaultPIN); err != nil || a.Signature == nil {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// A newer request replaces the one on the screen; one that is refused replaces
// nothing; and one that was answered gets the same answer.
func TestNewerRequest(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.receive(b.toSign("h1", "first"), 0)
	bad := b.toSign("h0", "bad")
	bad.SignedAttrs = SignedAttrs("else")
	b.receive(bad, 0)
	if s, ok := b.Shown(); !ok || s.TransID != "h1" {
		t.Fatalf("%+v, %t", s, ok)
	}
	for _, c := range []struct {
		next    mssp.DeviceRequest
		old     string
		fault   signum.Code
		receipt signum.ReceiptResult
	}{
		{b.toShow("h2", "second"), "h1", signum.UserCancel, ""},
		{b.toSign("h3", "third"), "h2", 0, signum.ReceiptCancelled},
		{b.toSign("h4", "fourth"), "h3", signum.UserCancel, ""},
	} {
		got := b.receive(c.next, 0)
		if len(got.answers) != 1 || !got.asked {
			t.Fatalf("%+v", got)
		}
		if a := got.answers[0]; a.TransID != c.old || code(a) != c.fault || a.Receipt != c.receipt {
			t.Errorf("%+v", a)
		}
		if again := b.receive(b.toSign("h1", "first"), 0); again.asked || len(again.answers) != 1 || code(again.answers[0]) != signum.UserCancel {
			t.Errorf("%+v", again)
		}
	}
}

// A request that was withdrawn before it arrived is not shown when it does.
func TestWithdrawnBeforeArrival(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.retire(requestKey{"h1", mssp.OpSign}, person.Withdrawn)
	if got := b.receive(b.toSign("h1", "a"), 0); got.asked || got.answers != nil {
		t.Errorf("%+v", got)
	}
	if got := b.receive(b.toShow("h1", "a"), 0); !got.asked {
		t.Errorf("the receipt is another request: %+v", got)
	}
}

// The memory of ended requests is bounded; the oldest is forgotten first.
func TestMemo(t *testing.T) {
	t.Parallel()
	var m memo
	now := time.Unix(0, 0)
	id := func(i int) requestKey { return requestKey{fmt.Sprint("h", i), mssp.OpSign} }
	for i := range 2 * memoSize {
		m.add(ended{answer: mssp.DeviceAnswer{TransID: id(i).transID, Op: mssp.OpSign}, forget: now.Add(time.Minute)}, now)
	}
	if len(m) != memoSize {
		t.Errorf("%d are kept", len(m))
	}
	if _, ok := m.find(id(memoSize-1), now); ok {
		t.Error("the oldest is kept")
	}
	if _, ok := m.find(id(memoSize), now); !ok {
		t.Error("a newer one is forgotten")
	}
	if _, ok := m.find(id(memoSize), now.Add(time.Minute)); ok {
		t.Error("one that has expired is found")
	}
}

// A request is either withdrawn or signed, never both.
func TestWithdrawnWhileSigned(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	const n = 500
	signed := 0
	for i := range n {
		id := fmt.Sprint("h", i)
		b.receive(b.toSign(id, "a"), 0)
		var both sync.WaitGroup
		both.Go(func() { b.retire(requestKey{id, mssp.OpSign}, person.Withdrawn) })
		if a, err := b.EnterPIN(id, person.DefaultPIN); err == nil && a.Signature != nil {
			signed++
		} else if !errors.Is(err, person.ErrNotShown) {
			t.Error(err)
		}
		both.Wait()
	}
	ends := 0
	for _, k := range b.events() {
		if k == person.Signed || k == person.Withdrawn {
			ends++
		}
	}
	if ends != n {
		t.Errorf("%d requests ended %d times, %d signed", n, ends, signed)
	}
}

// Nothing prints the passcode.
func TestDeviceString(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.pin = "86420864"
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("text", "device", b.Device)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("JSON", "device", b.Device)
	fmt.Fprintf(&log, "%v %+v %#v %s", b.Device, b.Device, b.Device, b.Device)
	if s := log.String(); strings.Contains(s, b.pin) || strings.Contains(s, number) {
		t.Error(s)
	}
	if err := checkPasscode(strings.Repeat("8642", 17)); err == nil || strings.Contains(err.Error(), "864") {
		t.Error(err)
	}
}
