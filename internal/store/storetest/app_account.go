package storetest

import (
	"errors"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func testRemoveApp(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	other, otherApp := enrol(t, s, 2)
	sub.Devices = append(sub.Devices,
		mssp.Device{ID: "app-old", Method: signum.App, State: signum.DeviceActive}, // not enrolled
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive})
	must(t, s.PutSubscriber(ctx, sub))
	for _, id := range []string{"app-9", "app-old", "sim-1", "nul\x00"} {
		wantNotFound(t, id, s.RemoveApp(ctx, id))
	}
	checkSubscriber(t, s, sub)
	checkApp(t, s, app)

	must(t, s.RemoveApp(ctx, app.DeviceID))
	noApp(t, s, app.DeviceID)
	cert := sub.Devices[0].Certificate
	sub.Devices = sub.Devices[1:]
	checkSubscriber(t, s, sub)
	got, err := s.Certificate(ctx, cert.Serial)
	must(t, err)
	same(t, cert, got)
	wantNotFound(t, "again", s.RemoveApp(ctx, app.DeviceID))
	wantNotFound(t, "update", replaceApp(ctx, s, app))
	checkSubscriber(t, s, other)
	checkApp(t, s, otherApp)
}

// If its subscriber is replaced, an App stays as long as its device does.
func testAppStays(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	_, _, err := s.TryPasscode(ctx, app.DeviceID, hash(9), nil)
	must(t, err)
	app.TriesLeft--
	sub.Serial, sub.State = "MIDCHEABCDEFGHIJ", mssp.SubscriberInactive
	sub.Devices[0].PINBlocked, sub.Devices[0].Certificate = true, issue(t, s, newCertificate(7, app.DeviceID))
	sub.Devices = append(sub.Devices, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive})
	app.Active, app.PINBlocked = false, true
	for range 2 {
		must(t, s.PutSubscriber(ctx, sub))
		checkSubscriber(t, s, sub)
		checkApp(t, s, app)
	}
	must(t, s.SetPINBlocked(ctx, app.DeviceID, false))
	renewed := issue(t, s, newCertificate(8, app.DeviceID))
	sub.Devices[0].Certificate, sub.Devices[0].PINBlocked = renewed, false
	must(t, s.PutSubscriber(ctx, sub))
	app.PINBlocked = false
	checkApp(t, s, app)

	thief := subscriber(2, sub.Devices[0])
	if err := s.PutSubscriber(ctx, thief); err == nil {
		t.Error("a device has two owners")
	}
	checkApp(t, s, app)

	back := sub.Devices[0]
	sub.Devices = sub.Devices[1:]
	must(t, s.PutSubscriber(ctx, sub))
	noApp(t, s, app.DeviceID)
	sub.Devices = append([]mssp.Device{back}, sub.Devices...)
	must(t, s.PutSubscriber(ctx, sub)) // a device, but no App
	checkSubscriber(t, s, sub)
	noApp(t, s, app.DeviceID)
}

func testRecovery(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, other := subscriber(1), subscriber(2)
	must(t, s.PutSubscriber(ctx, sub))
	must(t, s.PutSubscriber(ctx, other))
	set := func(hash []byte) {
		t.Helper()
		must(t, s.SetRecoveryHash(ctx, sub.MSISDN, hash))
		sub.RecoveryCodeCreated = len(hash) > 0
		checkSubscriber(t, s, sub)
		checkRecovery(t, s, sub.MSISDN, hash)
	}
	checkRecovery(t, s, sub.MSISDN, nil)
	set(hash(1))
	set(hash(2))
	set(nil)
	set(hash(3))

	// An account keeps the hash as long as it has a code.
	sub.Serial = "MIDCHEABCDEFGHIJ"
	must(t, s.PutSubscriber(ctx, sub))
	checkRecovery(t, s, sub.MSISDN, hash(3))
	sub.RecoveryCodeCreated = false
	must(t, s.PutSubscriber(ctx, sub))
	checkRecovery(t, s, sub.MSISDN, nil)
	sub.RecoveryCodeCreated = true // of a code whose hash is not known
	must(t, s.PutSubscriber(ctx, sub))
	checkRecovery(t, s, sub.MSISDN, nil)

	set(hash(4))
	for _, bad := range [][]byte{{1}, hash(1)[:31], append(hash(1), 0)} {
		if err := s.SetRecoveryHash(ctx, sub.MSISDN, bad); err == nil {
			t.Errorf("a hash of %d bytes: taken", len(bad))
		}
	}
	s = d.Reopen()
	checkRecovery(t, s, sub.MSISDN, hash(4))
	checkSubscriber(t, s, other)
	for _, none := range []string{"+1", "\xff"} {
		_, err := s.RecoveryHash(ctx, none)
		wantNotFound(t, "no subscriber", err)
		wantNotFound(t, "no subscriber", s.SetRecoveryHash(ctx, none, hash(1)))
		wantNotFound(t, "no subscriber", s.SetSubscriberState(ctx, none, mssp.SubscriberActive))
	}
}

