package storetest

import (
	"bytes"
	"errors"
	"net/netip"
	"slices"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func subscriber(n int, devices ...mssp.Device) *mssp.Subscriber {
	return &mssp.Subscriber{
		MSISDN:  NewTransaction(n).MSISDN,
		Serial:  "MIDCHE0123456789",
		State:   mssp.SubscriberActive,
		Devices: devices,
	}
}

func checkSubscriber(t *testing.T, s mssp.Store, want *mssp.Subscriber) {
	t.Helper()
	got, err := s.Subscriber(t.Context(), want.MSISDN)
	must(t, err)
	same(t, want, got)
}

func testSubscriber(t *testing.T, d *database) {
	s := d.Store()
	if _, err := s.Subscriber(t.Context(), "+41790000000"); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("unknown subscriber: %v", err)
	}
	none := subscriber(1)
	none.State, none.RecoveryCodeCreated = mssp.SubscriberInactive, true
	must(t, s.PutSubscriber(t.Context(), none))
	checkSubscriber(t, s, none)

	sim := issue(t, s, newCertificate(1, "sim-2"))
	app := newCertificate(2, "App-2")
	must(t, s.IntendCertificate(t.Context(), app))
	both := subscriber(2,
		mssp.Device{ID: "App-2", Method: signum.App, State: signum.DeviceRegistered, KeyType: signum.EC,
			Certificate: &mssp.Certificate{Serial: app.Serial}},
		mssp.Device{ID: "b-registered", Method: signum.App, State: signum.DeviceRegistered, PINBlocked: true,
			Network: signum.Network{Name: `only a name: "é" <&>`}},
		mssp.Device{ID: "sim-2", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.RSA,
			Network:     signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"},
			Certificate: &mssp.Certificate{Serial: sim.Serial, DeviceID: "what it says here does not count"}})
	must(t, s.PutSubscriber(t.Context(), both))
	intended := *app
	intended.State, intended.TBS, intended.Issuer = mssp.CertificateIntended, nil, ""
	both.Devices[0].Certificate, both.Devices[2].Certificate = &intended, sim
	checkSubscriber(t, s, both)
	checkSubscriber(t, s, none)

	must(t, s.CompleteCertificate(t.Context(), app.Serial, []byte{9}))
	both.Devices[0].Certificate = good(app, []byte{9})
	must(t, s.RevokeCertificate(t.Context(), sim.Serial, after(5), 1))
	sim.State, sim.RevokedAt, sim.Reason = mssp.CertificateRevoked, after(5), 1
	checkSubscriber(t, s, both)
}

func testSubscriberReplaced(t *testing.T, d *database) {
	s := d.Store()
	old := issue(t, s, newCertificate(1, "sim-1"))
	sub := subscriber(1,
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC, Certificate: old},
		mssp.Device{ID: "sim-2", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC})
	must(t, s.PutSubscriber(t.Context(), sub))
	checkSubscriber(t, s, sub)
	must(t, s.PutSubscriber(t.Context(), sub))
	checkSubscriber(t, s, sub)

	renewed := issue(t, s, newCertificate(2, "sim-1"))
	sub.State, sub.Serial, sub.RecoveryCodeCreated = mssp.SubscriberInactive, "MIDCHEABCDEFGHIJ", true
	sub.Devices = []mssp.Device{
		{ID: "sim-1", Method: signum.SIM, State: signum.DeviceInactive, KeyType: signum.RSA, Certificate: renewed,
			PINBlocked: true, Network: signum.Network{MCC: "295", MNC: "05", Name: "FL1"}}}
	must(t, s.PutSubscriber(t.Context(), sub))
	checkSubscriber(t, s, sub)
	if _, err := s.Certificate(t.Context(), old.Serial); err != nil {
		t.Errorf("the certificate of a replaced device: %v", err)
	}

	sub.RecoveryCodeCreated, sub.Devices[0].PINBlocked, sub.Devices[0].Network = false, false, signum.Network{}
	must(t, s.PutSubscriber(t.Context(), sub))
	checkSubscriber(t, s, sub)

	// A device that one subscriber gave up can be another's.
	other := subscriber(2, mssp.Device{ID: "sim-2", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC})
	must(t, s.PutSubscriber(t.Context(), other))
	checkSubscriber(t, s, other)
	sub.Devices = nil
	must(t, s.PutSubscriber(t.Context(), sub))
	checkSubscriber(t, s, sub)
}

