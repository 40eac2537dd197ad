package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// consent returns a consent of the nth subscriber, which its App signed at start.
func consent(n int, k mssp.ConsentKind, subject string) *mssp.Consent {
	return &mssp.Consent{MSISDN: subscriber(n).MSISDN, Kind: k, Subject: subject, DeviceID: enrolment(n, nil).App.DeviceID,
		TransID: NewTransaction(n).ID, Given: start, Expires: start.Add(mssp.ConsentFor)}
}

// checkConsent demands that a consent is there, and stays.
func checkConsent(t *testing.T, s mssp.Store, want *mssp.Consent, now time.Time) {
	t.Helper()
	for range 2 {
		got, err := s.Consent(t.Context(), want.MSISDN, want.Kind, want.Subject, now)
		must(t, err)
		same(t, want, got)
	}
}

func takeConsent(t *testing.T, s mssp.Store, c *mssp.Consent, now time.Time) (*mssp.Consent, error) {
	return s.TakeConsent(t.Context(), c.MSISDN, c.Kind, c.Subject, now)
}

func noConsent(t *testing.T, s mssp.Store, c *mssp.Consent, now time.Time) {
	t.Helper()
	_, err := s.Consent(t.Context(), c.MSISDN, c.Kind, c.Subject, now)
	wantNotFound(t, "consent", err)
	_, err = takeConsent(t, s, c, now)
	wantNotFound(t, "take consent", err)
}

func testVoidChanges(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	enrol(t, s, 1)
	_, app := enrol(t, s, 2)
	all := func(n int) []*mssp.Consent {
		return []*mssp.Consent{consent(n, mssp.ConsentActivate, "sim-1"), consent(n, mssp.ConsentRemove, "sim-1"), consent(n, mssp.ConsentAddApp, ""), consent(n, mssp.ConsentRecovery, "")}
	}
	for n := 1; n <= 2; n++ {
		must(t, s.PutInvite(ctx, invite(n)))
		for _, c := range all(n) {
			must(t, s.PutConsent(ctx, c))
		}
	}
	for _, number := range []string{subscriber(1).MSISDN, subscriber(1).MSISDN, "+419", "\xff"} {
		must(t, s.VoidChanges(ctx, number))
	}
	s = d.Reopen()
	if _, err := s.Invite(ctx, invite(1).CodeHash, start); !errors.Is(err, mssp.ErrInvite) {
		t.Errorf("the invite: %v", err)
	}
	for _, c := range all(1) {
		noConsent(t, s, c, start)
	}
	checkInvite(t, s, invite(2), start)
	for _, c := range all(2) {
		checkConsent(t, s, c, start)
	}
	checkApp(t, s, app)
}

func testConsent(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, app := enrol(t, s, 1)
	enrol(t, s, 2)
	one := consent(1, mssp.ConsentActivate, "sim-1")
	noConsent(t, s, one, start)
	others := []*mssp.Consent{
		consent(1, mssp.ConsentActivate, "sim-2"), consent(1, mssp.ConsentRemove, "sim-1"),
		consent(1, mssp.ConsentAddApp, ""), consent(1, mssp.ConsentRecovery, ""), consent(2, mssp.ConsentActivate, "sim-1"),
	}
	for _, c := range others {
		must(t, s.PutConsent(ctx, c))
	}
	noConsent(t, s, one, start)
	must(t, s.PutConsent(ctx, one))
	checkConsent(t, s, one, start)
	checkConsent(t, s, one, one.Expires.Add(-time.Microsecond))
	noConsent(t, s, one, one.Expires)

	// The next one replaces it.
	next := consent(1, one.Kind, one.Subject)
	next.TransID, next.Given, next.Expires = "h000099", after(60), after(120)
	must(t, s.PutConsent(ctx, next))
	s = d.Reopen()
	checkConsent(t, s, next, after(61))

	got, err := takeConsent(t, s, next, after(61))
	must(t, err)
	same(t, next, got)
	noConsent(t, s, next, after(61))
	for _, c := range others {
		checkConsent(t, s, c, after(61))
	}

	// Nobody signed this one: it does not depend on a device.
	bare := consent(1, mssp.ConsentActivate, "sim-1")
	bare.DeviceID, bare.TransID = "", ""
	must(t, s.PutConsent(ctx, bare))
	must(t, s.RemoveApp(ctx, app.DeviceID))
	checkConsent(t, s, bare, start)
	noConsent(t, s, others[0], start)
}

