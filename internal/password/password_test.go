package password

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var now = time.Unix(1_000_000, 0)

// counted returns a Checker and the number of its computations.
func counted(t *testing.T) (*Checker, *int) {
	c, n := NewChecker(), new(int)
	compute := c.compute
	c.compute = func(password, hash string) (bool, error) {
		*n++ // computations follow each other
		return compute(password, hash)
	}
	return c, n
}

func TestCheck(t *testing.T) {
	hash := Hash("open sesame")
	other := Hash("open sesame")
	if hash == other {
		t.Fatal("two hashes have the same salt")
	}
	c, computed := counted(t)
	for i, tt := range []struct {
		name, id, hash, password string
		after                    time.Duration
		want                     error
		computations             int // so far
	}{
		{"right", "a", hash, "open sesame", 0, nil, 1},
		{"remembered", "a", hash, "open sesame", 299 * time.Second, nil, 1},
		{"forgotten", "a", hash, "open sesame", 300 * time.Second, nil, 2},
		{"wrong", "a", hash, "sesame", 300 * time.Second, ErrWrong, 3},
		{"wrong, remembered", "a", hash, "sesame", 301 * time.Second, ErrWrong, 3},
		{"empty", "a", hash, "", 301 * time.Second, ErrWrong, 4},
		{"another party", "b", hash, "open sesame", 301 * time.Second, nil, 5},
		{"the party has changed", "a", other, "open sesame", 301 * time.Second, nil, 6},
		{"a change that was taken back", "a", hash, "open sesame", 301 * time.Second, nil, 6},
	} {
		err := c.Check(tt.id, tt.hash, tt.password, now.Add(tt.after))
		if !errors.Is(err, tt.want) || *computed != tt.computations {
			t.Errorf("%d, %s: %v after %d computations, want %v after %d", i, tt.name, err, *computed, tt.want, tt.computations)
		}
	}
}

// Somebody who guesses runs out of tries. The right password, once checked, and a
// wrong one that a client repeats are not affected, nor are other parties.
func TestTries(t *testing.T) {
	hash := Hash("open sesame")
	c, _ := counted(t)
	c.compute = func(password, _ string) (bool, error) { return password == "open sesame", nil }
	if err := c.Check("a", hash, "open sesame", now); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err := c.Check("a", hash, "outdated", now); !errors.Is(err, ErrWrong) {
			t.Fatal(err)
		}
	}
	taken := 2
	for i := 0; ; i++ {
		err := c.Check("a", hash, fmt.Sprint("guess ", i), now)
		if errors.Is(err, ErrTooMany) {
			break
		}
		taken++
	}
	if taken != tries.Burst {
		t.Errorf("%d computations, want %d", taken, tries.Burst)
	}
	if err := c.Check("a", hash, "open sesame", now.Add(time.Minute)); err != nil {
		t.Errorf("the right password: %v", err)
	}
	if err := c.Check("b", hash, "guess", now); !errors.Is(err, ErrWrong) {
		t.Errorf("another party: %v", err)
	}
	if err := c.Check("a", hash, "a later guess", now.Add(tries.Every)); !errors.Is(err, ErrWrong) {
		t.Errorf("after a pause: %v", err)
	}
}

// A thousand calls at once cost one computation.
func TestOneComputation(t *testing.T) {
	hash := Hash("open sesame")
	c, computed := counted(t)
	var wg sync.WaitGroup
	for range 1000 {
		wg.Go(func() {
			if err := c.Check("a", hash, "open sesame", now); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if *computed != 1 {
		t.Errorf("%d computations", *computed)
	}
}

func TestValid(t *testing.T) {
	for _, tt := range []struct {
		hash string
		ok   bool
	}{
		{Hash(""), true},
		{"", false},
		{"unsalted", false},
		{"$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=16$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", true},
		{"$argon2id$v=19$m=19456,t=0,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=19$m=19456,t=2,p=0$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=19$m=4294967295,t=2,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=19$m=19456,t=99,p=1$c2FsdHNhbHQ$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=19$m=19456,t=2,p=1$c2Fs$a2V5a2V5a2V5a2V5a2V5a2V5", false},
		{"$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$a2V5", false},
	} {
		if err := Valid(tt.hash); (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.hash, err)
		}
		if err := NewChecker().Check("a", tt.hash, "x", now); !tt.ok && (err == nil || errors.Is(err, ErrWrong)) {
			t.Errorf("check with %s: %v", tt.hash, err)
		}
	}
}

// A vector of the reference implementation (phc-winner-argon2, test.c).
func TestReferenceVector(t *testing.T) {
	const hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"
	if err := NewChecker().Check("a", hash, "password", now); err != nil {
		t.Error(err)
	}
	if err := NewChecker().Check("a", hash, "Password", now); !errors.Is(err, ErrWrong) {
		t.Error(err)
	}
}

// Whatever a stored hash contains, a check neither panics nor succeeds by accident.
func TestCheckAnyHash(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		hash := rapid.OneOf(rapid.String(), rapid.StringMatching(`\$argon2id\$v=19\$m=[0-9]{1,4},t=[0-2],p=[0-2]\$[A-Za-z0-9+/]{0,24}\$[A-Za-z0-9+/]{0,48}`)).Draw(t, "hash")
		if err := NewChecker().Check("a", hash, "x", now); err == nil {
			t.Fatalf("%q matches", hash)
		}
	})
}
