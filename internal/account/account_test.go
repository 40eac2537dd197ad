package account

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/testkit"
)

const number = "+41791234567"

var start = time.Date(2026, 5, 1, 8, 0, 0, 0, time.UTC)

// world is a service on a store, with everything behind it.
type world struct {
	*Service
	store     *store.Store
	clock     *testkit.Clock
	texts     []mssp.TextMessage
	shown     []*mssp.Notice
	removed   []string
	ended     []string
	textErr   error
	removeErr error
}

func (w *world) SendText(_ context.Context, m mssp.TextMessage) error {
	w.texts = append(w.texts, m)
	return w.textErr
}

func (w *world) Announce(_ context.Context, n *mssp.Notice) { w.shown = append(w.shown, n) }

func (w *world) Remove(_ context.Context, id string) error {
	if w.removeErr != nil {
		return w.removeErr
	}
	w.removed = append(w.removed, id)
	return nil
}

func newWorld(t *testing.T, apps ...string) *world {
	t.Helper()
	s, err := store.Open(t.Context(), "sqlite:"+t.TempDir()+"/test.db")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	w := &world{store: s, clock: testkit.NewClock(start)}
	w.Service = New(Config{Store: s, Texts: w, ServiceName: "Test", WebURL: func() string { return "https://id.example/" }, Clock: w.clock, Logger: slog.New(slog.DiscardHandler)})
	w.Connect(w, func(n string) { w.ended = append(w.ended, n) })
	sub := &mssp.Subscriber{MSISDN: number, Serial: "MIDCHE2X7K9QWER1", State: mssp.SubscriberActive, Devices: []mssp.Device{{ID: "sim", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC}}}
	if err := s.PutSubscriber(t.Context(), sub); err != nil {
		t.Fatal(err)
	}
	for _, id := range apps {
		w.enrol(t, id)
	}
	return w
}

func (w *world) enrol(t *testing.T, id string) *mssp.AppDevice {
	t.Helper()
	now := w.clock.Now()
	hash := HashCode(id)
	if err := w.store.PutInvite(t.Context(), &mssp.Invite{CodeHash: hash, MSISDN: number, Created: now, Expires: now.Add(time.Hour)}); err != nil {
		t.Fatal(err)
	}
	a := &mssp.AppDevice{DeviceID: id, MSISDN: number, AuthKey: []byte{1}, VerifierHash: hash, Share: []byte{2}, TriesLeft: 3, Name: "Phone", Enrolled: now, LastSeen: now}
	if err := w.store.EnrolApp(t.Context(), &mssp.Enrolment{CodeHash: hash, App: a, Device: mssp.Device{ID: id, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC}}, now); err != nil {
		t.Fatal(err)
	}
	return a
}