// A consent counts only as long as the device that signed it could sign again.
func testConsentOfDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for n, end := range []func(*mssp.Subscriber) error{
		func(sub *mssp.Subscriber) error { return s.RemoveApp(ctx, sub.Devices[0].ID) },
		func(sub *mssp.Subscriber) error { return s.EndDevice(ctx, sub.Devices[0].ID, mssp.EndedByUser, start) },
		func(sub *mssp.Subscriber) error {
			return s.RevokeCertificate(ctx, sub.Devices[0].Certificate.Serial, after(1), 1)
		},
	} {
		sub, _ := enrol(t, s, n)
		c := consent(n, mssp.ConsentAddApp, "")
		must(t, s.PutConsent(ctx, c))
		checkConsent(t, s, c, after(1))
		must(t, end(sub))
		noConsent(t, s, c, after(1))
	}
	// Another account's device gives no consent.
	enrol(t, s, 11)
	enrol(t, s, 12)
	c := consent(11, mssp.ConsentAddApp, "")
	c.MSISDN = subscriber(12).MSISDN
	must(t, s.PutConsent(ctx, c))
	noConsent(t, s, c, after(1))
}

// An expired consent is deleted when another one is given.
func testConsentPurge(t *testing.T, d *database) {
	s := d.Store()
	for n := range 250 {
		c := consent(n, mssp.ConsentRecovery, "")
		c.DeviceID, c.TransID, c.Expires = "", "", after(n)
		must(t, s.PutConsent(t.Context(), c))
	}
	late := consent(1000, mssp.ConsentRecovery, "")
	late.DeviceID, late.TransID, late.Given = "", "", after(200)
	for range 3 {
		must(t, s.PutConsent(t.Context(), late))
	}
	checkConsent(t, s, late, start)
	for n := range 250 {
		c := consent(n, mssp.ConsentRecovery, "")
		_, err := s.Consent(t.Context(), c.MSISDN, c.Kind, c.Subject, start.Add(-time.Hour))
		if gone := errors.Is(err, mssp.ErrNotFound); gone != (n <= 200) {
			t.Errorf("the consent that expires at %d: %v", n, err)
		}
	}
}

func testConsentRefused(t *testing.T, d *database) {
	s := d.Store()
	enrol(t, s, 1)
	good := consent(1, mssp.ConsentRemove, "sim-1")
	must(t, s.PutConsent(t.Context(), good))
	for name, change := range map[string]func(*mssp.Consent){
		"no kind":            func(c *mssp.Consent) { c.Kind = "" },
		"unknown kind":       func(c *mssp.Consent) { c.Kind = "everything" },
		"no subject":         func(c *mssp.Consent) { c.Subject = "" },
		"a subject":          func(c *mssp.Consent) { c.Kind = mssp.ConsentAddApp },
		"no device":          func(c *mssp.Consent) { c.DeviceID = "" },
		"no transaction":     func(c *mssp.Consent) { c.TransID = "" },
		"text in the number": func(c *mssp.Consent) { c.MSISDN = "\xff" },
	} {
		c := *good
		c.Given = after(1)
		change(&c)
		if err := s.PutConsent(t.Context(), &c); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	checkConsent(t, s, good, start)
	bad := *good
	bad.MSISDN = "nul\x00"
	noConsent(t, s, &bad, start)
}

func testConsentRenumbered(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, _ := enrol(t, s, 1)
	c := consent(1, mssp.ConsentAddApp, "")
	must(t, s.PutConsent(ctx, c))
	waiting := consent(2, mssp.ConsentRecovery, "")
	waiting.DeviceID, waiting.TransID = "", ""
	must(t, s.PutConsent(ctx, waiting))
	must(t, s.RenumberSubscriber(ctx, sub.MSISDN, waiting.MSISDN))
	noConsent(t, s, c, start)
	noConsent(t, s, waiting, start)
	c.MSISDN = waiting.MSISDN
	checkConsent(t, s, c, start)
}

func testRaceForConsent(t *testing.T, d *database) {
	s := d.Store()
	enrol(t, s, 1)
	for range 5 {
		c := consent(1, mssp.ConsentAddApp, "")
		must(t, s.PutConsent(t.Context(), c))
		errs := make([]error, 30)
		race(len(errs), func(i int) { _, errs[i] = takeConsent(t, s, c, start) })
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else {
				wantNotFound(t, "loser", err)
			}
		}
		if won != 1 {
			t.Errorf("%d got the consent", won)
		}
	}
}
