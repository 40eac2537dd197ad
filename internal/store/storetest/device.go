package storetest

import (
	"errors"
	"fmt"
	"testing"

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

func testActivateDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	swisscom := signum.Network{MCC: "228", MNC: "01", Name: "Swisscom"}
	sub := subscriber(1,
		mssp.Device{ID: "app-1", Method: signum.App, State: signum.DeviceRegistered, PINBlocked: true},
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceRegistered, PINBlocked: true, Network: swisscom})
	must(t, s.PutSubscriber(ctx, sub))
	sim := &sub.Devices[1]

	wantNotFound(t, "no certificate", s.ActivateDevice(ctx, "sim-1", signum.EC, "1234"))
	wantNotFound(t, "not a serial number", s.ActivateDevice(ctx, "sim-1", signum.EC, "\xff"))
	checkSubscriber(t, s, sub)
	cert := issue(t, s, newCertificate(1, "sim-1"))
	wantNotFound(t, "no device", s.ActivateDevice(ctx, "sim-2", signum.EC, cert.Serial))
	wantNotFound(t, "not a device", s.ActivateDevice(ctx, "nul\x00", signum.EC, cert.Serial))
	for _, bad := range []signum.KeyType{"", "DSA"} {
		if err := s.ActivateDevice(ctx, "sim-1", bad, cert.Serial); err == nil {
			t.Errorf("key type %q: taken", bad)
		}
	}
	checkSubscriber(t, s, sub)

	must(t, s.ActivateDevice(ctx, "sim-1", signum.EC, cert.Serial))
	sim.State, sim.KeyType, sim.Certificate, sim.PINBlocked = signum.DeviceActive, signum.EC, cert, false
	checkSubscriber(t, s, sub)

	renewed := issue(t, s, newCertificate(2, "sim-1"))
	must(t, s.ActivateDevice(ctx, "sim-1", signum.RSA, renewed.Serial))
	sim.KeyType, sim.Certificate = signum.RSA, renewed
	checkSubscriber(t, s, sub)
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

func testDeactivate(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub := subscriber(1,
		mssp.Device{ID: "app-1", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC},
		mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.RSA, PINBlocked: true})
	must(t, s.PutSubscriber(ctx, sub))
	for range 2 {
		must(t, s.DeactivateDevice(ctx, "sim-1"))
		sub.Devices[1].State = signum.DeviceInactive
		checkSubscriber(t, s, sub)
	}
	wantNotFound(t, "no device", s.DeactivateDevice(ctx, "sim-2"))
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
			err = s.ActivateDevice(t.Context(), "sim-1", signum.EC, cert.Serial)
		}
		if err != nil {
			t.Errorf("%d: %v", i, err)
		}
	})
	must(t, s.ActivateDevice(t.Context(), "sim-1", signum.EC, cert.Serial))
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
