package person_test

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// The newest behaviour counts. Without a delay it gets that of the person.
func TestPersonBehaves(t *testing.T) {
	t.Parallel()
	p := person.New(time.Second)
	if got := p.Behaviour(); got != person.Delayed(time.Second) {
		t.Errorf("at first: %v", got)
	}
	for _, b := range []person.Behaviour{{Do: person.Cancel, After: time.Minute}, person.Delayed(time.Millisecond)} {
		if err := p.Behave(b); err != nil || p.Behaviour() != b {
			t.Errorf("%v: got %v, %v", b, p.Behaviour(), err)
		}
	}
	if got := person.New(-time.Second).Behaviour(); got != (person.Behaviour{}) {
		t.Errorf("a negative delay: %v", got)
	}
}

// Only signature requests are answered without asking the user.
func TestPlays(t *testing.T) {
	t.Parallel()
	for _, a := range person.Actions() {
		want := map[person.Action]signum.Code{person.Blocked: signum.PINBlocked, person.NoKey: signum.NoKeyFound}[a]
		b := person.Behaviour{Do: a}
		if got := b.Plays(mssp.OpSign); got != want {
			t.Errorf("%s: signature %d, want %d", a, got, want)
		}
		if b.Plays(mssp.OpActivate) != 0 || b.Plays(mssp.OpDisplay) != 0 {
			t.Errorf("%s: an activation or a receipt is refused", a)
		}
	}
}

func TestNotThePIN(t *testing.T) {
	t.Parallel()
	for _, pin := range []string{"0000", "1234", "9876", "pass phrase", "ä"} {
		got := person.NotThePIN(pin)
		if got == pin || len(got) != len(pin) || (pin[0] >= '0' && pin[0] <= '9') != (got[0] >= '0' && got[0] <= '9') && pin[0] >= '0' && pin[0] <= '9' {
			t.Errorf("%q: %q", pin, got)
		}
	}
}

func TestParseBehaviour(t *testing.T) {
	t.Parallel()
	for _, a := range person.Actions() {
		for _, b := range []person.Behaviour{{Do: a}, {Do: a, After: 1500 * time.Millisecond}} {
			if got, err := person.ParseBehaviour(b.String()); err != nil || got != b {
				t.Errorf("%q: %v, %v", b, got, err)
			}
		}
	}
	for _, s := range []string{"", "approved", "approve:", "approve:5", "approve:-5s", "APPROVE", "cancel:1s:2s"} {
		if b, err := person.ParseBehaviour(s); err == nil {
			t.Errorf("%q: %v, want an error", s, b)
		}
	}
	for _, b := range []person.Behaviour{{Do: 200}, {After: -1}} {
		if err := person.New(0).Behave(b); err == nil {
			t.Errorf("%v was accepted", b)
		}
	}
}

func FuzzParseBehaviour(f *testing.F) {
	f.Add("approve")
	f.Add("wrong-pin:2h45m0.5s")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := person.ParseBehaviour(s)
		if err != nil {
			return
		}
		if again, err := person.ParseBehaviour(b.String()); err != nil || again != b {
			t.Fatalf("%q is %v, then %v, %v", s, b, again, err)
		}
	})
}