func testSubscriberRefused(t *testing.T, d *database) {
	s := d.Store()
	device := func(id string) mssp.Device {
		return mssp.Device{ID: id, Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC}
	}
	first := subscriber(1, device("sim-1"))
	must(t, s.PutSubscriber(t.Context(), first))
	refused := func(why string, change func(*mssp.Subscriber)) {
		t.Helper()
		sub := subscriber(2, device("sim-2"))
		change(sub)
		if err := s.PutSubscriber(t.Context(), sub); err == nil {
			t.Errorf("%s: taken", why)
		}
		if _, err := s.Subscriber(t.Context(), sub.MSISDN); !errors.Is(err, mssp.ErrNotFound) {
			t.Errorf("%s: left behind: %v", why, err)
		}
	}
	refused("another's device", func(s *mssp.Subscriber) { s.Devices = append(s.Devices, device("sim-1")) })
	refused("a device twice", func(s *mssp.Subscriber) { s.Devices = append(s.Devices, s.Devices[0]) })
	refused("no such state", func(s *mssp.Subscriber) { s.State = "odd" })
	refused("no such device state", func(s *mssp.Subscriber) { s.Devices[0].State = "odd" })
	refused("no such method", func(s *mssp.Subscriber) { s.Devices[0].Method = "SMS" })
	refused("no such key type", func(s *mssp.Subscriber) { s.Devices[0].KeyType = "DSA" })
	refused("a certificate that was never intended", func(s *mssp.Subscriber) {
		s.Devices[0].Certificate = &mssp.Certificate{Serial: "abcdef"}
	})
	checkSubscriber(t, s, first)
}

// partyLimits has no zero value.
func partyLimits() mssp.PartyLimits {
	return mssp.PartyLimits{
		MaxOpen: 1, Requests: mssp.Rate{PerMinute: 2, Burst: 3}, Statuses: mssp.Rate{PerMinute: 4, Burst: 5},
		Profiles: mssp.Rate{PerMinute: 6, Burst: 7}, Unknown: mssp.Rate{PerMinute: 8, Burst: 9},
		PerNumber: mssp.Rate{PerMinute: 10, Burst: 11}, OTP: mssp.Rate{PerMinute: 12, Burst: 13},
		OTPNumber: mssp.Rate{PerMinute: 14, Burst: 15}, OTPPrefixes: []string{"+41", "+"},
		Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("2001:db8::/32")},
	}
}

