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
	_, err := s.TakeTry(ctx, app.DeviceID)
	must(t, err)
	for _, v := range []*mssp.UserVerification{
		verification("h1"), {TransID: "h2", Kind: mssp.ByPasscode, At: after(3), VerifierHash: hash(1)}, nil,
	} {
		must(t, s.UnlockApp(ctx, app.DeviceID, v))
		app.Unlocked = v
		checkApp(t, s, app)
	}
	// Other changes keep it.
	must(t, s.UnlockApp(ctx, app.DeviceID, verification("h3")))
	must(t, s.UpdateApp(ctx, app.DeviceID, func(a *mssp.AppDevice) error { a.Name = "New"; return nil }))
	app.Unlocked, app.Name = verification("h3"), "New"
	checkApp(t, d.Reopen(), app)
	s = d.Store()
	checkApp(t, s, other)
	for _, id := range []string{"app-9", "\xff"} {
		wantNotFound(t, "no app to unlock", s.UnlockApp(ctx, id, verification("h1")))
	}
	if err := s.UnlockApp(ctx, app.DeviceID, verification("\xff")); err == nil {
		t.Error("taken")
	}
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
