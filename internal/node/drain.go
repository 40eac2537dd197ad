package node

import (
	"context"
	"log/slog"
	"time"

	"github.com/signum-mssp/signum/internal/event"
)

// drainLog is how often the log says how many requests a drain waits for.
const drainLog = 10 * time.Second

// drain lets the application providers who wait get their outcomes before the node
// stops:
//
//	announce: /readyz says 503; all listeners accept, so that a load balancer can notice
//	          in its second half, clients are told to leave the connections that they have
//	wait:     the listener mss accepts nothing; requests that wait go on waiting
//
// Meanwhile everything else goes on, the listener web included, because phones answer
// the requests: SIMs through the SMSC, Apps by new calls, maybe over new connections.
// Apps stay connected, and are sent elsewhere by the stop that follows.
//
// It returns as soon as no request waits, or with the error of a part that failed.
func (n *Node) drain(failed <-chan error) error {
	c := n.current().Drain
	d := &drain{announce: c.Announce, wait: c.Wait, log: n.deps.Logger, door: n.doors.mss, others: []farewell{n.doors.web, n.doors.pki}, failed: failed}
	if c.Announce == 0 && c.Wait == 0 {
		return nil
	}
	n.health.set(draining)
	return d.run()
}

// farewell is a door that stays open until the stop. Its clients find another node
// sooner, and the stop breaks fewer connections, if they leave before.
type farewell interface{ Farewell() }

// leaver is the door that is drained.
type leaver interface {
	farewell
	Drain(context.Context) error
	Busy() int
}

type drain struct {
	announce, wait time.Duration
	log            *slog.Logger
	door           leaver
	others         []farewell
	failed         <-chan error // of parts
}

func (d *drain) run() (err error) {
	began := time.Now()
	d.log.Info("drain begins", "announce", d.announce, "wait", d.wait, "requests", d.door.Busy())
	defer func() {
		d.log.Info("drain ended", "after", time.Since(began).Round(time.Millisecond), "still_waiting", d.door.Busy())
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		defer event.Rescue(d.log, "drain", func() { ended <- errEnded })
		ended <- d.steps(ctx)
	}()
	tick := time.NewTicker(drainLog)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return err
		case err := <-d.failed:
			cancel()
			<-ended
			return err
		case <-tick.C:
			d.log.Info("drain goes on", "requests", d.door.Busy())
		}
	}
}

// steps returns no error when ctx ends or the time is up.
func (d *drain) steps(ctx context.Context) error {
	if !pause(ctx, d.announce/2) {
		return nil
	}
	d.door.Farewell()
	for _, o := range d.others {
		o.Farewell()
	}
	if !pause(ctx, d.announce-d.announce/2) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, d.wait)
	defer cancel()
	if err := d.door.Drain(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// pause returns false if ctx ends meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
