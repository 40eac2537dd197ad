package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// wantNotFound checks that the error is ErrNotFound.
func wantNotFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("%s: %v, want ErrNotFound", what, err)
	}
}

// activation returns an activation at start for which the account keeps its serial.
func activation(deviceID, cert string) *mssp.Activation {
	return &mssp.Activation{DeviceID: deviceID, KeyType: signum.EC, CertSerial: cert, At: start}
}

func testActivateDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	swisscom := signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"}
	sub := subscriber(1,
		mssp.Device{ID: "app-1", Method: signum.App, State: signum.DeviceRegistered, PINBlocked: true},
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceRegistered, PINBlocked: true, Network: swisscom})
	must(t, s.PutSubscriber(ctx, sub))
	sim := &sub.Devices[1]

	wantNotFound(t, "no certificate", s.ActivateDevice(ctx, activation("sim-1", "1234")))
	wantNotFound(t, "not a serial number", s.ActivateDevice(ctx, activation("sim-1", "\xff")))
	cert := issue(t, s, newCertificate(1, "sim-1"))
	wantNotFound(t, "no device", s.ActivateDevice(ctx, activation("sim-2", cert.Serial)))
	wantNotFound(t, "not a device", s.ActivateDevice(ctx, activation("nul\x00", cert.Serial)))
	for _, bad := range []signum.KeyType{"", "DSA"} {
		a := activation("sim-1", cert.Serial)
		a.KeyType = bad
		if err := s.ActivateDevice(ctx, a); err == nil {
			t.Errorf("key type %q: taken", bad)
		}
	}
	checkSubscriber(t, s, sub)
	checkKnown(t, s, sub, false)

	for range 2 { // again changes nothing
		must(t, s.ActivateDevice(ctx, activation("sim-1", cert.Serial)))
		sim.State, sim.KeyType, sim.Certificate, sim.PINBlocked = signum.DeviceActive, signum.EC, cert, false
		checkSubscriber(t, s, sub)
		checkKnown(t, s, sub, true)
	}
	renewed := issue(t, s, newCertificate(2, "sim-1"))
	wantIs(t, "active", s.ActivateDevice(ctx, activation("sim-1", renewed.Serial)), mssp.ErrDeviceState)
	checkSubscriber(t, d.Reopen(), sub)
}

func checkKnown(t *testing.T, s mssp.Store, sub *mssp.Subscriber, want bool) {
	t.Helper()
	got, err := s.SerialKnown(t.Context(), sub.MSISDN)
	must(t, err)
	if got != want {
		t.Errorf("the serial of %s is known: %v, want %v", sub.MSISDN, got, want)
	}
}

