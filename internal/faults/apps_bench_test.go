package faults

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
)

// BenchmarkAppAcrossNodes prints how long it takes until an App shows a request: one that is
// connected to the node where the request begins, and one that is connected to the other node.
func BenchmarkAppAcrossNodes(b *testing.B) {
	for b.Loop() {
		const users, rate, all = 50, 50, 500
		first, second := twoNodes(b, 0, unlimited, func(c *config.Config) {
			c.App.Limits.Begin = config.Rate{PerMinute: 10_000, Burst: 10_000}
			c.App.Limits.Subscriber, c.App.Limits.Device = c.App.Limits.Begin, c.App.Limits.Begin
		})
		var mu sync.Mutex
		shown := make(map[string]chan time.Time)
		apps, err := softapp.New(softapp.Config{Base: first.node.WebListenerURL() + softapp.Path, FastKDF: true, Observe: func(e person.Event) {
			if e.Kind == person.Shown {
				mu.Lock()
				defer mu.Unlock()
				select {
				case shown[e.MSISDN] <- time.Now():
				default:
				}
			}
		}})
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(b.Context())
		ran := make(chan error, 1)
		go func() { ran <- apps.Run(ctx) }()
		for i := range users {
			s := &mssp.Subscriber{MSISDN: appNumber(i), Serial: ca.NewSerial(), State: mssp.SubscriberActive}
			if err := first.node.Store.PutSubscriber(b.Context(), s); err != nil {
				b.Fatal(err)
			}
			code, _, err := first.node.Apps.Invite(b.Context(), s.MSISDN, true)
			if err == nil {
				_, err = apps.Enrol(b.Context(), code, softapp.EnrolOptions{})
			}
			if err != nil {
				b.Fatal(err)
			}
			shown[s.MSISDN] = make(chan time.Time, 1)
		}
		first.eventually("all Apps are connected", func() bool { return first.node.Apps.Connected() == users })
		for name, by := range map[string]*world{"same": first, "other": second} {
			took := make([]time.Duration, 0, all)
			var calls sync.WaitGroup
			tick := time.NewTicker(time.Second / rate)
			for i := range all {
				<-tick.C
				msisdn := appNumber(i % users)
				mu.Lock()
				at := make(chan time.Time, 1)
				shown[msisdn] = at
				mu.Unlock()
				began := time.Now()
				c := by.ask(msisdn, time.Minute)
				calls.Go(func() {
					r := <-c.answer
					by.wants("a signature of the App", r.err, 500, "")
					mu.Lock()
					took = append(took, (<-at).Sub(began))
					mu.Unlock()
				})
			}
			tick.Stop()
			calls.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, name+"-p50-ms")
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, name+"-p99-ms")
		}
		cancel()
		<-ran
		apps.Close()
	}
}
