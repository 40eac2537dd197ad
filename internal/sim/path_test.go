package sim_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

var pathSeed = flag.Uint64("path.seed", 0, "seed of the first crowd of TestPathCrowds; the second has the next one. 0: any")

// trouble is every fault that can happen to a message.
var trouble = smsc.Faults{
	Loss: 0.04, Duplicate: 0.04, Reorder: 0.05, Delay: 300 * time.Millisecond, DelayJitter: 2 * time.Second, Throttle: 0.005, Disconnect: 0.0005,
}

// TestPathCrowds sends ten thousand requests through everything, with all kinds
// of persons and all kinds of trouble at once, on the clock of a bubble. The race
// detector makes each request cost six times as much and needs fewer of them to
// find what it can find. There are two crowds because a bubble keeps only one CPU
// busy: hardly two things happen in it at the same instant.
func TestPathCrowds(t *testing.T) {
	users, calls := 150, 36
	switch {
	case testing.Short():
		users, calls = 75, 10
	case raceDetector:
		users, calls = 150, 8
	}
	rsaKey() // made outside the bubble, where it takes real time
	seed := *pathSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	for n := range uint64(2) {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			t.Parallel()
			url := "sqlite:" + filepath.Join(t.TempDir(), "db")
			began := time.Now()
			synctest.Test(t, func(t *testing.T) { pathBubble(t, url, seed+n, users, calls) })
			t.Logf("took %s", time.Since(began).Round(time.Millisecond))
		})
	}
}

func pathBubble(t *testing.T, url string, seed uint64, users, calls int) {
	from := time.Now()
	p := newPath(t, pathConfig{url: url, pipes: true, seed: seed, sweep: time.Second})
	c := &crowd{p: p, t: t, seed: seed, tempo: tempo{
		think: 15 * time.Second, gap: 5 * time.Second, away: 15 * time.Second, poll: 8 * time.Second, quiet: 12 * time.Second,
		rest: 5 * time.Minute, slow: "300", silent: 0.06,
	}}
	a := c.play(users, calls, trouble, c.restarts(4*time.Minute))
	a.report()
	if a.lost > max(5, a.approved/200) { // there are two or three chances to be heard in 80 s
		t.Errorf("seed %d: of %d persons who approved, %d were not heard", seed, a.approved, a.lost)
	}
	t.Logf("%s in the bubble", time.Since(from).Round(time.Second))
}

// play makes the users, runs the crowd while making trouble, waits until everything is
// over, and checks that nothing is left.
func (c *crowd) play(users, calls int, f smsc.Faults, making func(done <-chan struct{})) *audit {
	p := c.p
	p.addParties()
	var all []*user
	for n := range users {
		spec := userSpec{inactive: n%10 == 1}
		if n%30 == 2 {
			spec.keyType = signum.RSA
		}
		switch n % 8 {
		case 3:
			spec.algorithm, spec.keyLength = mssp.Card3DES, 16+n%16/8*8
		case 5:
			spec.keyLength = 32
		}
		all = append(all, p.addUser(n+1, spec))
	}
	p.smsc.SetFaults(f)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		making(done)
	}()
	c.run(all, calls)
	close(done)
	<-stopped
	p.smsc.SetFaults(smsc.Faults{})
	time.Sleep(c.tempo.rest)
	a := c.audit()
	c.leftovers(a)
	p.close()
	return a
}

// restarts repeatedly stops the service and starts it again a little later; in between,
// the SMSC cuts the connections.
func (c *crowd) restarts(every time.Duration) func(<-chan struct{}) {
	rng := rand.New(rand.NewPCG(c.seed, 0))
	return func(done <-chan struct{}) {
		for n := 0; ; n++ {
			select {
			case <-done:
				return
			case <-time.After(every/2 + time.Duration(rng.Int64N(int64(every)))):
			}
			if n%2 == 1 {
				c.p.smsc.Disconnect()
				continue
			}
			c.p.down()
			time.Sleep(time.Duration(rng.Int64N(int64(10 * time.Second))))
			c.p.start()
		}
	}
}

