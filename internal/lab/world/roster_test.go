package world

import (
	"fmt"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/scenario"
)

// Patterns stop at a number of users, so that a scan of a number range fills neither
// memory nor disk.
func TestLimit(t *testing.T) {
	t.Parallel()
	r := newRoster([]scenario.User{{MSISDN: "+41790*"}}, false)
	for i := range MaxMade {
		if ok, _ := r.begin(fmt.Sprint(i)); !ok {
			t.Fatalf("%d refused", i)
		}
	}
	for i, want := range []bool{true, false} {
		if ok, first := r.begin("x"); ok || first != want {
			t.Errorf("%d: %t, first %t", i, ok, first)
		}
	}
}
