package node

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/testkit"
)

// fakeDoor records when a drain does what, and has a request that waits for a while.
type fakeDoor struct {
	began            time.Time
	waits            time.Duration // of the request; negative: it ends by itself never
	err              error
	farewell, closed time.Duration
	busy             atomic.Int32
}

func (d *fakeDoor) Farewell() { d.farewell = time.Since(d.began) }
func (d *fakeDoor) Busy() int { return int(d.busy.Load()) }

func (d *fakeDoor) Drain(ctx context.Context) error {
	d.closed = time.Since(d.began)
	if d.err != nil {
		return d.err
	}
	var answered <-chan time.Time
	if d.waits >= 0 {
		answered = time.After(d.waits)
	}
	select {
	case <-answered:
		d.busy.Store(0)
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// TestDrainSteps: when what happens, and how long a drain takes at most.
func TestDrainSteps(t *testing.T) {
	const s = time.Second
	broken := errors.New("broken")
	for name, tt := range map[string]struct {
		waits            time.Duration
		doorErr          error
		fail             time.Duration // 0: never
		took             time.Duration
		farewell, closed time.Duration // 0: never
		err              error
		log              string // besides its beginning and its end
	}{
		"nobody waits":             {took: 6 * s, farewell: 3 * s, closed: 6 * s},
		"answered in time":         {waits: 25 * s, took: 31 * s, farewell: 3 * s, closed: 6 * s, log: `msg="drain goes on" requests=1`},
		"never answered":           {waits: -1, took: 96 * s, farewell: 3 * s, closed: 6 * s, log: `still_waiting=1`},
		"a part fails":             {waits: -1, fail: 20 * s, took: 20 * s, farewell: 3 * s, closed: 6 * s, err: broken},
		"a part fails early":       {waits: -1, fail: s, took: s, err: broken},
		"the listener cannot stop": {doorErr: broken, took: 6 * s, farewell: 3 * s, closed: 6 * s, err: broken},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(testkit.Buffer)
				door := &fakeDoor{began: time.Now(), waits: tt.waits, err: tt.doorErr}
				door.busy.Store(1)
				other := &fakeDoor{began: door.began}
				failed := make(chan error, 1)
				if tt.fail > 0 {
					time.AfterFunc(tt.fail, func() { failed <- broken })
				}
				d := &drain{announce: 6 * s, wait: 90 * s, log: slog.New(slog.NewTextHandler(log, nil)), door: door, others: []farewell{other}, failed: failed}
				err := d.run()
				if took := time.Since(door.began); !errors.Is(err, tt.err) || took != tt.took || door.farewell != tt.farewell || other.farewell != tt.farewell || other.closed != 0 || door.closed != tt.closed {
					t.Errorf("%v after %s, farewell after %s, closed after %s; want %+v", err, took, door.farewell, door.closed, tt)
				}
				for _, line := range []string{`msg="drain begins" announce=6s wait=1m30s requests=1`, `msg="drain ended"`, tt.log} {
					if !strings.Contains(log.String(), line) {
						t.Errorf("no %s in the log:\n%s", line, log)
					}
				}
			})
		})
	}
}

// refuses waits until nobody can connect to an address.
func refuses(addr string) {
	for {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		c.Close()
	}
}

// TestDrain: the node says that it is not ready, and accepts application providers for a
// while. Then those who wait get their outcomes, because the phones can still answer.
func TestDrain(t *testing.T) {
	a := newArena(t, func(c *config.Config) {
		c.Listen.Ops.Address = "127.0.0.1:0"
		c.Drain = config.Drain{Announce: 200 * time.Millisecond, Wait: time.Minute}
	})
	c, s := a.party("mid://party", false), a.user(1, signum.SIM, phonetest.Silent)
	type answer struct {
		resp *signum.SignatureResponse
		err  error
	}
	waits := make(chan answer, 1)
	go func() {
		resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: s.MSISDN, Text: "Log in?"})
		waits <- answer{resp, err}
	}()
	id := <-a.shown
	stopped := make(chan error, 1)
	go func() { stopped <- a.stop() }()
	for status := 200; status != http.StatusServiceUnavailable; {
		var body string
		if status, body = get(t, a.OpsURL()+"/readyz?verbose"); status == 503 && !strings.Contains(body, "[-] listeners: the node is draining, requests under way: 1\n") {
			t.Errorf("not ready: %s", body)
		}
	}
	refuses(a.MSSAddr())
	for _, url := range []string{a.WebListenerURL() + "/phone", a.PKIListenerURL() + "/", a.OpsURL() + "/livez"} {
		if status, _ := get(t, url); status >= 500 {
			t.Errorf("%s: %d", url, status)
		}
	}
	if err := a.phones.Act(s.Devices[0].ID, id, phonetest.Approve); err != nil {
		t.Error(err)
	}
	if w := <-waits; w.err != nil || w.resp == nil {
		t.Errorf("the request that waited: %v", w.err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}

// TestDrainEnds: who waits longer than the drain is told, and the transaction goes on.
func TestDrainEnds(t *testing.T) {
	a := newArena(t, func(c *config.Config) { c.Drain.Wait = time.Millisecond })
	c, s := a.party("mid://party", false), a.user(1, signum.SIM, phonetest.Silent)
	waits := make(chan error, 1)
	go func() { waits <- a.signs(c, s) }()
	id := <-a.shown
	if err := a.stop(); err != nil {
		t.Error(err)
	}
	if f := signum.AsFault(<-waits); f == nil || f.Code != signum.InternalError || f.Detail != "The service is stopping" {
		t.Errorf("the request that waited: %v", f)
	}
	tx, err := a.Store.Transaction(t.Context(), id)
	if err != nil || tx.State != mssp.StateOutstanding {
		t.Errorf("the transaction: %v, %v", tx, err)
	}
}
