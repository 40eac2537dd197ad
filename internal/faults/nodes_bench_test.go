package faults

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// BenchmarkWakeAcrossNodes prints how long it takes from the end of a transaction at one node
// until its party hears of it at the other, at 200 a second, and the same at one node.
func BenchmarkWakeAcrossNodes(b *testing.B) {
	for b.Loop() {
		first, second := twoNodes(b, 0, unlimited)
		const users, rate, all = 500, 200, 2000
		for i := range users {
			first.addAppUser(i)
		}
		for name, by := range map[string]*world{"same": first, "other": second} {
			var mu sync.Mutex
			var took []time.Duration
			var g sync.WaitGroup
			tick := time.NewTicker(time.Second / rate)
			for i := range all {
				<-tick.C
				g.Go(func() {
					d := first.wake(by, appNumber(i%users))
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
				})
			}
			tick.Stop()
			g.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
		}
	}
}

// BenchmarkTwoNodes prints what two nodes on this machine do together, compared with one alone,
// in turn: signatures by SIM a second, with the messages of phones going to any node.
func BenchmarkTwoNodes(b *testing.B) {
	for b.Loop() {
		const users, rounds, length = 64, 5, 3 * time.Second
		alone := newWorld(b, pgtest.URL(b), users, unlimited)
		first := newWorld(b, pgtest.URL(b), users, unlimited)
		second := first.another()
		ratios := make([]float64, 0, rounds)
		for range rounds {
			one := rate(length, users, alone)
			two := rate(length, users, first, second)
			b.Logf("one node %.0f/s, two nodes %.0f/s", one, two)
			ratios = append(ratios, two/one)
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[rounds/2], "two/one")
	}
}

// BenchmarkNotices prints what notices of each end of a transaction cost: transactions of Apps
// that end a second, at a node with another one that listens, compared with a node alone.
func BenchmarkNotices(b *testing.B) {
	for b.Loop() {
		const users, rounds, length = 64, 5, 3 * time.Second
		alone := newWorld(b, pgtest.URL(b), 0, unlimited)
		told := newWorld(b, pgtest.URL(b), 0, unlimited)
		told.another()
		for i := range users {
			alone.addAppUser(i)
			told.addAppUser(i)
		}
		ratios := make([]float64, 0, rounds)
		for range rounds {
			without := ends(length, users, alone)
			with := ends(length, users, told)
			b.Logf("without notices %.0f/s, with notices %.0f/s", without, with)
			ratios = append(ratios, with/without)
		}
		slices.Sort(ratios)
		b.ReportMetric(ratios[rounds/2], "with/without")
	}
}

// ends lets transactions of all users begin and end for as long as that, and returns how many
// there were a second.
func ends(length time.Duration, users int, w *world) float64 {
	var done atomic.Int64
	var g sync.WaitGroup
	end := time.Now().Add(length)
	for i := range users {
		g.Go(func() {
			for time.Now().Before(end) {
				w.wake(w, appNumber(i))
				done.Add(1)
			}
		})
	}
	g.Wait()
	return float64(done.Load()) / length.Seconds()
}

// unlimited lets a party ask as often as it likes.
func unlimited(c *config.Config) {
	c.Limits.Party.Requests = config.Rate{PerMinute: 1_000_000, Burst: 1_000_000}
}

// rate asks all users for as long as that, each of them one request at a time, at the nodes in
// turn, and returns how many signatures there were a second.
func rate(length time.Duration, users int, nodes ...*world) float64 {
	var done atomic.Int64
	var g sync.WaitGroup
	end := time.Now().Add(length)
	for i := range users {
		g.Go(func() {
			for n := i; time.Now().Before(end); n++ {
				if w := nodes[n%len(nodes)]; w.sign(number(i), time.Minute) == nil {
					done.Add(1)
				}
			}
		})
	}
	g.Wait()
	return float64(done.Load()) / length.Seconds()
}

func appNumber(i int) string { return fmt.Sprintf("+4179700%04d", i) }

// addAppUser adds a user with an App that is never connected: the test answers for it.
func (w *world) addAppUser(i int) {
	w.t.Helper()
	s := &mssp.Subscriber{MSISDN: appNumber(i), Serial: ca.NewSerial(), State: mssp.SubscriberActive}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	device := fmt.Sprintf("app-%d", i)
	cert, err := w.node.CA.Issue(w.t.Context(), s.Serial, device, key.Public())
	if err != nil {
		w.t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(device))
	now := time.Now()
	err = w.node.Store.PutSubscriber(w.t.Context(), s)
	if err == nil {
		err = w.node.Store.PutInvite(w.t.Context(), &mssp.Invite{MSISDN: s.MSISDN, CodeHash: hash[:], Trusted: true, Created: now, Expires: now.Add(time.Hour)})
	}
	if err == nil {
		err = w.node.Store.EnrolApp(w.t.Context(), &mssp.Enrolment{
			CodeHash: hash[:],
			App:      &mssp.AppDevice{DeviceID: device, MSISDN: s.MSISDN, AuthKey: []byte(device), VerifierHash: hash[:], Share: hash[:], TriesLeft: mssp.MaxPasscodeTries, Enrolled: now},
			Device:   mssp.Device{ID: device, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC, Certificate: cert},
		}, now)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// wake asks a user, declines for the user at a node, and returns how long the party then waited.
func (w *world) wake(by *world, msisdn string) time.Duration {
	c := w.ask(msisdn, time.Minute)
	var tx *mssp.Transaction
	for tx == nil {
		select {
		case r := <-c.answer:
			panic(r.err)
		default:
		}
		if list, err := by.node.Store.SubscriberPending(context.Background(), msisdn); err == nil && len(list) == 1 {
			tx = list[0]
		}
	}
	began := time.Now()
	err := by.node.Answers().Answer(context.Background(), mssp.DeviceAnswer{Op: mssp.OpSign, TransID: tx.ID, DeviceID: tx.DeviceID, Fault: signum.NewFault(signum.OTAError)})
	if err != nil {
		panic(err)
	}
	<-c.answer
	return time.Since(began)
}
