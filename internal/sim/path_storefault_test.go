package sim_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
)

// faultyCalls is a store of which some calls fail, or hang for as long as their context
// lasts.
type faultyCalls struct {
	sim.Store
	mu    sync.Mutex
	call  string // that is hit
	from  int    // the first one that is hit
	more  int    // how many after it
	hangs bool
	calls int
	hit   int
}

// set sets which calls are hit from now on.
func (s *faultyCalls) set(call string, from, more int, hangs bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call, s.from, s.more, s.hangs, s.calls, s.hit = call, from, more, hangs, 0, 0
}

// heal ends the fault, and returns how many calls were hit.
func (s *faultyCalls) heal() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.call = ""
	return s.hit
}

// storeTime is what the store takes at most, as on PostgreSQL.
const storeTime = 10 * time.Second

func (s *faultyCalls) pass(ctx context.Context, call string) error {
	s.mu.Lock()
	if s.call != call {
		s.mu.Unlock()
		return nil
	}
	s.calls++
	if s.calls < s.from || s.calls > s.from+s.more {
		s.mu.Unlock()
		return nil
	}
	s.hit++
	hangs := s.hangs
	s.mu.Unlock()
	if hangs {
		select {
		case <-ctx.Done():
		case <-time.After(storeTime):
		}
	}
	return errors.New("the store failed")
}

func (s *faultyCalls) CardOf(ctx context.Context, msisdn string) (*mssp.Card, error) {
	if err := s.pass(ctx, "CardOf"); err != nil {
		return nil, err
	}
	return s.Store.CardOf(ctx, msisdn)
}

func (s *faultyCalls) TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error) {
	if err := s.pass(ctx, "TakeCounter"); err != nil {
		return 0, err
	}
	return s.Store.TakeCounter(ctx, iccid, least)
}

func (s *faultyCalls) AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error) {
	if err := s.pass(ctx, "AcceptReply"); err != nil {
		return false, err
	}
	return s.Store.AcceptReply(ctx, iccid, counter)
}

// A fault of the store, at whatever call of the channel it comes and however long it lasts, is
// never told as one of the phone or of the user. Afterwards the user can sign.
func TestPathStoreFaults(t *testing.T) {
	st := &faultyCalls{}
	hit := map[string]int{}
	inBubble(t, func(t *testing.T, p *path) {
		type row struct {
			call       string
			hangs      bool
			from, more int
			u          *user
		}
		var rows []row
		for _, call := range []string{"CardOf", "TakeCounter", "AcceptReply"} {
			for _, hangs := range []bool{false, true} {
				for _, more := range []int{0, 1000} {
					for from := 1; from <= 3; from++ {
						n := len(rows) + 1
						rows = append(rows, row{call, hangs, from, more, p.addUser(n, userSpec{inactive: from == 2 || n%2 == 0})})
					}
				}
			}
		}
		for _, r := range rows {
			c := &call{u: r.u, text: "Bank: Login?"}
			st.set(r.call, r.from, r.more, r.hangs)
			err := p.sign(c, 0)
			n := st.heal()
			hit[r.call] += n
			what := fmt.Sprintf("%s from call %d on, %d more, hangs %t, %d hit", r.call, r.from, r.more, r.hangs, n)
			if err != nil || c.told != signum.SignatureMade && c.told != signum.InternalError {
				t.Errorf("%s: %d, %v", what, c.told, err)
			}
			time.Sleep(time.Minute)
			c = &call{u: r.u, text: "Bank: Login?"}
			if err := p.sign(c, 0); err != nil || c.told != signum.SignatureMade {
				t.Errorf("%s: the next request: %d, %v", what, c.told, err)
			}
		}
	}, func(c *pathConfig) {
		c.sim = func(sc *sim.Config) { st.Store, sc.Store = sc.Store, st }
	})
	for _, call := range []string{"CardOf", "TakeCounter", "AcceptReply"} {
		if hit[call] == 0 {
			t.Errorf("no call of %s was hit", call)
		}
	}
}
