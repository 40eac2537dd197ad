package storetest

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// sent returns the outcome of a one-time password.
func sent() mssp.Outcome { return mssp.Outcome{Code: signum.RequestOK} }

// unprepared returns the nth transaction, waiting for an activation.
func unprepared(n int) *mssp.Transaction {
	tx := NewTransaction(n)
	tx.SignedAttrs, tx.CertSerial = nil, ""
	return tx
}

// fence returns a policy with a rule of every kind. Zero is a limit, nil means no
// limit.
func fence() mssp.Geofence {
	zero, hundred := 0, 100
	return mssp.Geofence{
		CountryWhitelist:      []string{"CH", "LI"},
		CountryBlacklist:      []string{`"<&>\`},
		MinDeviceConfidence:   0.1,
		MinLocationConfidence: 1,
		MaxTimestampMinutes:   &zero,
		MaxAccuracyMeters:     &hundred,
	}
}

// located returns the outcome of a signature with a location.
func located(l mssp.Location) mssp.Outcome {
	o := made()
	o.Location = &l
	return o
}

func testServices(t *testing.T, d *database) {
	s := d.Store()
	policy := fence()
	for i, wanted := range []mssp.ServiceOptions{
		{},
		{Validate: true},
		{Subscriber: "22801"},
		{Geofencing: true, GeoError: signum.GeoForeignSIM},
		{Geofencing: true, Fence: &mssp.Geofence{}},
		{App2App: &mssp.App2App{TokenHash: strings.Repeat("0f", 32)}},
		{Validate: true, Subscriber: "000", Geofencing: true, GeoError: signum.GeoInternal, Fence: &policy,
			App2App: &mssp.App2App{TokenHash: "é", RedirectURI: "app://x?a=1&b=<\">\u2028"}},
	} {
		tx := NewTransaction(i)
		tx.Services, tx.Profile = wanted, signum.ProfileAnyGeo
		insert(t, s, tx)
		same(t, tx, read(t, s, tx.ID))
		list, err := s.OutstandingTransactions(t.Context(), start, "", 10)
		must(t, err)
		same(t, []*mssp.Transaction{tx}, list)
		finish(t, s, tx.ID, made(), after(1), true)
	}
}

func testLocation(t *testing.T, d *database) {
	s := d.Store()
	for i, l := range []mssp.Location{
		{},
		{Error: signum.GeoDenied},
		{Country: "CH", Accuracy: 17, DeviceConfidence: 0.9, LocationConfidence: 1.0 / 3, Measured: after(1)},
		{Country: "<é\">", Measured: time.Now().In(time.FixedZone("CEST", 7200))},
	} {
		tx := NewTransaction(2 * i)
		insert(t, s, tx)
		finish(t, s, tx.ID, located(l), after(2), true)
		ended := NewTransaction(2*i + 1)
		ended.State, ended.Outcome, ended.Finished = mssp.StateSigned, located(l), after(2)
		insert(t, s, ended)
		for _, id := range []string{tx.ID, ended.ID} {
			got := read(t, s, id)
			same(t, located(l), got.Outcome)
			if at := got.Outcome.Location.Measured; at.Location() != time.UTC || at.Nanosecond()%1000 != 0 || at.IsZero() != l.Measured.IsZero() {
				t.Errorf("%v came back as %v", l.Measured, at)
			}
		}
	}
}

// What cannot be kept as JSON is refused before anything is written.
func testServicesRefused(t *testing.T, d *database) {
	s := d.Store()
	for name, wanted := range map[string]mssp.ServiceOptions{
		"subscriber": {Subscriber: "\xff"},
		"token":      {App2App: &mssp.App2App{TokenHash: "\xff"}},
		"redirect":   {App2App: &mssp.App2App{RedirectURI: "nul\x00"}},
		"whitelist":  {Fence: &mssp.Geofence{CountryWhitelist: []string{"CH", "\xff"}}},
		"blacklist":  {Fence: &mssp.Geofence{CountryBlacklist: []string{"\xff"}}},
		"confidence": {Fence: &mssp.Geofence{MinDeviceConfidence: math.NaN()}},
	} {
		tx := NewTransaction(1)
		tx.Services = wanted
		if err := s.InsertTransaction(t.Context(), tx); err == nil {
			t.Errorf("%s: taken", name)
		}
		if f := wanted.Fence; f != nil {
			if err := s.PutParty(t.Context(), &mssp.Party{ID: "p", Geofence: mssp.PartyGeofence{Geofence: *f}}); err == nil {
				t.Errorf("%s of a party: taken", name)
			}
		}
	}
	tx := NewTransaction(1)
	insert(t, s, tx)
	for name, l := range map[string]mssp.Location{
		"country":    {Country: "\xff"},
		"NUL":        {Country: "\x00"},
		"confidence": {DeviceConfidence: math.Inf(1)},
		"year":       {Measured: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if done, err := s.FinishTransaction(t.Context(), tx.ID, located(l), By(tx), start); done || err == nil {
			t.Errorf("%s: %v, %v", name, done, err)
		}
		ended := NewTransaction(2)
		ended.State, ended.Outcome, ended.Finished = mssp.StateSigned, located(l), start
		if err := s.InsertTransaction(t.Context(), ended); err == nil {
			t.Errorf("%s: taken", name)
		}
		for _, n := range []signum.Network{{MCC: l.Country}, {MNC: l.Country}, {Name: l.Country}} {
			if l.Country == "" {
				continue
			}
			sub := subscriber(1, mssp.Device{ID: "d", Method: signum.SIM, State: signum.DeviceActive, Network: n})
			if err := s.PutSubscriber(t.Context(), sub); err == nil {
				t.Errorf("network %+v: taken", n)
			}
		}
	}
	same(t, tx, read(t, s, tx.ID))
}

// The end of a one-time password does not depend on a certificate and has no
// signature.
func testDelivered(t *testing.T, d *database) {
	s := d.Store()
	sms := unprepared(1)
	sms.Method, sms.DeviceID, sms.Profile = "", "", signum.ProfileOTPText
	insert(t, s, sms)
	second := unprepared(2)
	second.MSISDN, second.Method, second.Profile = sms.MSISDN, "", signum.ProfileOTPFlash
	wantBusy(t, s.InsertTransaction(t.Context(), second), sms.ID)
	second.Method, second.Profile = signum.SIM, signum.ProfileSTK
	insert(t, s, second)

	// Only a one-time password has no method.
	for n, profile := range map[int]string{4: signum.ProfileSTK, 5: signum.ProfileOTPText} {
		bad := NewTransaction(n)
		if bad.Profile = profile; profile == signum.ProfileSTK {
			bad.Method = ""
		}
		if err := s.InsertTransaction(t.Context(), bad); err == nil {
			t.Errorf("method %q with profile %s was taken", bad.Method, profile)
		}
	}

	for _, bad := range []mssp.Outcome{{Code: signum.RequestOK, Signature: []byte{1}}} {
		if done, err := s.FinishTransaction(t.Context(), sms.ID, bad, nil, after(1)); done || err == nil {
			t.Errorf("outcome %+v: %v, %v", bad, done, err)
		}
	}
	finish(t, s, sms.ID, sent(), after(1), true)
	sms.State, sms.Outcome, sms.Finished = mssp.StateDelivered, sent(), after(1)
	same(t, sms, read(t, s, sms.ID))
	finish(t, s, sms.ID, cancelled(), after(2), false)
	finish(t, s, sms.ID, sent(), after(2), false)
	same(t, sms, read(t, s, sms.ID))

	c := issue(t, s, newCertificate(3, "sim-3"))
	must(t, s.RevokeCertificate(t.Context(), c.Serial, start, 1))
	revoked := NewTransaction(3)
	insert(t, s, revoked)
	finish(t, s, revoked.ID, sent(), after(1), true)

	ended, err := s.EndedTransactions(t.Context(), []string{sms.ID, second.ID, revoked.ID})
	must(t, err)
	same(t, []string{sms.ID, revoked.ID}, ended)
	if n, err := s.PurgeTransactions(t.Context(), after(2), 10); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
}

func testPrepare(t *testing.T, d *database) {
	s := d.Store()
	cert := issue(t, s, newCertificate(1, "sim-1"))
	prepare := func(id, attrs, serial string, want bool) {
		t.Helper()
		if got, err := s.PrepareTransaction(t.Context(), id, []byte(attrs), serial); err != nil || got != want {
			t.Errorf("PrepareTransaction(%s) = %v, %v, want %v", id, got, err, want)
		}
	}
	tx := unprepared(1)
	insert(t, s, tx)
	if got := read(t, s, tx.ID); !got.Activating() {
		t.Errorf("it does not wait for an activation: %+v", got)
	}
	for _, bad := range [][2]string{{"", cert.Serial}, {"attrs", ""}, {"attrs", "\xff"}} {
		if done, err := s.PrepareTransaction(t.Context(), tx.ID, []byte(bad[0]), bad[1]); done || err == nil {
			t.Errorf("prepared with %q: %v, %v", bad, done, err)
		}
	}
	same(t, tx, read(t, s, tx.ID))

	prepare(tx.ID, "attrs", cert.Serial, true)
	tx.SignedAttrs, tx.CertSerial, tx.Certificate = []byte("attrs"), cert.Serial, cert
	check := func() {
		t.Helper()
		got, err := s.Transaction(t.Context(), tx.ID)
		must(t, err)
		same(t, tx, got)
	}
	check()
	prepare(tx.ID, "other", "1234", false)
	check()
	// The certificate that it has now must be good.
	must(t, s.RevokeCertificate(t.Context(), cert.Serial, after(1), 1))
	finish(t, s, tx.ID, made(), after(2), false)
	finish(t, s, tx.ID, cancelled(), after(3), true)
	prepare(tx.ID, "late", "1234", false)

	ended := unprepared(2)
	insert(t, s, ended)
	finish(t, s, ended.ID, cancelled(), after(1), true)
	prepare(ended.ID, "late", "1234", false)
	if got := read(t, s, ended.ID); got.CertSerial != "" || got.SignedAttrs != nil {
		t.Errorf("one that had ended was prepared: %+v", got)
	}
	complete := NewTransaction(3)
	insert(t, s, complete)
	prepare(complete.ID, "other", "1234", false)
	same(t, complete, read(t, s, complete.ID))
	prepare("none", "attrs", "1234", false)
	prepare("nul\x00", "attrs", "1234", false)
}