func testParty(t *testing.T, d *database) {
	s := d.Store()
	for range 2 { // not found is not remembered
		if _, err := s.Party(t.Context(), "http://ap.example"); !errors.Is(err, mssp.ErrNotFound) {
			t.Fatalf("unknown party: %v", err)
		}
	}
	check := func(want *mssp.Party) {
		t.Helper()
		for range 2 { // from the database, then perhaps from memory
			got, err := s.Party(t.Context(), want.ID)
			must(t, err)
			same(t, want, got)
		}
	}
	full := &mssp.Party{
		ID:           "http://ap.example",
		PasswordHash: "$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5",
		DTBDPrefix:   "Beispiel AG: ",
		Pins:         []mssp.Pin{mssp.PinOf([]byte("new")), mssp.PinOf([]byte("old"))},
		Profiles:     []string{signum.ProfileSTK, signum.ProfileAnyLoA4, signum.ProfileDevice},
		AuthProfile1: signum.ProfileAnyLoA4,
		Services:     []string{signum.ServiceUserLang, `with "quotes" <&>`},
		DefaultLang:  "fr",

		AutoActivation: true,
		TestNumbers:    true,
		Geofence:       mssp.PartyGeofence{Enabled: true, Verbose: true, Geofence: fence()},
		Limits:         partyLimits(),
		Own:            true,

		Name: "Beispiel AG", Logo: "0123abcd", EncryptedReceipts: true,
		UnprefixedReceipts: true, SubjectNameBase64: true,
	}
	bare := &mssp.Party{ID: "http://bare.example"}
	must(t, s.PutParty(t.Context(), full))
	must(t, s.PutParty(t.Context(), bare))
	check(full)
	check(bare)

	changed := *full
	changed.Pins, changed.Profiles = full.Pins[:1], []string{signum.ProfileSTK}
	changed.PasswordHash, changed.DefaultLang = "", ""
	changed.Limits, changed.Own = mssp.PartyLimits{MaxOpen: 1}, false
	changed.Name, changed.Logo, changed.EncryptedReceipts = "Autre SA", "", false
	changed.UnprefixedReceipts = false
	changed.AutoActivation, changed.Geofence = false, mssp.PartyGeofence{Verbose: true}
	must(t, s.PutParty(t.Context(), &changed))
	check(&changed)
	changed.TestNumbers, changed.Geofence = false, mssp.PartyGeofence{}
	changed.UnprefixedReceipts, changed.SubjectNameBase64 = true, false
	changed.Limits = mssp.PartyLimits{}
	must(t, s.PutParty(t.Context(), &changed))
	check(&changed)
	check(bare)

	must(t, s.PutParty(t.Context(), &mssp.Party{ID: "http://third.example", Pins: []mssp.Pin{{1}, {2}}}))
	pins, err := s.Pins(t.Context())
	must(t, err)
	slices.SortFunc(pins, func(a, b mssp.Pin) int { return bytes.Compare(a[:], b[:]) })
	want := []mssp.Pin{{1}, {2}, changed.Pins[0]}
	slices.SortFunc(want, func(a, b mssp.Pin) int { return bytes.Compare(a[:], b[:]) })
	if !slices.Equal(pins, want) {
		t.Errorf("pins of all parties: %v, want %v", pins, want)
	}
}

func testSubscriberRemoved(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, app := enrol(t, s, 1)
	msisdn := sub.MSISDN
	card := newCard(1)
	must(t, s.PutCard(ctx, card))
	must(t, s.SwapCard(ctx, msisdn, card.ICCID, sim(1), after(1)))
	must(t, s.SetRecoveryHash(ctx, msisdn, hash(8)))
	must(t, s.PutInvite(ctx, invite(1)))
	other := subscriber(3)
	must(t, s.PutSubscriber(ctx, other))
	asked := NewTransaction(1)
	insert(t, s, asked)

	wantNotFound(t, "no account", s.RemoveSubscriber(ctx, "+41", after(2)))
	wantNotFound(t, "no number", s.RemoveSubscriber(ctx, "\x00", after(2)))
	must(t, s.RemoveSubscriber(ctx, msisdn, after(2)))
	s = d.Reopen()
	_, err := s.Subscriber(ctx, msisdn)
	wantNotFound(t, "account", err)
	_, err = s.App(ctx, app.DeviceID)
	wantNotFound(t, "App", err)
	_, err = s.CardOf(ctx, msisdn)
	wantNotFound(t, "card in use", err)
	noInvite(t, s, 1, start)
	c, err := s.Card(ctx, card.ICCID)
	must(t, err)
	if c.State != mssp.CardRetired || c.DeviceID != "" || !c.Changed.Equal(after(2)) {
		t.Errorf("the card: %+v", c)
	}
	same(t, asked, read(t, s, asked.ID)) // a record of the past
	checkSubscriber(t, s, other)
	wantNotFound(t, "again", s.RemoveSubscriber(ctx, msisdn, after(3)))

	next := subscriber(1)
	next.Devices = nil
	must(t, s.PutSubscriber(ctx, next)) // somebody else gets the number
	checkSubscriber(t, s, next)
	checkRecovery(t, s, msisdn, nil)
}