// leftovers checks that nothing is left.
func (c *crowd) leftovers(a *audit) {
	n := c.p.enter()
	defer n.leave()
	stats := append(c.p.gone, n.channel.Stats())
	if s := stats[len(stats)-1]; s.Pending != 0 || s.Queued != 0 || s.Reassembling != 0 {
		a.errorf("left in the channel: %+v", s)
	}
	for _, d := range []smsc.Direction{smsc.ToPhone, smsc.ToESME} {
		n := c.p.smsc.Counters(d)
		c.t.Logf("SMSC, direction %d: %+v", d, n)
		// With few messages, some fault may never happen.
		if i := n.Injected; n.Taken > 5000 && i.Lost*i.Duplicated*i.Reordered*i.Delayed*i.Throttled == 0 {
			a.errorf("too little trouble")
		}
		if n.Waiting != 0 {
			a.errorf("%d messages wait in the SMSC", n.Waiting)
		}
	}
	c.t.Logf("%d lives of the service; %+v", len(stats), total(stats))
}

func total(all []sim.Stats) (sum sim.Stats) {
	for _, s := range all {
		sum.Requests += s.Requests
		sum.Attempts += s.Attempts
		sum.Retries += s.Retries
		sum.Parts += s.Parts
		sum.SubmitErrors += s.SubmitErrors
		sum.Delivered += s.Delivered
		sum.Receipts += s.Receipts
		sum.PoROK += s.PoROK
		sum.PoRErrors += s.PoRErrors
		sum.Replies += s.Replies
		sum.Late += s.Late
		sum.Replayed += s.Replayed
		sum.Postponed += s.Postponed
		sum.Answers += s.Answers
		sum.AnswerErrors += s.AnswerErrors
		sum.Unreached += s.Unreached
	}
	return sum
}

// TestPathTCP is a smaller crowd over loopback TCP, in real time, on both
// databases. The SMSC cuts the connections twice.
func TestPathTCP(t *testing.T) {
	rsaKey()
	t.Run("sqlite", func(t *testing.T) {
		t.Parallel()
		pathTCP(t, "sqlite:"+filepath.Join(t.TempDir(), "db"), 60, 5)
	})
	t.Run("postgres", func(t *testing.T) {
		t.Parallel()
		pathTCP(t, pgtest.URL(t), 40, 3)
	})
}

func pathTCP(t *testing.T, url string, users, calls int) {
	seed := rand.Uint64()
	const lag = time.Second // longer than any message is under way
	p := newPath(t, pathConfig{
		url: url, seed: seed, sweep: 100 * time.Millisecond,
		retry: sim.Retry{Backoff: 100 * time.Millisecond, MaxBackoff: 500 * time.Millisecond, Silence: 700 * time.Millisecond, Patience: 2 * time.Second},
		sim:   func(c *sim.Config) { c.ReplyLifetime = 2 * lag },
		smsc:  func(c *smsc.Config) { c.RadioTimeout, c.RetryPause, c.ReorderWait = lag, lag/5, lag/5 },
		smpp:  func(c *smpp.ClientConfig) { c.MinBackoff, c.MaxBackoff = lag/50, lag/2 },
	})
	c := &crowd{p: p, t: t, seed: seed, tempo: tempo{
		think: lag / 2, gap: lag / 5, away: lag, poll: lag / 5, quiet: 3 * lag / 2, rest: 5 * lag, slow: "25", fast: "15", silent: 0.03,
	}}
	f := trouble
	f.Delay, f.DelayJitter = lag/50, lag/5
	a := c.play(users, calls, f, func(done <-chan struct{}) {
		for range 2 {
			select {
			case <-time.After(2 * lag):
				p.smsc.Disconnect()
			case <-done:
				t.Error("it was over too soon")
			}
		}
	})
	a.report()
	if a.lost > a.approved/20 {
		t.Errorf("seed %d: of %d persons who approved, %d were not heard", seed, a.approved, a.lost)
	}
}
