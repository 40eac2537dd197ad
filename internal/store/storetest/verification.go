package storetest

import (
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// verification returns the evidence of a passkey for a request.
func verification(transID string) *mssp.UserVerification {
	return &mssp.UserVerification{
		TransID: transID, Kind: mssp.ByPasskey, At: after(2),
		Assertion: &mssp.Assertion{Credential: []byte{1, 0xff}, PublicKey: []byte{2}, AuthenticatorData: []byte{3}, ClientData: []byte("{}"), Signature: []byte{4}},
	}
}

func testUnlockApp(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, app := enrol(t, s, 1)
	_, other := enrol(t, s, 2)
	try := func(h []byte, v *mssp.UserVerification) {
		t.Helper()
		_, left, err := s.TryPasscode(ctx, app.DeviceID, h, v)
		must(t, err)
		app.TriesLeft = left
		checkApp(t, s, app)
	}
	byPasscode := func(id string) *mssp.UserVerification {
		return &mssp.UserVerification{TransID: id, Kind: mssp.ByPasscode, At: after(3), VerifierHash: hash(1)}
	}
	// A wrong passcode unlocks nothing, and neither does one that is for no request.
	try(hash(9), byPasscode("h1"))
	app.Unlocked = byPasscode("h2")
	try(app.VerifierHash, app.Unlocked)
	try(hash(9), byPasscode("h3"))
	try(app.VerifierHash, nil)
	app.Unlocked = verification("h4")
	try(app.VerifierHash, app.Unlocked)
	for range mssp.MaxPasscodeTries {
		try(hash(9), nil)
	}
	_, left, err := s.TryPasscode(ctx, app.DeviceID, app.VerifierHash, byPasscode("h5"))
	must(t, err)
	same(t, -1, left)
	checkApp(t, s, app)
	// Other changes keep it.
	must(t, s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error { a.Name = "New"; return nil }))
	app.Name = "New"
	checkApp(t, d.Reopen(), app)
	s = d.Store()
	checkApp(t, s, other)
	if _, _, err := s.TryPasscode(ctx, other.DeviceID, other.VerifierHash, verification("\xff")); err == nil {
		t.Error("taken")
	}
	checkApp(t, s, other)
}

// The evidence is written with the signature that it belongs to, and purged with it.
func testVerification(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	none := func(id string) {
		t.Helper()
		_, err := s.Verification(ctx, id)
		wantNotFound(t, "verification of "+id, err)
	}
	for n := range 4 {
		insert(t, s, NewTransaction(n))
	}
	must(t, equip(ctx, s, NewTransaction(0)))
	// Two answers at the same time: the evidence is that of the one that ended it.
	var answers sync.WaitGroup
	won := make([]bool, 2)
	for i := range won {
		answers.Go(func() {
			o := made()
			o.Verified = verification(NewTransaction(0).ID)
			o.Verified.VerifierHash = hash(i)
			var err error
			if won[i], err = s.FinishTransaction(ctx, NewTransaction(0).ID, o, By(NewTransaction(0)), after(3)); err != nil {
				t.Error(err)
			}
		})
	}
	answers.Wait()
	if won[0] == won[1] {
		t.Fatalf("%v", won)
	}
	want := verification(NewTransaction(0).ID)
	want.VerifierHash = hash(map[bool]int{true: 0, false: 1}[won[0]])
	got, err := d.Reopen().Verification(ctx, want.TransID)
	must(t, err)
	same(t, want, got)
	s = d.Store()

	finish(t, s, NewTransaction(1).ID, made(), after(3), true) // of a SIM
	none(NewTransaction(1).ID)
	finish(t, s, NewTransaction(2).ID, cancelled(), after(3), true)
	none(NewTransaction(2).ID)
	none("h999999")
	none("\xff")
	// Not with a certificate that was revoked meanwhile.
	cert := issue(t, s, newCertificate(3, "sim-3"))
	must(t, s.RevokeCertificate(ctx, cert.Serial, after(1), 1))
	o := made()
	o.Verified = verification(NewTransaction(3).ID)
	finish(t, s, NewTransaction(3).ID, o, after(3), false)
	none(NewTransaction(3).ID)

	if n, err := s.PurgeTransactions(ctx, after(4), 10); n != 3 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	none(NewTransaction(0).ID)
}
