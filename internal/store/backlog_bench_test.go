package store

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// BenchmarkBacklog compares how long a transaction and its outcome take to be written while
// a backlog is deleted (one row an op, in the slices and with the pauses of package
// retention) with how long they take alone.
func BenchmarkBacklog(b *testing.B) {
	benchEngines(b, func(b *testing.B, url string) {
		s, ctx := benchStore(b, url), b.Context()
		now := time.Now()
		old := now.Add(-5 * time.Hour)
		for _, at := range []time.Time{old, now} {
			if err := s.MakePartitions(ctx, at, time.Hour); err != nil {
				b.Fatal(err)
			}
		}
		benchEndedAt(b, s, b.N, true, old)
		var deleting time.Duration
		run := func(what func()) (p50, p99 time.Duration) {
			ctx, stop := context.WithCancel(ctx)
			defer stop()
			var users sync.WaitGroup
			var took [4][]time.Duration
			for i := range took {
				users.Go(func() { took[i] = benchUser(ctx, b, s) })
			}
			what()
			stop()
			users.Wait()
			all := slices.Concat(took[:]...)
			slices.Sort(all)
			return all[len(all)/2], all[len(all)*99/100]
		}
		alone, alone99 := run(func() { time.Sleep(3 * time.Second) })
		b.ResetTimer()
		beside, beside99 := run(func() {
			for begin := time.Now(); ; {
				if _, err := s.DropPartitions(ctx, time.Now(), 0, 0, false); err != nil {
					b.Error(err)
				}
				slice := time.Now()
				n, err := s.PurgeRest(ctx, now.Add(-time.Hour), 200)
				if err != nil || n < 200 {
					deleting = time.Since(begin)
					return
				}
				time.Sleep(4 * time.Since(slice))
			}
		})
		b.StopTimer()
		b.ReportMetric(float64(alone.Microseconds()), "alone-p50-µs")
		b.ReportMetric(float64(beside)/float64(alone), "beside/alone-p50")
		b.ReportMetric(float64(beside99)/float64(alone99), "beside/alone-p99")
		b.ReportMetric(deleting.Seconds(), "deleting-s")
	})
}

// benchUser signs again and again until the context ends, with short pauses, and returns
// how long the two writes of each signature took.
func benchUser(ctx context.Context, b *testing.B, s *Store) (took []time.Duration) {
	user := benchTransaction(benchSerial.Add(1))
	device := mssp.Device{ID: user.ID, Method: user.Method, State: signum.DeviceActive}
	if err := s.PutSubscriber(b.Context(), &mssp.Subscriber{MSISDN: user.MSISDN, State: mssp.SubscriberActive, Devices: []mssp.Device{device}}); err != nil {
		b.Error(err)
	}
	for len(took) == 0 || ctx.Err() == nil {
		tx := benchTransaction(benchSerial.Add(1))
		tx.MSISDN, tx.DeviceID = user.MSISDN, device.ID
		begin := time.Now()
		if err := s.InsertTransaction(b.Context(), tx); err != nil {
			b.Error(err)
		}
		o := mssp.Outcome{Code: signum.SignatureMade, Signature: benchAttrs[:71]}
		if done, err := s.FinishTransaction(b.Context(), tx.ID, o, storetest.By(tx), time.Now()); !done || err != nil {
			b.Error(done, err)
		}
		took = append(took, time.Since(begin))
		time.Sleep(2 * time.Millisecond)
	}
	return took
}
