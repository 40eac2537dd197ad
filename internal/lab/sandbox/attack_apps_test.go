package sandbox

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
)

// secondApp enrols another App of a user, which signs only by hand, and returns the IDs
// of both: the first, then the second.
func (f *fixture) secondApp(msisdn string) (first, second string) {
	f.t.Helper()
	first = f.deviceID(msisdn, signum.App)
	i, err := f.NewInvitation(f.t.Context(), msisdn, true)
	if err != nil {
		f.t.Fatal(err)
	}
	app, err := f.SoftApps.Enrol(f.t.Context(), i.Code, softapp.EnrolOptions{})
	if err != nil {
		f.t.Fatal(err)
	}
	f.behave(msisdn, person.Silent)
	return first, app.DeviceID
}

// awaitScreen waits until an App shows a transaction, or no longer shows it. It gives up
// after a minute, which no test that passes waits for.
func (f *fixture) awaitScreen(deviceID, transID string, shown bool) {
	f.t.Helper()
	d, err := f.SoftApps.Device(deviceID)
	if err != nil {
		f.t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if s, ok := d.Shown(); (ok && s.TransID == transID) == shown {
			return
		}
		if time.Now().After(deadline) {
			f.t.Fatalf("App %s shows %s: not %v within a minute", deviceID, transID, shown)
		}
	}
}

// TestAttackStolenAppBlocks: a thief who enters wrong passcodes on the old phone of a user
// neither ends a request that the owner can answer on the new phone, nor keeps the
// owner from signing later.
func TestAttackStolenAppBlocks(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, wire := range wires {
		msisdn := f.addUser(person.Silent, signum.App)
		stolen, own := f.secondApp(msisdn)
		for round := range 2 {
			id := f.sign(t, wire, f.request(msisdn, async)).TransID
			f.awaitScreen(own, id, true)
			if round == 0 {
				f.awaitScreen(stolen, id, true)
				for range mssp.MaxPasscodeTries {
					_ = f.SoftApps.EnterPIN(stolen, id, "000000")
				}
				f.awaitScreen(stolen, id, false)
			}
			if err := f.SoftApps.EnterPIN(own, id, person.DefaultPIN); err != nil {
				t.Fatalf("%s, round %d: %v", wire, round, err)
			}
			if err := f.outcome(t, wire, id); err != nil {
				t.Errorf("%s, round %d: %v", wire, round, err)
			}
		}
		s, err := f.Store.Subscriber(t.Context(), msisdn)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range s.Devices {
			if d.PINBlocked != (d.ID == stolen) {
				t.Errorf("%s: PIN of %s blocked: %v", wire, d.ID, d.PINBlocked)
			}
		}
	}
}
