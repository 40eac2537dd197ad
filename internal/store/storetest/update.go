package storetest

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// If its function fails, an update writes nothing and returns the error. If its
// function panics, the update panics, and other writes are not affected.
func testUpdateRefused(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	party := &mssp.Party{ID: "p", DefaultLang: "fr"}
	must(t, s.PutParty(ctx, party))
	no := errors.New("no")
	for _, f := range []func() error{
		func() error { return no },
		func() error { panic("no") },
	} {
		for name, update := range map[string]func() error{
			"app": func() error {
				return s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error { a.Name = "other"; return f() })
			},
			"party": func() error {
				return s.UpdateParty(ctx, "p", func(p *mssp.Party) error { p.DefaultLang = "it"; return f() })
			},
			"subscriber": func() error {
				return s.UpdateSubscriber(ctx, sub.MSISDN, func(s *mssp.Subscriber) error { s.Devices = nil; return f() })
			},
		} {
			var panicked any
			err := func() (err error) {
				defer func() { panicked = recover() }()
				return update()
			}()
			if panicked == nil && err != no {
				t.Errorf("%s: %v", name, err)
			}
			// A store that calls the function itself lets its panic pass; its stack is that of the
			// caller.
			if panicked != nil && panicked != "no" && !strings.Contains(fmt.Sprint(panicked), "testUpdateRefused") {
				t.Errorf("%s: a panic without the stack of the function: %v", name, panicked)
			}
		}
	}
	checkApp(t, s, app)
	checkSubscriber(t, s, sub)
	got, err := s.Party(ctx, "p")
	must(t, err)
	same(t, party, got)
}

func testUpdateParty(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	wantNotFound(t, "no party", s.UpdateParty(ctx, "p", func(*mssp.Party) error { return nil }))
	wantNotFound(t, "no key", s.UpdateParty(ctx, "\xff", func(*mssp.Party) error { return nil }))
	p := &mssp.Party{ID: "p", DTBDPrefix: "Bank: ", Pins: []mssp.Pin{{1}}, Profiles: []string{signum.ProfileSTK}, AutoActivation: true}
	must(t, s.PutParty(ctx, p))
	_, err := s.Party(ctx, "p") // so that it is cached
	must(t, err)
	must(t, s.UpdateParty(ctx, "p", func(now *mssp.Party) error {
		same(t, p, now)
		now.ID, now.Pins, now.TestNumbers = "q", append(now.Pins, mssp.Pin{2}), true
		return nil
	}))
	p.Pins, p.TestNumbers = append(p.Pins, mssp.Pin{2}), true
	got, err := s.Party(ctx, "p")
	must(t, err)
	same(t, p, got)
	if err := s.UpdateParty(ctx, "p", func(p *mssp.Party) error { p.DTBDPrefix = "\xff"; return nil }); err == nil {
		t.Error("text that cannot be kept was taken")
	}
	got, err = d.Reopen().Party(ctx, "p")
	must(t, err)
	same(t, p, got)
}

func testUpdateSubscriber(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	wantNotFound(t, "no subscriber", s.UpdateSubscriber(ctx, "+1", func(*mssp.Subscriber) error { return nil }))
	wantNotFound(t, "no key", s.UpdateSubscriber(ctx, "\xff", func(*mssp.Subscriber) error { return nil }))
	sub, app := enrol(t, s, 1)
	other, _ := enrol(t, s, 2)
	sim := mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC}
	must(t, s.UpdateSubscriber(ctx, sub.MSISDN, func(now *mssp.Subscriber) error {
		same(t, sub, now)
		now.MSISDN, now.Devices = other.MSISDN, append(now.Devices, sim)
		return nil
	}))
	sub.Devices = append(sub.Devices, sim)
	checkSubscriber(t, s, sub)
	checkSubscriber(t, s, other)
	checkApp(t, s, app)
	for name, change := range map[string]func(*mssp.Subscriber){
		"another's device": func(s *mssp.Subscriber) { s.Devices[1].ID = "app-2" },
		"no such state":    func(s *mssp.Subscriber) { s.State = "" },
	} {
		if err := s.UpdateSubscriber(ctx, sub.MSISDN, func(s *mssp.Subscriber) error { change(s); return nil }); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	must(t, s.UpdateSubscriber(ctx, sub.MSISDN, func(s *mssp.Subscriber) error { s.Devices = s.Devices[1:]; return nil }))
	sub.Devices = sub.Devices[1:]
	checkSubscriber(t, d.Reopen(), sub)
	noApp(t, d.Store(), app.DeviceID)
}

