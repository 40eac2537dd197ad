package sim

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/fair"
	"github.com/signum-mssp/signum/internal/mssp"
)

// disk does one write after the other, each in 40 ms.
type disk struct{ turns *fair.Turns }

func (d disk) write(ctx context.Context) error {
	if err := d.turns.Take(ctx, "", nil); err != nil {
		return err
	}
	defer d.turns.Leave()
	time.Sleep(40 * time.Millisecond)
	return nil
}

// late reports what the gate of a node does.
func (d disk) late() bool { return d.turns.Age() > time.Second }

type diskStore struct {
	Store
	disk
}

func (s diskStore) TakeCounter(ctx context.Context, iccid string, least uint64) (uint64, error) {
	if err := s.write(ctx); err != nil {
		return 0, err
	}
	return s.Store.TakeCounter(ctx, iccid, least)
}

func (s diskStore) AcceptReply(ctx context.Context, iccid string, counter uint64) (bool, error) {
	if err := s.write(ctx); err != nil {
		return false, err
	}
	return s.Store.AcceptReply(ctx, iccid, counter)
}

type diskEngine struct {
	*fakeEngine
	disk
}

func (e diskEngine) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	if err := e.write(ctx); err != nil {
		return err
	}
	return e.fakeEngine.Answer(ctx, a)
}

// Many requests at once, and a disk that is too slow for the answers to come within the
// silence: all are answered, and hardly a packet is sent twice. Without Late, each packet
// that is sent again is one more write, and makes the answers later still.
func TestOverload(t *testing.T) {
	const users = 200
	d := disk{}
	run(t, func(w *world) {
		w.ch.Connect(diskEngine{w.engine, d}, w.engine)
		for i := range users {
			w.ask(w.request(w.card(ecKey), mssp.OpSign, fmt.Sprintf("_%d", i), text))
		}
		pass(lifetime)
		s := w.ch.Stats()
		if n := len(w.engine.answers()); n != users {
			t.Errorf("%d of %d are answered", n, users)
		}
		if s.Attempts > users*12/10 {
			t.Errorf("%d packets for %d requests", s.Attempts, users)
		}
		if s.Late > users/100 {
			t.Errorf("%d late replies", s.Late)
		}
		pass(lifetime)
		w.empty()
	}, func(c *Config) {
		d.turns = fair.NewTurns(1, time.Now)
		c.Retry.Silence, c.Retry.Patience = 3*time.Second, 3*time.Second
		c.Store, c.Late = diskStore{c.Store, d}, d.late
	})
}