func testSubscriberState(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	other, _ := enrol(t, s, 2)
	for _, state := range []mssp.SubscriberState{mssp.SubscriberInactive, mssp.SubscriberInactive, mssp.SubscriberActive} {
		must(t, s.SetSubscriberState(ctx, sub.MSISDN, state))
		sub.State, app.Active = state, state == mssp.SubscriberActive
		checkSubscriber(t, s, sub)
		checkSubscriber(t, s, other)
		checkApp(t, s, app)
	}
	for _, bad := range []mssp.SubscriberState{"", "REGISTERED"} {
		if err := s.SetSubscriberState(ctx, sub.MSISDN, bad); err == nil {
			t.Errorf("state %q: taken", bad)
		}
	}
	checkSubscriber(t, s, sub)
}

// Of many that enrol with the same code, one succeeds and the others change nothing.
func testRaceForInvite(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		sub := subscriber(round)
		must(t, s.PutSubscriber(t.Context(), sub))
		must(t, s.PutInvite(t.Context(), invite(round)))
		list := make([]*mssp.Enrolment, 30)
		errs := make([]error, len(list))
		for i := range list {
			n := 1000*(round+1) + i
			e := enrolment(n, issue(t, s, newCertificate(n, "app")))
			e.App.MSISDN, e.CodeHash, e.Serial, e.RecoveryHash = sub.MSISDN, hash(round), "S"+e.App.DeviceID, hash(n)
			list[i] = e
		}
		race(len(list), func(i int) { errs[i] = s.EnrolApp(t.Context(), list[i], after(1)) })
		for i, e := range list {
			if errs[i] != nil {
				wantNoInvite(t, "loser", errs[i])
				noApp(t, s, e.App.DeviceID)
				continue
			}
			if sub.Devices != nil {
				t.Error("two won")
			}
			sub.Serial, sub.RecoveryCodeCreated, sub.Devices = e.Serial, true, []mssp.Device{e.Device}
			checkApp(t, s, e.App)
			checkRecovery(t, s, sub.MSISDN, e.RecoveryHash)
		}
		if sub.Devices == nil {
			t.Error("nobody won")
		}
		checkSubscriber(t, s, sub)
	}
}

// Of many invites of a subscriber at the same time, one remains.
func testRaceToInvite(t *testing.T, d *database) {
	s := d.Store()
	const n = 50
	race(n, func(i int) {
		one := invite(i)
		one.MSISDN = "+41791234567"
		if err := s.PutInvite(t.Context(), one); err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	left := 0
	for i := range n {
		_, err := s.Invite(t.Context(), hash(i), start)
		if err == nil {
			left++
		} else {
			wantNoInvite(t, "forgotten", err)
		}
	}
	if left != 1 {
		t.Errorf("%d are left", left)
	}
}

// However many guess at the same time, only as many as allowed get a try, and each
// gets a different number.
func testRaceForTries(t *testing.T, d *database) {
	s := d.Store()
	_, app := enrol(t, s, 1)
	for range 5 {
		must(t, s.ResetTries(t.Context(), app.DeviceID))
		left, errs := make([]int, crowd), make([]error, crowd)
		race(crowd, func(i int) { _, left[i], errs[i] = s.TryPasscode(t.Context(), app.DeviceID, hash(9), nil) })
		must(t, errors.Join(errs...))
		told := make(map[int]int)
		for _, n := range left {
			told[n]++
		}
		want := map[int]int{-1: crowd - mssp.MaxPasscodeTries}
		for n := range mssp.MaxPasscodeTries {
			want[n] = 1
		}
		same(t, want, told)
		app.TriesLeft = 0
		checkApp(t, s, app)
	}
}

// An App can be found and stays while its subscriber is replaced.
func testRaceOfAppAndSubscriber(t *testing.T, d *database) {
	s := d.Store()
	sub, app := enrol(t, s, 1)
	race(40, func(i int) {
		var err error
		switch i % 4 {
		case 0:
			err = s.PutSubscriber(t.Context(), sub)
		case 1:
			_, _, err = s.TryPasscode(t.Context(), app.DeviceID, hash(9), nil)
		case 2:
			err = replaceApp(t.Context(), s, app)
		case 3:
			err = s.SetSubscriberState(t.Context(), sub.MSISDN, mssp.SubscriberActive)
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	app.TriesLeft = 0
	checkApp(t, s, app)
	checkSubscriber(t, s, sub)
}