// Two nodes change different fields of the same rows at the same time. All changes are
// kept.
func testRaceOfUpdates(t *testing.T, d *database) {
	a, b, ctx := d.Store(), d.Second(), t.Context()
	sub, app := enrol(t, a, 1)
	must(t, a.PutParty(ctx, &mssp.Party{ID: "p"}))
	must(t, a.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error {
		a.Passkeys = []mssp.Passkey{{ID: []byte{1}, PublicKey: []byte{2}}}
		return nil
	}))
	const rounds = 60 // of each kind
	kinds := []func(mssp.Store, int) error{
		func(s mssp.Store, i int) error { // the heartbeat
			return s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error { a.LastSeen = a.LastSeen.Add(1e9); return nil })
		},
		func(s mssp.Store, i int) error { // the passcode
			return s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error { a.VerifierHash = hash(200); return nil })
		},
		func(s mssp.Store, i int) error { // the use of a passkey
			return s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error { a.Passkeys[0].SignCount++; return nil })
		},
		func(s mssp.Store, i int) error { // the push subscription
			return s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error {
				if a.Push == nil {
					a.Push = new(mssp.PushSubscription)
				}
				a.Push.Endpoint += "x"
				return nil
			})
		},
		func(s mssp.Store, i int) error { // a pin
			return s.UpdateParty(ctx, "p", func(p *mssp.Party) error { p.Pins = append(p.Pins, mssp.Pin{byte(i)}); return nil })
		},
		func(s mssp.Store, i int) error { // a service
			return s.UpdateParty(ctx, "p", func(p *mssp.Party) error { p.Services = append(p.Services, fmt.Sprint(i)); return nil })
		},
		func(s mssp.Store, i int) error { // a SIM
			d := mssp.Device{ID: fmt.Sprintf("sim-%03d", i), Method: signum.SIM, State: signum.DeviceRegistered}
			return s.UpdateSubscriber(ctx, sub.MSISDN, func(s *mssp.Subscriber) error { s.Devices = append(s.Devices, d); return nil })
		},
	}
	race(rounds*len(kinds), func(i int) {
		s := a
		if i/len(kinds)%2 == 0 {
			s = b
		}
		if err := kinds[i%len(kinds)](s, i/len(kinds)); err != nil {
			t.Errorf("kind %d: %v", i%len(kinds), err)
		}
	})
	app.LastSeen = app.LastSeen.Add(rounds * 1e9)
	app.VerifierHash = hash(200)
	app.Passkeys = []mssp.Passkey{{ID: []byte{1}, PublicKey: []byte{2}, SignCount: rounds}}
	app.Push = &mssp.PushSubscription{Endpoint: strings.Repeat("x", rounds)}
	s := d.Reopen()
	checkApp(t, s, app)
	p, err := s.Party(ctx, "p")
	must(t, err)
	account, err := s.Subscriber(ctx, sub.MSISDN)
	must(t, err)
	if len(p.Pins) != rounds || len(p.Services) != rounds || len(account.Devices) != 1+rounds {
		t.Errorf("%d pins, %d services, %d devices: updates were lost", len(p.Pins), len(p.Services), len(account.Devices))
	}
}

// An App that is enrolled on one node while another node updates the account stays.
func testRaceOfUpdateAndEnrolment(t *testing.T, d *database) {
	a, b, ctx := d.Store(), d.Second(), t.Context()
	for n := range 10 {
		sub := subscriber(n)
		e := enrolment(n, issue(t, a, newCertificate(n, fmt.Sprintf("app-%d", n))))
		must(t, a.PutSubscriber(ctx, sub))
		must(t, a.PutInvite(ctx, invite(n)))
		race(20, func(i int) {
			var err error
			if i == 10 {
				err = a.EnrolApp(ctx, e, after(1))
			} else {
				err = b.UpdateSubscriber(ctx, sub.MSISDN, func(s *mssp.Subscriber) error { s.Serial = "S"; return nil })
			}
			if err != nil {
				t.Errorf("%d: %v", i, err)
			}
		})
		sub.Serial, sub.Devices = "S", []mssp.Device{e.Device}
		checkSubscriber(t, a, sub)
		checkApp(t, b, e.App)
	}
}

func testRenewDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	old := sub.Devices[0].Certificate.Serial
	next := issue(t, s, newCertificate(2, app.DeviceID))
	renew := func(device, from, to string, want bool) {
		t.Helper()
		got, err := s.RenewDevice(ctx, device, from, to)
		must(t, err)
		same(t, want, got)
	}
	renew("app-9", old, next.Serial, false)
	renew("\xff", old, next.Serial, false)
	renew(app.DeviceID, next.Serial, old, false)
	renew(app.DeviceID, old, "ffff", false)
	checkSubscriber(t, s, sub)
	renew(app.DeviceID, old, next.Serial, true)
	sub.Devices[0].Certificate = next
	checkSubscriber(t, s, sub)
	renew(app.DeviceID, old, next.Serial, false)
	must(t, s.EndDevice(ctx, app.DeviceID, mssp.EndedByUser, start))
	renew(app.DeviceID, next.Serial, old, false)
	end(&sub.Devices[0], mssp.EndedByUser, start)
	checkSubscriber(t, d.Reopen(), sub)
}

// Of several nodes that renew the certificate of a device, one succeeds.
func testRaceToRenew(t *testing.T, d *database) {
	a, b, ctx := d.Store(), d.Second(), t.Context()
	sub, app := enrol(t, a, 1)
	old := sub.Devices[0].Certificate.Serial
	const nodes = 20
	certs, won := make([]*mssp.Certificate, nodes), make([]bool, nodes)
	for i := range certs {
		certs[i] = issue(t, a, newCertificate(100+i, app.DeviceID))
	}
	race(nodes, func(i int) {
		s, err := a, error(nil)
		if i%2 == 0 {
			s = b
		}
		if won[i], err = s.RenewDevice(ctx, app.DeviceID, old, certs[i].Serial); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	winners := 0
	for i := range won {
		if won[i] {
			winners++
			sub.Devices[0].Certificate = certs[i]
		}
	}
	same(t, 1, winners)
	checkSubscriber(t, a, sub)
}
