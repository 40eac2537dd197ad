package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// diskStore knows one party from memory and looks for every other one on disk.
type diskStore struct{ mssp.Store }

func (diskStore) Party(_ context.Context, id string) (*mssp.Party, error) {
	if id == "mid://known" {
		return &mssp.Party{ID: id, Pins: []mssp.Pin{{1}}}, nil
	}
	time.Sleep(time.Millisecond)
	return nil, mssp.ErrNotFound
}

// The time of a refusal does not tell whether a party exists.
func TestAttackTimeTellsParty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, err := New(Config{Store: diskStore{}, Chains: noChains{}, Channels: map[signum.Method]mssp.Channel{signum.SIM: noChannel{}}})
		if err != nil {
			t.Fatal(err)
		}
		refused := func(id string) time.Duration {
			start := time.Now()
			h := signum.Header{AP: signum.APInfo{ID: id}}
			if _, err := e.party(t.Context(), &mssp.Caller{Pin: mssp.Pin{9}}, &h); signum.AsFault(err) == nil {
				t.Fatalf("%s was not refused: %v", id, err)
			}
			return time.Since(start)
		}
		if known, unknown := refused("mid://known"), refused("mid://unknown"); known != unknown {
			t.Errorf("a known party is refused after %s, an unknown one after %s", known, unknown)
		}
	})
}

type noChains struct{ mssp.Chains }
