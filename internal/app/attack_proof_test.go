package app

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/limit"
)

// TestAttackFloodOfProofs: a device that makes far more calls than it may leaves the
// memory of proofs to the others.
func TestAttackFloodOfProofs(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Device = limit.PerMinute(120, 60) })
	w.server.proofs = newMemory(2*proofWindow, 300)
	eve, p := w.enrol(bob), w.enrol(alice)
	refused := 0
	for range 400 {
		if r := eve.call("GET", "/app/v2/requests", nil); r.status == 429 {
			refused++
		}
	}
	if refused < 300 {
		t.Errorf("only %d of 400 calls are refused", refused)
	}
	p.call("GET", "/app/v2/requests", nil).is(t, 200, "")
}

// TestAttackReplayCostsNothing: a stranger who repeats somebody's proof does not use
// up the limit of that device.
func TestAttackReplayCostsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(c *Config) { c.Limits.Device = limit.PerMinute(1, 10) })
	p := w.enrol(alice)
	proof := p.proof("GET", "/app/v2/requests", nil)
	w.do("GET", "/app/v2/requests", proof, nil).is(t, 200, "")
	for range 50 {
		w.do("GET", "/app/v2/requests", proof, nil).is(t, 401, "replay")
	}
	p.call("GET", "/app/v2/requests", nil).is(t, 200, "")
}

// TestAttackReplayAfterRestart: a proof of a phone whose clock is fast is not good
// for a second call after the service has restarted.
func TestAttackReplayAfterRestart(t *testing.T) {
	t.Parallel()
	for _, ahead := range []int{0, 1, 2, 30, 59, 60} {
		w := newWorld(t)
		p := w.enrol(alice)
		p.skew = int64(ahead)
		proof := p.proof("GET", "/app/v2/requests", nil)
		used := w.do("GET", "/app/v2/requests", proof, nil).status == 200
		w.stop()
		w.clock.Advance(time.Millisecond)
		w.boot()
		for range 70 {
			if w.do("GET", "/app/v2/requests", proof, nil).status == 200 {
				if used {
					t.Fatalf("%d s ahead: accepted twice", ahead)
				}
				used = true
			}
			w.clock.Advance(time.Second)
		}
	}
}

// TestAttackReplayAtAnyTime: whatever the clocks of phones, the load and the restarts,
// a proof is accepted at most once, and a phone with the right time is not refused.
func TestAttackReplayAtAnyTime(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	w := newWorld(t)
	small := func() { w.server.proofs = newMemory(proofWindow, 5) }
	small()
	phones := []*phone{w.enrol(alice), w.enrol(bob)}
	var proofs []string
	accepted := map[string]int{}
	send := func(proof string) bool {
		ok := w.do("GET", "/app/v2/requests", proof, nil).status == 200
		if ok {
			accepted[proof]++
		}
		return ok
	}
	for range 3000 {
		switch r.IntN(20) {
		case 0:
			w.stop()
			w.clock.Advance(time.Millisecond) // no process starts in less
			w.boot()
			small()
		case 1, 2:
			w.clock.Advance(time.Duration(r.IntN(90_000)) * time.Millisecond)
		case 3, 4, 5, 6:
			p := phones[r.IntN(2)]
			p.skew = int64(r.IntN(140) - 70)
			proofs = append(proofs, p.proof("GET", "/app/v2/requests", nil))
		case 7, 8:
			w.clock.Advance(time.Duration(1+r.IntN(5)) * time.Millisecond)
			p := phones[r.IntN(2)]
			p.skew = 0
			proof := p.proof("GET", "/app/v2/requests", nil)
			if proofs = append(proofs, proof); !send(proof) {
				t.Fatal("a new proof of the right time is refused")
			}
		default:
			if len(proofs) > 0 {
				send(proofs[max(0, len(proofs)-1-r.IntN(12))])
			}
		}
	}
	for proof, n := range accepted {
		if n > 1 {
			t.Fatal(fmt.Sprintf("accepted %d times: ", n), proof)
		}
	}
	if len(accepted) < 100 {
		t.Errorf("only %d proofs were accepted", len(accepted))
	}
}
