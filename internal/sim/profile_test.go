package sim

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// styled sends with a style.
func styled(s group.Style) func(*Config) {
	return func(c *Config) {
		send := c.Send
		c.Send = func(ctx context.Context, f func(*group.Route) error) error {
			return send(ctx, func(r *group.Route) error {
				styled := *r
				styled.Name, styled.Style = "north", &s
				return f(&styled)
			})
		}
	}
}

// A card is reached as its profile says: applet, service number, key set of KID,
// validity. Its answer is accepted with these, too.
func TestProfile(t *testing.T) {
	number := smpp.Address{TON: 3, Addr: "555"}
	profiles := map[string]Profile{
		"contactless": {TAR: scp80.TAR{0xB0, 0x00, 0x10}, ServiceAddress: number, KIDKeySet: 7, MaxValidity: 20 * time.Second},
		"plain":       {},
	}
	for _, tt := range []struct {
		profile string
		tar     scp80.TAR
		kidSet  byte
		want    smpp.SubmitSM
	}{
		{"contactless", profiles["contactless"].TAR, 7, smpp.SubmitSM{Source: number, Validity: smpp.RelativeTime(20 * time.Second)}},
		{"plain", scp80.TAR{}, 0, smpp.SubmitSM{Source: service, Validity: smpp.RelativeTime(57 * time.Second)}},
		{"default", scp80.TAR{}, 0, smpp.SubmitSM{Source: service, Validity: smpp.RelativeTime(57 * time.Second)}},
		{"", scp80.TAR{}, 0, smpp.SubmitSM{Source: service, Validity: smpp.RelativeTime(57 * time.Second)}},
	} {
		t.Run(tt.profile, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				w.profile(f, tt.profile)
				f.tar, f.kidSet = tt.tar, tt.kidSet
				r := w.request(f, mssp.OpSign, "1", text)
				r.Expires = time.Now().Add(time.Minute)
				w.ask(r)
				pass(30 * time.Second)
				if a := w.one(); a.Fault != nil || len(a.Signature) == 0 {
					t.Errorf("answer %+v", a)
				}
				m := w.net.sent[0]
				if m.Source != tt.want.Source || m.Validity != tt.want.Validity {
					t.Errorf("from %+v for %s", m.Source, m.Validity)
				}
				cmd, err := scp80.OpenCommand(m.ShortMessage[3:], f.keys)
				if err != nil || cmd.Params != f.params() {
					t.Errorf("%+v, %v", cmd, err)
				}
			}, func(c *Config) { c.Profiles = profiles })
		})
	}
}

// The waiting times are those of the profile, and what it does not say is that of all.
func TestProfileRetry(t *testing.T) {
	run(t, func(w *world) {
		slow, usual := w.card(ecKey), w.card(ecKey)
		w.profile(slow, "slow")
		slow.deaf, usual.deaf = true, true
		for _, f := range []*fakeCard{slow, usual} {
			r := w.request(f, mssp.OpSign, f.iccid, text)
			r.Expires = time.Now().Add(2 * time.Minute)
			w.ask(r)
		}
		pass(59 * time.Second)
		sent := map[string]int{}
		for _, m := range w.net.sent {
			sent["+"+m.Dest.Addr]++
		}
		if sent[slow.msisdn] != 2 || sent[usual.msisdn] != 8 { // at 0 and 45 s; every 8 s
			t.Errorf("%d to the slow card, %d to the usual one", sent[slow.msisdn], sent[usual.msisdn])
		}
	}, func(c *Config) {
		c.Profiles = map[string]Profile{"slow": {Retry: Retry{Silence: 45 * time.Second}}}
	})
}

// Settings that change apply to new requests; one on the way is repeated as it began.
func TestSet(t *testing.T) {
	run(t, func(w *world) {
		before, after := w.card(ecKey), w.card(ecKey)
		before.deaf, after.deaf = true, true
		w.ask(w.request(before, mssp.OpSign, "1", text))
		pass(time.Second)
		w.ch.Set(Settings{Retry: Retry{Silence: 40 * time.Second}})
		w.ask(w.request(after, mssp.OpSign, "2", text))
		pass(58 * time.Second)
		sent := map[string]int{}
		for _, m := range w.net.sent {
			sent["+"+m.Dest.Addr]++
		}
		if sent[before.msisdn] != 8 || sent[after.msisdn] != 2 { // every 8 s; at 1 and 41 s
			t.Errorf("%d to the card that was asked before, %d to the other one", sent[before.msisdn], sent[after.msisdn])
		}
	})
}

// A card with a profile that the configuration does not have is not the network's fault:
// its requests fail in the service, and what it sends is kept by the SMSC.
func TestUnknownProfile(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		w.ask(w.request(f, mssp.OpSign, "1", text)) // its reply is on the way when the profile goes
		w.profile(f, "gone")
		pass(time.Second)
		if st := w.net.status; len(st) == 0 || st[0] != postponed {
			t.Errorf("answers to the SMSC: %v", st)
		}
		err := w.ch.Send(ctx, w.request(f, mssp.OpSign, "2", text))
		if err == nil || errors.Is(err, mssp.ErrUnreachable) || !strings.Contains(err.Error(), `has the profile "gone", which is not in sim.card_profiles`) {
			t.Error(err)
		}
	})
	run(t, func(w *world) { // between two attempts
		f := w.card(ecKey)
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "1", text))
		pass(time.Second)
		w.profile(f, "gone")
		pass(time.Minute)
		w.code(signum.InternalError)
	})
}

// profile gives a card a profile.
func (w *world) profile(f *fakeCard, name string) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	w.store.cards[f.msisdn].Profile = name
}