// notify announces a change and returns its notice and the code of its text.
func (w *world) notify(t *testing.T, c mssp.Change) (*mssp.Notice, string) {
	t.Helper()
	c.MSISDN = number
	w.Notify(t.Context(), c)
	w.work.Wait()
	m := regexp.MustCompile(`https://id\.example/me/no/(\w{10})$`).FindStringSubmatch(w.texts[len(w.texts)-1].Text)
	if m == nil {
		t.Fatalf("texts %v", w.texts)
	}
	n, err := w.ByCode(t.Context(), strings.ToLower(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n, m[1]
}

func (w *world) state(t *testing.T) mssp.SubscriberState {
	t.Helper()
	s, err := w.store.Subscriber(t.Context(), number)
	if err != nil {
		t.Fatal(err)
	}
	return s.State
}

// The owner is told of every change, by a text and in the other Apps, and undoes it: a new
// App and a new code are gone, and what cannot be undone suspends the account.
func TestAttackChangeBehindOwnersBack(t *testing.T) {
	for _, tt := range []struct {
		change mssp.Change
		did    Undone
	}{
		{mssp.Change{Kind: mssp.NoticeAppAdded, DeviceID: "new", Name: "Eve"}, AppRemoved},
		{mssp.Change{Kind: mssp.NoticeAppAdded, DeviceID: "new", ByCode: true}, AccountSuspended},
		{mssp.Change{Kind: mssp.NoticeRecoveryCode}, CodeWithdrawn},
		{mssp.Change{Kind: mssp.NoticeAppRemoved, DeviceID: "gone"}, AccountSuspended},
		{mssp.Change{Kind: mssp.NoticeSIMEnded, DeviceID: "sim"}, AccountSuspended},
		{mssp.Change{Kind: mssp.NoticeSIMActivated, DeviceID: "sim2"}, AccountSuspended},
		{mssp.Change{Kind: mssp.NoticeSIMWaiting, DeviceID: "sim2"}, AccountSuspended},
		{mssp.Change{Kind: mssp.NoticeRecoveryLogin, ByCode: true}, AccountSuspended},
		{mssp.Change{Kind: mssp.NoticeSuspended}, AccountSuspended},
	} {
		t.Run(string(tt.change.Kind), func(t *testing.T) {
			w := newWorld(t, "old")
			if err := w.store.SetRecoveryHash(t.Context(), number, HashCode("x")); err != nil {
				t.Fatal(err)
			}
			n, _ := w.notify(t, tt.change)
			if len(w.shown) != 1 || w.shown[0].ID != n.ID || w.texts[0].MSISDN != number || !strings.HasPrefix(w.texts[0].Text, "Test: ") {
				t.Fatalf("shown %v, texts %v", w.shown, w.texts)
			}
			did, err := w.Object(t.Context(), n)
			if did != tt.did || err != nil || len(w.ended) != 1 {
				t.Errorf("%s, %v, sessions of %v ended", did, err, w.ended)
			}
			hash, err := w.store.RecoveryHash(t.Context(), number)
			if (len(w.removed) == 1) != (did == AppRemoved) || (hash == nil) != (did == CodeWithdrawn) || (w.state(t) == mssp.SubscriberInactive) != (did == AccountSuspended) || err != nil {
				t.Errorf("%s: removed %v, recovery %x, state %s", did, w.removed, hash, w.state(t))
			}
			// A suspension is announced in its turn, once.
			w.work.Wait()
			left, err := w.store.Notices(t.Context(), number, start)
			if announced := len(left) == 1 && left[0].Kind == mssp.NoticeSuspended; len(left) > 1 || err != nil ||
				announced != (did == AccountSuspended && tt.change.Kind != mssp.NoticeSuspended) || announced != (len(w.texts) == 2) {
				t.Errorf("left: %v, %v; texts %v", left, err, w.texts)
			}
		})
	}
}

// With an objection, whatever was allowed but not done yet comes to its end: the stranger
// may hold an activation code, or have had the owner sign further changes.
func TestAttackUnusedConsents(t *testing.T) {
	w := newWorld(t, "old")
	ctx, until := t.Context(), start.Add(time.Hour)
	code := HashCode("stranger's code")
	must(t, w.store.PutInvite(ctx, &mssp.Invite{CodeHash: code, MSISDN: number, Trusted: true, Created: start, Expires: until}))
	consents := []*mssp.Consent{
		{Kind: mssp.ConsentAddApp}, {Kind: mssp.ConsentRecovery}, {Kind: mssp.ConsentRemove, Subject: "old"}, {Kind: mssp.ConsentActivate, Subject: "sim2"},
	}
	for _, c := range consents {
		c.MSISDN, c.Given, c.Expires = number, start, until // the operator's own, which always count
		must(t, w.store.PutConsent(ctx, c))
	}
	n, _ := w.notify(t, mssp.Change{Kind: mssp.NoticeAppAdded, DeviceID: "new"})
	if _, err := w.Object(ctx, n); err != nil {
		t.Fatal(err)
	}
	if _, err := w.store.Invite(ctx, code, start); !errors.Is(err, mssp.ErrInvite) {
		t.Errorf("the activation code: %v", err)
	}
	for _, c := range consents {
		if got, err := w.store.Consent(ctx, number, c.Kind, c.Subject, start); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("%s: %+v, %v", c.Kind, got, err)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Notices end after a day, and a wrong code finds none.
func TestByCode(t *testing.T) {
	w := newWorld(t)
	_, code := w.notify(t, mssp.Change{Kind: mssp.NoticeRecoveryCode})
	if _, err := w.ByCode(t.Context(), code+"0"); !errors.Is(err, mssp.ErrNotFound) {
		t.Error(err)
	}
	w.clock.Advance(mssp.NoticeFor)
	if _, err := w.ByCode(t.Context(), code); !errors.Is(err, mssp.ErrNotFound) {
		t.Error(err)
	}
}

// An App sees what changed after it was added, but not the change that it is itself, and
// objects if it is not new.
func TestAttackNewAppObjects(t *testing.T) {
	w := newWorld(t)
	w.notify(t, mssp.Change{Kind: mssp.NoticeRecoveryCode}) // before any App
	w.clock.Advance(time.Minute)
	old := w.enrol(t, "old")
	w.clock.Advance(25 * time.Hour)
	eve := w.enrol(t, "eve")
	n, _ := w.notify(t, mssp.Change{Kind: mssp.NoticeAppAdded, DeviceID: "eve"})
	other, _ := w.notify(t, mssp.Change{Kind: mssp.NoticeRecoveryCode})
	if list, err := w.For(t.Context(), old); err != nil || len(list) != 2 {
		t.Errorf("the old App sees %v, %v", list, err)
	}
	if list, err := w.For(t.Context(), eve); err != nil || len(list) != 1 || list[0].ID != other.ID {
		t.Errorf("the new App sees %v, %v", list, err)
	}
	for id, want := range map[string]error{other.ID: mssp.ErrTooNew, n.ID: mssp.ErrNotFound, "n?": mssp.ErrNotFound} {
		if err := w.ObjectFrom(t.Context(), eve, id); !errors.Is(err, want) {
			t.Errorf("%s: %v", id, err)
		}
	}
	if len(w.ended) != 0 {
		t.Error("an objection of the new App had an effect")
	}
	w.removeErr = errors.New("broken")
	if err := w.ObjectFrom(t.Context(), old, n.ID); err == nil {
		t.Error("a failure passes for an objection")
	}
	w.removeErr = nil // a failed one can be repeated
	if err := w.ObjectFrom(t.Context(), old, n.ID); err != nil || len(w.removed) != 1 || w.removed[0] != "eve" {
		t.Errorf("%v, removed %v", err, w.removed)
	}
}

// The first method of an account is announced to nobody. Without a network for texts, the
// Apps are told all the same.
func TestWhoIsTold(t *testing.T) {
	w := newWorld(t)
	w.Notify(t.Context(), mssp.Change{MSISDN: number, Kind: mssp.NoticeSIMActivated, DeviceID: "sim"})
	w.Notify(t.Context(), mssp.Change{MSISDN: "+41790000000", Kind: mssp.NoticeRecoveryCode})
	w.work.Wait()
	if len(w.texts) != 0 || len(w.shown) != 0 {
		t.Errorf("texts %v, shown %v", w.texts, w.shown)
	}
	w.textErr = mssp.ErrUnreachable
	w.notify(t, mssp.Change{Kind: mssp.NoticeAppAdded, DeviceID: "new"})
	if len(w.shown) != 1 {
		t.Errorf("shown %v", w.shown)
	}
}

// Every text fits one short message of the GSM alphabet.
func TestTexts(t *testing.T) {
	w := newWorld(t)
	for _, k := range mssp.NoticeKinds {
		for l := range questions {
			text := w.text(&mssp.Change{Kind: k, Lang: l}, newCode())
			if n, gsm := signum.GSMLength(text); !gsm || n > 160 || texts[k][l] == "" {
				t.Errorf("%s in %s: %d septets, GSM %v: %s", k, l, n, gsm, text)
			}
		}
	}
}