// An account keeps its serial for a SIM with a consent, once. Without one it gets
// another, and its other devices end.
func testSerialOfActivation(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, _ := enrol(t, s, 1)
	sub.Devices = append(sub.Devices, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceRegistered})
	must(t, s.PutSubscriber(ctx, sub))
	app, sim := &sub.Devices[0], &sub.Devices[1]
	checkKnown(t, s, sub, true)
	reopen := func() {
		t.Helper()
		must(t, s.EndDevice(ctx, sim.ID, mssp.EndedByUser, after(1)))
		must(t, s.ReopenDevice(ctx, sim.ID))
		sim.State, sim.Certificate = signum.DeviceRegistered, nil
		checkSubscriber(t, s, sub)
	}
	cert := issue(t, s, newCertificate(7, sim.ID))
	refused := func(what string) {
		t.Helper()
		wantIs(t, what, s.ActivateDevice(ctx, activation(sim.ID, cert.Serial)), mssp.ErrConsent)
		checkSubscriber(t, s, sub)
	}
	refused("no consent")
	for _, c := range []*mssp.Consent{
		consent(1, mssp.ConsentActivate, "sim-2"), consent(1, mssp.ConsentRemove, sim.ID), consent(1, mssp.ConsentAddApp, ""),
		consent(2, mssp.ConsentActivate, sim.ID),
	} {
		must(t, s.PutConsent(ctx, c))
	}
	refused("other consents")
	given := consent(1, mssp.ConsentActivate, sim.ID)
	given.Expires = start
	must(t, s.PutConsent(ctx, given))
	refused("an old consent")

	given.Expires = after(10)
	must(t, s.PutConsent(ctx, given))
	must(t, s.ActivateDevice(ctx, activation(sim.ID, cert.Serial)))
	sim.State, sim.KeyType, sim.Certificate = signum.DeviceActive, signum.EC, cert
	checkSubscriber(t, s, sub)
	noConsent(t, s, given, start)
	must(t, s.ActivateDevice(ctx, activation(sim.ID, cert.Serial))) // needs none
	reopen()
	cert = issue(t, s, newCertificate(8, sim.ID))
	refused("the consent is used up")

	// The end of the SIM ends the consent to it.
	must(t, s.PutConsent(ctx, given))
	must(t, s.EndDevice(ctx, sim.ID, mssp.EndedByUser, after(1)))
	must(t, s.ReopenDevice(ctx, sim.ID))
	refused("a consent from before the end")

	// The consent of an App that has ended.
	must(t, s.PutConsent(ctx, given))
	must(t, s.EndDevice(ctx, app.ID, mssp.EndedByUser, after(2)))
	app.State, app.Ended, app.EndedAt = signum.DeviceInactive, mssp.EndedByUser, after(2)
	refused("the consent of a device that has ended")

	a := activation(sim.ID, cert.Serial)
	a.Serial, a.At = "MIDCHENEW0000000", after(3)
	must(t, s.ActivateDevice(ctx, a))
	sub.Serial, sim.State, sim.Certificate = a.Serial, signum.DeviceActive, cert
	checkSubscriber(t, s, sub) // the first reason of the App's end stays

	next, _ := enrol(t, s, 2)
	next.Devices = append(next.Devices, mssp.Device{ID: "sim-2", Method: signum.SIM, State: signum.DeviceRegistered})
	must(t, s.PutSubscriber(ctx, next))
	a = activation("sim-2", issue(t, s, newCertificate(9, "sim-2")).Serial)
	a.Serial, a.At = "MIDCHENEW0000001", after(4)
	must(t, s.ActivateDevice(ctx, a))
	got, err := s.Subscriber(ctx, next.MSISDN)
	must(t, err)
	if o := got.Devices[0]; got.Serial != a.Serial || o.State != signum.DeviceInactive || o.Ended != mssp.EndedByActivation || !o.EndedAt.Equal(after(4)) {
		t.Errorf("%+v", got)
	}
	checkSubscriber(t, d.Reopen(), sub)
}

func testPINBlocked(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub := subscriber(1,
		mssp.Device{ID: "app-1", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC},
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceInactive})
	must(t, s.PutSubscriber(ctx, sub))
	for _, blocked := range []bool{true, true, false, false} {
		must(t, s.SetPINBlocked(ctx, "sim-1", blocked))
		sub.Devices[1].PINBlocked = blocked
		checkSubscriber(t, s, sub)
	}
	wantNotFound(t, "no device", s.SetPINBlocked(ctx, "sim-2", true))
	wantNotFound(t, "not a device", s.SetPINBlocked(ctx, "\xff", true))
	checkSubscriber(t, s, sub)
}

func testEndDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub := subscriber(1,
		mssp.Device{ID: "app-1", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC},
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.RSA, PINBlocked: true})
	must(t, s.PutSubscriber(ctx, sub))
	sim := &sub.Devices[1]
	for i, why := range []mssp.DeviceEnd{mssp.EndedByUser, mssp.EndedByOperator} {
		must(t, s.EndDevice(ctx, sim.ID, why, after(i)))
		sim.State, sim.Ended, sim.EndedAt = signum.DeviceInactive, mssp.EndedByUser, start
		checkSubscriber(t, s, sub)
	}
	wantNotFound(t, "no device", s.EndDevice(ctx, "sim-2", mssp.EndedByUser, start))
	for _, bad := range []mssp.DeviceEnd{"", "unknown"} {
		if err := s.EndDevice(ctx, "app-1", bad, start); err == nil {
			t.Errorf("ended by %q", bad)
		}
	}
	cert := issue(t, s, newCertificate(1, sim.ID))
	wantIs(t, "activated", s.ActivateDevice(ctx, activation(sim.ID, cert.Serial)), mssp.ErrDeviceState)
	must(t, s.PutSubscriber(ctx, sub))
	checkSubscriber(t, d.Reopen(), sub)
	bad := *sub
	bad.Devices = []mssp.Device{{ID: "sim-1", Method: signum.SIM, State: signum.DeviceRegistered, Ended: mssp.EndedByUser}}
	if err := d.Store().PutSubscriber(ctx, &bad); err == nil {
		t.Error("a registered device has ended")
	}
}

func testReopenDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, c := holder(t, s, 1)
	app := mssp.Device{ID: "a-app", Method: signum.App, State: signum.DeviceInactive, Ended: mssp.EndedByUser}
	sub.Devices = append([]mssp.Device{app}, sub.Devices...)
	must(t, s.PutSubscriber(ctx, sub))
	sim := &sub.Devices[1]
	reopen := func(want error) {
		t.Helper()
		if err := s.ReopenDevice(ctx, sim.ID); !errors.Is(err, want) {
			t.Errorf("reopened: %v, want %v", err, want)
		}
		checkSubscriber(t, s, sub)
	}
	reopen(nil) // registered already
	sim.Certificate = issue(t, s, newCertificate(1, sim.ID))
	must(t, s.ActivateDevice(ctx, activation(sim.ID, sim.Certificate.Serial)))
	must(t, s.SetPINBlocked(ctx, sim.ID, true))
	sim.State, sim.KeyType, sim.PINBlocked = signum.DeviceActive, signum.EC, true
	reopen(mssp.ErrDeviceState)

	// A card that is blocked stays so, and its SIM has not ended.
	must(t, s.SetCardState(ctx, c.ICCID, mssp.CardBlocked, after(1)))
	sim.State = signum.DeviceInactive
	reopen(mssp.ErrCardState)
	must(t, s.EndDevice(ctx, sim.ID, mssp.EndedByOperator, after(2)))
	sim.Ended, sim.EndedAt = mssp.EndedByOperator, after(2)
	reopen(mssp.ErrCardState)
	must(t, s.SetCardState(ctx, c.ICCID, mssp.CardActive, after(3)))
	checkSubscriber(t, s, sub) // unblocking does not undo the end

	sim.State, sim.Certificate, sim.PINBlocked, sim.Ended = signum.DeviceRegistered, nil, false, ""
	sim.EndedAt = time.Time{}
	reopen(nil)
	reopen(nil)
	wantIs(t, "an App", s.ReopenDevice(ctx, app.ID), mssp.ErrDeviceState)
	wantNotFound(t, "no device", s.ReopenDevice(ctx, "sim-9"))
	wantNotFound(t, "not a device", s.ReopenDevice(ctx, "\xff"))
	checkSubscriber(t, d.Reopen(), sub)
}

// A device can be found while its subscriber is replaced.
func testRaceOfDeviceAndSubscriber(t *testing.T, d *database) {
	s := d.Store()
	cert := issue(t, s, newCertificate(1, "sim-1"))
	sub := subscriber(1, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceRegistered})
	must(t, s.PutSubscriber(t.Context(), sub))
	race(30, func(i int) {
		var err error
		switch i % 3 {
		case 0:
			err = s.PutSubscriber(t.Context(), sub)
		case 1:
			err = s.SetPINBlocked(t.Context(), "sim-1", true)
		case 2:
			err = s.ActivateDevice(t.Context(), activation("sim-1", cert.Serial))
			if errors.Is(err, mssp.ErrConsent) { // it was active, and is registered again
				err = nil
			}
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	must(t, s.PutSubscriber(t.Context(), sub))
	must(t, s.PutConsent(t.Context(), &mssp.Consent{MSISDN: sub.MSISDN, Kind: mssp.ConsentActivate, Subject: "sim-1", Expires: after(9)}))
	must(t, s.ActivateDevice(t.Context(), activation("sim-1", cert.Serial)))
	sub.Devices[0] = mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC, Certificate: cert}
	checkSubscriber(t, s, sub)
}

func testRaceToPrepare(t *testing.T, d *database) {
	s := d.Store()
	for round := range 5 {
		tx := unprepared(round)
		insert(t, s, tx)
		won := make([]bool, 20)
		race(len(won), func(i int) {
			var err error
			if won[i], err = s.PrepareTransaction(t.Context(), tx.ID, []byte{1, byte(i)}, fmt.Sprint("c", i)); err != nil {
				t.Errorf("prepare: %v", err)
			}
		})
		for i := range won {
			if won[i] && tx.CertSerial != "" {
				t.Error("two won")
			}
			if won[i] {
				tx.SignedAttrs, tx.CertSerial = []byte{1, byte(i)}, fmt.Sprint("c", i)
			}
		}
		same(t, tx, read(t, s, tx.ID))
	}
}
