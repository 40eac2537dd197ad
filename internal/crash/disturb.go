//go:build linux

package main

import (
	"context"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// disturbance is what may happen to a service.
type disturbance struct {
	name   string
	weight int // how often, among the others
	happen func(context.Context) error
}

// disturbances returns what may happen to this one.
func (r *run) disturbances() []disturbance {
	all := []disturbance{
		{"", 12, r.crashAndStart},
		{"stops by SIGTERM", 1, r.stopAndStart},
	}
	if pg := r.pg; pg != nil {
		all = append(all,
			disturbance{"restarts of PostgreSQL", 2, func(ctx context.Context) error { return downFor(ctx, pg, pg.Stop, r.upTo(2*time.Second)) }},
			disturbance{"PostgreSQL killed", 2, func(ctx context.Context) error { return downFor(ctx, pg, pg.Kill, r.upTo(3*time.Second)) }},
			disturbance{"PostgreSQL frozen", 1, func(ctx context.Context) error { freeze(ctx, pg, r.upTo(4*time.Second)); return nil }},
		)
	}
	if r.disk != nil {
		all = append(all, disturbance{"disk full", 2, r.fillDisk})
	}
	all = append(all, r.person.disturbances()...)
	return append(all, r.target.disturbances(r)...)
}

// fillDisk leaves the database without space for a time, one time in three also while the
// service is killed. It and PostgreSQL must go on by themselves, or start, once there is
// space.
func (r *run) fillDisk(ctx context.Context) error {
	if err := r.disk.Fill(); err != nil {
		return err
	}
	sleep(ctx, r.upTo(5*time.Second))
	killed := r.rand.IntN(3) == 0
	if killed {
		if err := r.kill(ctx); err != nil {
			return err
		}
	}
	if err := r.disk.Free(); err != nil {
		return err
	}
	if r.pg != nil { // it stops by itself if it cannot write its log
		if err := r.pg.Start(ctx); err != nil {
			return err
		}
	}
	if killed {
		return r.start(ctx)
	}
	return r.target.alive()
}

// downFor ends PostgreSQL, and starts it after a time.
func downFor(ctx context.Context, pg *pgtest.Server, end func(), length time.Duration) error {
	end()
	sleep(ctx, length)
	return pg.Start(ctx)
}

// freeze stops PostgreSQL for a time, as a machine does that hangs.
func freeze(ctx context.Context, pg *pgtest.Server, length time.Duration) {
	pg.Freeze()
	sleep(ctx, length)
	pg.Thaw()
}

// disturb lets something happen at random times until the load is over and enough processes were
// killed, and leaves the service running.
func (r *run) disturb(ctx context.Context) error {
	end, said, all := time.Now().Add(r.length), time.Now(), r.disturbances()
	for time.Now().Before(end) || r.kills < r.least {
		if !sleep(ctx, 300*time.Millisecond+r.upTo(r.pause)) {
			return ctx.Err()
		}
		d := r.pick(all)
		if d.name != "" {
			r.others[d.name]++
		}
		if err := d.happen(ctx); err != nil {
			return err
		}
		if time.Since(said) > 10*time.Second {
			said = time.Now()
			r.progress("%d kills, %d of them while it started; %d calls, %d signatures", r.kills, r.early, r.load.sent.Load(), r.load.signed.Load())
		}
	}
	return nil
}

func (r *run) pick(all []disturbance) disturbance {
	sum := 0
	for _, d := range all {
		sum += d.weight
	}
	n := r.rand.IntN(sum)
	for _, d := range all {
		if n -= d.weight; n < 0 {
			return d
		}
	}
	panic("unreachable")
}

// crashAndStart kills the service and starts it; one time in six it is killed again
// while it starts.
func (r *run) crashAndStart(ctx context.Context) error {
	if err := r.kill(ctx); err != nil {
		return err
	}
	for r.rand.IntN(6) == 0 {
		if err := r.target.launch(); err != nil {
			return err
		}
		sleep(ctx, r.upTo(r.starts[0]))
		r.early++
		if err := r.kill(ctx); err != nil {
			return err
		}
	}
	return r.start(ctx)
}

// kill kills the service, and looks at the counters of its cards.
func (r *run) kill(ctx context.Context) error {
	if err := r.target.alive(); err != nil {
		return err
	}
	r.target.kill()
	r.kills++
	return r.look(ctx)
}

// stopAndStart stops the service as an operator does.
func (r *run) stopAndStart(ctx context.Context) error {
	if err := r.target.stop(); err != nil {
		return err
	}
	if err := r.look(ctx); err != nil {
		return err
	}
	return r.start(ctx)
}

// upTo returns a random duration.
func (r *run) upTo(d time.Duration) time.Duration { return time.Duration(r.rand.Int64N(int64(d))) }

// look compares the counters of the cards with those in the database, unless they are in use.
func (r *run) look(ctx context.Context) error {
	if dir := r.target.cards(); dir != "" {
		return r.watch.look(ctx, r.target.database(), dir)
	}
	return nil
}
