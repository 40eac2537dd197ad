package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// hash returns the nth of several hashes with the length of a SHA-256.
func hash(n int) []byte {
	h := mssp.PinOf(fmt.Append(nil, n))
	return h[:]
}

// invite returns an invite with the nth code for the nth subscriber.
func invite(n int) *mssp.Invite {
	return &mssp.Invite{CodeHash: hash(n), MSISDN: subscriber(n).MSISDN, Created: start, Expires: after(900)}
}

// enrolment returns the enrolment of the nth App by the nth subscriber, with the nth
// code and this certificate.
func enrolment(n int, c *mssp.Certificate) *mssp.Enrolment {
	id := fmt.Sprintf("app-%d", n)
	return &mssp.Enrolment{
		CodeHash: hash(n),
		App: &mssp.AppDevice{
			DeviceID:     id,
			MSISDN:       subscriber(n).MSISDN,
			AuthKey:      []byte{0x30, 0x59, 0x00, byte(n)},
			VerifierHash: hash(1000 + n),
			Share:        []byte{0xff, 0x00, byte(n)},
			TriesLeft:    mssp.MaxPasscodeTries,
			Name:         "Müllers Telefon <&>",
			Version:      "1.0",
			Platform:     "web",
			Enrolled:     start,
			LastSeen:     after(1),
			Active:       true,
		},
		Device: mssp.Device{ID: id, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC, Certificate: c},
	}
}

// enrol puts the nth subscriber, without devices, and enrols the nth App.
func enrol(t *testing.T, s mssp.Store, n int) (*mssp.Subscriber, *mssp.AppDevice) {
	t.Helper()
	sub := subscriber(n)
	e := enrolment(n, issue(t, s, newCertificate(n, fmt.Sprintf("app-%d", n))))
	must(t, s.PutSubscriber(t.Context(), sub))
	must(t, s.PutInvite(t.Context(), invite(n)))
	must(t, s.EnrolApp(t.Context(), e, after(1)))
	sub.Devices = []mssp.Device{e.Device}
	return sub, e.App
}

func checkApp(t *testing.T, s mssp.Store, want *mssp.AppDevice) {
	t.Helper()
	got, err := s.App(t.Context(), want.DeviceID)
	must(t, err)
	same(t, want, got)
}

func noApp(t *testing.T, s mssp.Store, id string) {
	t.Helper()
	_, err := s.App(t.Context(), id)
	wantNotFound(t, "app "+id, err)
}

func checkInvite(t *testing.T, s mssp.Store, want *mssp.Invite, now time.Time) {
	t.Helper()
	got, err := s.Invite(t.Context(), want.CodeHash, now)
	must(t, err)
	same(t, want, got)
}

func wantNoInvite(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, mssp.ErrInvite) {
		t.Errorf("%s: %v, want ErrInvite", what, err)
	}
}

func noInvite(t *testing.T, s mssp.Store, n int, now time.Time) {
	t.Helper()
	_, err := s.Invite(t.Context(), hash(n), now)
	wantNoInvite(t, fmt.Sprint("invite ", n), err)
}

func checkRecovery(t *testing.T, s mssp.Store, msisdn string, want []byte) {
	t.Helper()
	got, err := s.RecoveryHash(t.Context(), msisdn)
	must(t, err)
	if !bytes.Equal(want, got) || (got == nil) != (len(want) == 0) {
		t.Errorf("recovery hash %x, want %x", got, want)
	}
}

func testInvite(t *testing.T, d *database) {
	s := d.Store()
	noInvite(t, s, 1, start)
	first, other := invite(1), invite(2)
	first.Trusted = true
	must(t, s.PutInvite(t.Context(), first))
	must(t, s.PutInvite(t.Context(), other))
	checkInvite(t, s, first, start)
	checkInvite(t, s, first, first.Expires.Add(-time.Microsecond))
	checkInvite(t, s, other, after(5))
	noInvite(t, s, 1, first.Expires)
	noInvite(t, s, 1, after(10_000))

	// The next one replaces it, and no other subscriber's.
	next := invite(3)
	next.MSISDN, next.Created, next.Expires = first.MSISDN, after(60), after(960)
	must(t, s.PutInvite(t.Context(), next))
	noInvite(t, s, 1, start)
	checkInvite(t, s, next, start)
	checkInvite(t, s, other, start)
	must(t, s.PutInvite(t.Context(), next))
	checkInvite(t, d.Reopen(), next, start)
}

