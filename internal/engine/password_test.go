package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/password"
)

// passwordWorld has a party with the password "open sesame" and the certificate 2,
// and a function that calls as that party.
func passwordWorld(t *testing.T) (w *world, call func(pin byte, pwd string) error) {
	w = newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	w.putParty(func(p *mssp.Party) {
		p.ID, p.Pins, p.PasswordHash = "mid://other", []mssp.Pin{{2}}, password.Hash("open sesame")
	})
	return w, func(pin byte, pwd string) error {
		r := w.request(s)
		r.AP.ID, r.AP.Password = "mid://other", pwd
		_, err := w.Sign(t.Context(), &mssp.Caller{Pin: mssp.Pin{pin}}, r)
		return err
	}
}

// A client of the party guesses: after some tries no other password is looked at. A
// client that had the right one before works on.
func TestAttackGuessPassword(t *testing.T) {
	t.Parallel()
	w, call := passwordWorld(t)
	if err := call(2, "open sesame"); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		if err := call(2, fmt.Sprintf("guess %d", i)); w.code(err) != 104 {
			t.Fatalf("guess %d: %v", i, err)
		}
	}
	if err := call(2, "open sesame"); err != nil {
		t.Errorf("the right password during the attack: %v", err)
	}
	// A password that was not seen before is not looked at until a pause has passed.
	w.putParty(func(p *mssp.Party) {
		p.ID, p.Pins, p.PasswordHash = "mid://other", []mssp.Pin{{2}}, password.Hash("new")
	})
	if err := call(2, "new"); w.code(err) != 104 {
		t.Errorf("a new password during the attack: %v", err)
	}
	w.clock.Advance(10 * time.Second)
	if err := call(2, "new"); err != nil {
		t.Errorf("a new password after a pause: %v", err)
	}
}

// A caller without the party's certificate never causes a computation: it would use
// up the party's tries.
func TestAttackPasswordFlood(t *testing.T) {
	t.Parallel()
	w, call := passwordWorld(t)
	for i := range 100 {
		if err := call(7, fmt.Sprintf("guess %d", i)); w.code(err) != 104 {
			t.Fatalf("call %d: %v", i, err)
		}
	}
	if err := call(2, "open sesame"); err != nil {
		t.Errorf("the party after the flood: %v", err)
	}
}