// An expired invite is deleted when another one is added.
func testInvitePurge(t *testing.T, d *database) {
	s := d.Store()
	for n := range 250 {
		i := invite(n)
		i.Expires = after(n)
		must(t, s.PutInvite(t.Context(), i))
	}
	late := invite(1000)
	late.Created = after(200)
	for range 3 {
		must(t, s.PutInvite(t.Context(), late))
	}
	checkInvite(t, s, late, start)
	for n := range 250 {
		_, err := s.Invite(t.Context(), hash(n), start.Add(-time.Hour))
		if gone := errors.Is(err, mssp.ErrInvite); gone != (n <= 200) {
			t.Errorf("the invite that expires at %d: %v", n, err)
		}
	}
}

func testInviteRefused(t *testing.T, d *database) {
	s := d.Store()
	must(t, s.PutInvite(t.Context(), invite(1)))
	must(t, s.PutInvite(t.Context(), invite(2)))
	for name, change := range map[string]func(*mssp.Invite){
		"another's code": func(i *mssp.Invite) { i.CodeHash = hash(2) },
		"no hash":        func(i *mssp.Invite) { i.CodeHash = nil },
		"short hash":     func(i *mssp.Invite) { i.CodeHash = hash(3)[:31] },
		"MSISDN":         func(i *mssp.Invite) { i.MSISDN = "\xff" },
	} {
		i := invite(1)
		i.Trusted, i.Created = true, after(5000)
		change(i)
		if err := s.PutInvite(t.Context(), i); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	checkInvite(t, s, invite(1), start)
	checkInvite(t, s, invite(2), start)
	for _, odd := range [][]byte{nil, {}, {0}, []byte("'; DROP TABLE invites; --")} {
		_, err := s.Invite(t.Context(), odd, start)
		wantNoInvite(t, fmt.Sprintf("%q", odd), err)
	}
}

func testEnrol(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	noApp(t, s, "app-1")
	noApp(t, s, "nul\x00")
	sub, app := enrol(t, s, 1)
	checkSubscriber(t, s, sub)
	checkApp(t, s, app)
	checkRecovery(t, s, sub.MSISDN, nil)
	noInvite(t, s, 1, start)

	// A second App of the same account, which gets a serial and a recovery code.
	second := enrolment(2, issue(t, s, newCertificate(2, "app-2")))
	second.App.MSISDN, second.Serial, second.RecoveryHash = sub.MSISDN, "MIDCHENEWSERIAL0", hash(77)
	second.App.TriesLeft = 0 // ignored: an App starts with all its tries
	second.App.Push = &mssp.PushSubscription{Endpoint: "https://push.example/é<&>", P256DH: []byte{4, 0, 255}, Auth: []byte{1}}
	second.App.Passkeys = []mssp.Passkey{{ID: []byte{1}, PublicKey: []byte{2}, SignCount: 1<<32 - 1}, {ID: []byte{0}}}
	i := invite(2)
	i.MSISDN = sub.MSISDN
	must(t, s.PutInvite(ctx, i))
	must(t, s.EnrolApp(ctx, second, after(2)))
	second.App.TriesLeft = mssp.MaxPasscodeTries
	end(&sub.Devices[0], mssp.EndedByEnrolment, after(2)) // its certificate names the old serial
	app.Active = false
	sub.Serial, sub.RecoveryCodeCreated, sub.Devices = second.Serial, true, append(sub.Devices, second.Device)
	for range 2 {
		checkSubscriber(t, s, sub)
		checkApp(t, s, app)
		checkApp(t, s, second.App)
		checkRecovery(t, s, sub.MSISDN, hash(77))
		s = d.Reopen()
	}

	// A third App changes neither. Its certificate need only be intended.
	intended := newCertificate(3, "app-3")
	must(t, s.IntendCertificate(ctx, intended))
	third := enrolment(3, &mssp.Certificate{Serial: intended.Serial})
	third.App.MSISDN = sub.MSISDN
	i = invite(3)
	i.MSISDN = sub.MSISDN
	must(t, s.PutInvite(ctx, i))
	must(t, s.EnrolApp(ctx, third, after(3)))
	third.Device.Certificate = good(intended, nil)
	third.Device.Certificate.State = mssp.CertificateIntended
	sub.Devices = append(sub.Devices, third.Device)
	checkSubscriber(t, s, sub)
	checkRecovery(t, s, sub.MSISDN, hash(77))
}

// An enrolment that is refused changes nothing; the invite stays valid.
func testEnrolRefused(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub := subscriber(1, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive})
	stranger := subscriber(2)
	must(t, s.PutSubscriber(ctx, sub))
	must(t, s.PutSubscriber(ctx, stranger))
	must(t, s.PutInvite(ctx, invite(1)))
	must(t, s.PutInvite(ctx, invite(3))) // for a subscriber that does not exist
	cert := issue(t, s, newCertificate(1, "app-1"))
	anything := errors.New("any")
	for name, test := range map[string]struct {
		want   error
		change func(*mssp.Enrolment)
	}{
		"unknown code":        {mssp.ErrInvite, func(e *mssp.Enrolment) { e.CodeHash = hash(9) }},
		"no code":             {mssp.ErrInvite, func(e *mssp.Enrolment) { e.CodeHash = nil }},
		"another's code":      {mssp.ErrInvite, func(e *mssp.Enrolment) { e.App.MSISDN = stranger.MSISDN }},
		"no subscriber":       {mssp.ErrNotFound, func(e *mssp.Enrolment) { e.CodeHash, e.App.MSISDN = hash(3), invite(3).MSISDN }},
		"unknown certificate": {mssp.ErrNotFound, func(e *mssp.Enrolment) { e.Device.Certificate.Serial = "ffff" }},
		"device taken":        {anything, func(e *mssp.Enrolment) { e.App.DeviceID, e.Device.ID = "sim-1", "sim-1" }},
		"two devices":         {anything, func(e *mssp.Enrolment) { e.Device.ID = "app-2" }},
		"a SIM":               {anything, func(e *mssp.Enrolment) { e.Device.Method = signum.SIM }},
		"odd state":           {anything, func(e *mssp.Enrolment) { e.Device.State = "odd" }},
		"no key":              {anything, func(e *mssp.Enrolment) { e.App.AuthKey = nil }},
		"no share":            {anything, func(e *mssp.Enrolment) { e.App.Share = []byte{} }},
		"no verifier":         {anything, func(e *mssp.Enrolment) { e.App.VerifierHash = nil }},
		"short recovery hash": {anything, func(e *mssp.Enrolment) { e.RecoveryHash = hash(1)[1:] }},
		"device ID":           {anything, func(e *mssp.Enrolment) { e.App.DeviceID, e.Device.ID = "\xff", "\xff" }},
		"MSISDN":              {anything, func(e *mssp.Enrolment) { e.App.MSISDN = "\xff" }},
		"serial":              {anything, func(e *mssp.Enrolment) { e.Serial = "\xff" }},
		"name":                {anything, func(e *mssp.Enrolment) { e.App.Name = "nul\x00" }},
		"endpoint":            {anything, func(e *mssp.Enrolment) { e.App.Push = &mssp.PushSubscription{Endpoint: "\xff"} }},
	} {
		e := enrolment(1, &mssp.Certificate{Serial: cert.Serial})
		e.Serial, e.RecoveryHash = "MIDCHEOTHER00000", hash(5)
		test.change(e)
		err := s.EnrolApp(ctx, e, after(1))
		if err == nil || test.want != anything && !errors.Is(err, test.want) {
			t.Errorf("%s: %v, want %v", name, err, test.want)
		}
		checkSubscriber(t, s, sub)
		checkSubscriber(t, s, stranger)
		checkRecovery(t, s, sub.MSISDN, nil)
		checkInvite(t, s, invite(1), after(1))
		noApp(t, s, e.App.DeviceID)
	}
	e := enrolment(1, cert)
	wantNoInvite(t, "too late", s.EnrolApp(ctx, e, invite(1).Expires))
	must(t, s.EnrolApp(ctx, e, after(1)))
	wantNoInvite(t, "a second time", s.EnrolApp(ctx, e, after(1)))
	sub.Devices = []mssp.Device{e.Device, sub.Devices[0]}
	checkSubscriber(t, s, sub)
	checkApp(t, s, e.App)
}

// replaceApp copies everything that an update may change from another App.
func replaceApp(ctx context.Context, s mssp.Store, to *mssp.AppDevice) error {
	return s.UpdateApp(ctx, to.DeviceID, func(a *mssp.AppDevice) error {
		*a = *to
		return nil
	})
}

func testUpdateApp(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	_, other := enrol(t, s, 2)
	_, left, err := s.TryPasscode(ctx, app.DeviceID, hash(9), nil)
	must(t, err)
	app.TriesLeft = left

	// The function gets the current row. Changes of other fields are lost.
	must(t, s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error {
		same(t, app, a)
		a.DeviceID, a.MSISDN, a.AuthKey, a.Share, a.TriesLeft, a.Enrolled = "app-2", "+1", []byte{1}, []byte{2}, 99, after(99)
		return nil
	}))
	checkApp(t, s, app)

	app.VerifierHash, app.Name, app.Version, app.Platform, app.LastSeen = hash(8), "é", "2", "ios", after(7)
	app.Push = &mssp.PushSubscription{Endpoint: "https://push.example", P256DH: []byte{1}, Auth: []byte{2}}
	app.Passkeys = []mssp.Passkey{{ID: []byte{1, 0}, PublicKey: []byte{2}, SignCount: 3, Added: start, Used: after(3)}}
	app.Unlocked = verification("h000001")
	must(t, replaceApp(ctx, s, app))
	checkApp(t, s, app)
	app.Push, app.Passkeys, app.Unlocked = &mssp.PushSubscription{}, nil, nil
	must(t, replaceApp(ctx, s, app))
	checkApp(t, s, app)
	app.Push, app.PushEnd = nil, &mssp.PushEnd{Reason: mssp.PushRefused, At: after(8), Endpoint: hash(7)}
	must(t, replaceApp(ctx, s, app))
	checkApp(t, d.Reopen(), app)
	s = d.Store()
	app.PushEnd = nil
	must(t, replaceApp(ctx, s, app))
	checkApp(t, d.Reopen(), app)
	s = d.Store()

	for name, change := range map[string]func(*mssp.AppDevice){
		"verifier": func(a *mssp.AppDevice) { a.VerifierHash = a.VerifierHash[1:] },
		"name":     func(a *mssp.AppDevice) { a.Name = "\xff" },
		"version":  func(a *mssp.AppDevice) { a.Version = "\xff" },
		"platform": func(a *mssp.AppDevice) { a.Platform = "nul\x00" },
		"push":     func(a *mssp.AppDevice) { a.Push = &mssp.PushSubscription{Endpoint: "\xff"} },
		"push end": func(a *mssp.AppDevice) { a.PushEnd = &mssp.PushEnd{Reason: "\xff"} },
	} {
		bad := *app
		bad.LastSeen = after(500)
		change(&bad)
		if err := replaceApp(ctx, s, &bad); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, id := range []string{"app-9", "nul\x00"} {
		none := *app
		none.DeviceID = id
		wantNotFound(t, "no app", replaceApp(ctx, s, &none))
	}
	checkApp(t, s, app)
	checkApp(t, s, other)
	checkSubscriber(t, s, sub)
}

func testTries(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, app := enrol(t, s, 1)
	_, other := enrol(t, s, 2)
	try := func(h []byte, right bool, want int) {
		t.Helper()
		got, left, err := s.TryPasscode(ctx, app.DeviceID, h, nil)
		if err != nil || got != right || left != want {
			t.Errorf("TryPasscode = %t, %d, %v, want %t, %d", got, left, err, right, want)
		}
		app.TriesLeft = max(want, 0)
		checkApp(t, s, app)
	}
	wrong := other.VerifierHash
	for range 2 {
		for left := mssp.MaxPasscodeTries - 1; left >= 0; left-- {
			try(wrong, false, left)
		}
		try(wrong, false, -1)
		try(app.VerifierHash, false, -1)
		must(t, s.ResetTries(ctx, app.DeviceID))
		app.TriesLeft = mssp.MaxPasscodeTries
		checkApp(t, s, app)
	}
	try(wrong, false, mssp.MaxPasscodeTries-1)
	s = d.Reopen()
	try(app.VerifierHash, true, mssp.MaxPasscodeTries)
	try(wrong, false, mssp.MaxPasscodeTries-1)
	for _, h := range [][]byte{nil, wrong[1:]} {
		if _, _, err := s.TryPasscode(ctx, app.DeviceID, h, nil); err == nil {
			t.Errorf("%d bytes: taken", len(h))
		}
	}
	former := app.VerifierHash
	app.VerifierHash = hash(8)
	must(t, replaceApp(ctx, s, app))
	try(former, false, mssp.MaxPasscodeTries-2)
	try(app.VerifierHash, true, mssp.MaxPasscodeTries)
	checkApp(t, s, other)
	for _, id := range []string{"app-9", "\xff"} {
		right, left, err := s.TryPasscode(ctx, id, app.VerifierHash, nil)
		wantNotFound(t, "no app to try", err)
		if right || left != -1 {
			t.Errorf("no app: %t, %d tries left", right, left)
		}
		wantNotFound(t, "no app to reset", s.ResetTries(ctx, id))
	}
}
