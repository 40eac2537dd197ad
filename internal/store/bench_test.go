package store

import (
	"bytes"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// writersAtATime is how many calls are under way in the benchmarks of writes.
const writersAtATime = 32

// benchAttrs has the size of signed attributes.
var benchAttrs = bytes.Repeat([]byte{0x30, 0x82, 0xa7, 0x11}, 40)

func benchEngines(b *testing.B, run func(b *testing.B, url string)) {
	b.Run("sqlite", func(b *testing.B) { run(b, filepath.Join(b.TempDir(), "bench.db")) })
	b.Run("postgres", func(b *testing.B) { run(b, pgtest.URL(b)) })
}

func benchStore(b *testing.B, url string, opts ...Option) *Store {
	b.Helper()
	s, err := Open(b.Context(), url, append(opts, quiet)...)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

// reportCPU reports the CPU time of this process, which does not include a
// PostgreSQL server's.
func reportCPU(b *testing.B) func() {
	begin := cpuTime()
	return func() {
		b.ReportMetric(float64((cpuTime()-begin).Microseconds())/float64(b.N), "cpu-µs/op")
	}
}

func cpuTime() time.Duration {
	var r syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &r) != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

func benchTransaction(n int64) *mssp.Transaction {
	now := time.Now()
	// Real IDs are random.
	id := uint64(n) * 0x9e3779b97f4a7c15
	return &mssp.Transaction{
		ID: fmt.Sprintf("h%016x", id), APID: "http://ap.example", APTransID: fmt.Sprintf("A%016x", id), APInstant: now,
		MSISDN: fmt.Sprintf("+4179%09d", n), MSISDNSent: "+41791234567", DeviceID: "sim-1", Method: signum.SIM,
		Profile: signum.ProfileSTK, Lang: "de", MimeType: signum.MimeText, Text: "Beispiel AG: Zahlung von CHF 12.50 an Müller bestätigen?",
		SignedAttrs: benchAttrs, CertSerial: "1000", State: mssp.StateOutstanding,
		Created: now, Expires: now.Add(80 * time.Second),
	}
}

// BenchmarkWrite inserts a transaction and finishes it: two writes an op.
func BenchmarkWrite(b *testing.B) {
	group := func(n int) Option { return func(o *options) { o.group = n } }
	benchEngines(b, func(b *testing.B, url string) {
		for _, c := range []struct {
			name string
			opts []Option
		}{
			{"group", nil},
			{"group/writers=1", []Option{WithWriters(1)}},
			{"group/writers=3", []Option{WithWriters(3)}},
			{"group/writers=4", []Option{WithWriters(4)}},
			{"single", []Option{group(1), WithWriters(writersAtATime)}},
		} {
			b.Run(c.name, func(b *testing.B) {
				s := benchStore(b, url, c.opts...)
				benchWrite(b, s)
			})
		}
	})
}

var benchSerial atomic.Int64

func benchWrite(b *testing.B, s *Store) {
	b.SetParallelism(writersAtATime / 2)
	defer reportCPU(b)()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		user := benchTransaction(benchSerial.Add(1)) // one of each goroutine
		device := mssp.Device{ID: user.ID, Method: user.Method, State: signum.DeviceActive}
		if err := s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: user.MSISDN, State: mssp.SubscriberActive, Devices: []mssp.Device{device}}); err != nil {
			b.Error(err)
			return
		}
		for pb.Next() {
			tx := benchTransaction(benchSerial.Add(1))
			tx.MSISDN, tx.DeviceID = user.MSISDN, device.ID
			if err := s.InsertTransaction(ctx, tx); err != nil {
				b.Error(err)
				return
			}
			o := mssp.Outcome{Code: signum.SignatureMade, Signature: benchAttrs[:71]}
			if done, err := s.FinishTransaction(ctx, tx.ID, o, storetest.By(tx), time.Now()); !done || err != nil {
				b.Error(done, err)
				return
			}
		}
	})
}

// BenchmarkRead reads what a signature request reads, from writersAtATime
// goroutines, with 20,000 transactions and 2,000 subscribers in the store.
func BenchmarkRead(b *testing.B) {
	benchEngines(b, func(b *testing.B, url string) {
		s := benchStore(b, url)
		benchFill(b, s)
		reads := []struct {
			name string
			read func(ctx context.Context, n int) error
		}{
			{"party", func(ctx context.Context, n int) error {
				_, err := s.Party(ctx, "http://ap.example")
				return err
			}},
			{"party/uncached", func(ctx context.Context, n int) error {
				s.parties.forget("http://ap.example")
				_, err := s.Party(ctx, "http://ap.example")
				return err
			}},
			{"subscriber", func(ctx context.Context, n int) error {
				_, err := s.Subscriber(ctx, benchTransaction(int64(n%2000)).MSISDN)
				return err
			}},
			{"card", func(ctx context.Context, n int) error {
				_, err := s.CardOf(ctx, benchTransaction(int64(n%2000)).MSISDN)
				return err
			}},
			{"transaction", func(ctx context.Context, n int) error {
				_, err := s.Transaction(ctx, benchTransaction(int64(n%20000)).ID)
				return err
			}},
			{"pending", func(ctx context.Context, n int) error {
				_, _, err := s.DevicePending(ctx, fmt.Sprint("sim-", n%2000), time.Now())
				return err
			}},
			{"recent", func(ctx context.Context, n int) error {
				_, err := s.RecentTransactions(ctx, benchTransaction(int64(n%2000)).MSISDN, 10)
				return err
			}},
			{"used", func(ctx context.Context, n int) error {
				_, err := s.TransactionUsed(ctx, "http://ap.example", "A", time.Now())
				return err
			}},
		}
		for _, r := range reads {
			b.Run(r.name, func(b *testing.B) {
				b.SetParallelism(writersAtATime / 2)
				b.ReportAllocs()
				defer reportCPU(b)()
				var n atomic.Int64
				b.RunParallel(func(pb *testing.PB) {
					// Like that of a request, it can end.
					ctx, cancel := context.WithCancel(b.Context())
					defer cancel()
					for pb.Next() {
						if err := r.read(ctx, int(n.Add(7919))); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	})
}

func benchFill(b *testing.B, s *Store) {
	b.Helper()
	ctx := b.Context()
	check := func(err error) {
		if err != nil {
			b.Error(err)
		}
	}
	check(s.PutParty(ctx, &mssp.Party{ID: "http://ap.example", Pins: []mssp.Pin{{1}}, Profiles: signum.SignatureProfiles}))
	var fill sync.WaitGroup
	for part := range int64(100) {
		fill.Go(func() {
			for n := part; n < 20_000; n += 100 {
				tx := benchTransaction(n)
				tx.CertSerial, tx.DeviceID = fmt.Sprint(n%2000), fmt.Sprint("sim-", n)
				check(s.InsertTransaction(ctx, tx))
				if n >= 2000 {
					continue
				}
				c := &mssp.Certificate{Serial: tx.CertSerial, DeviceID: fmt.Sprint("sim-", n), NotAfter: time.Now()}
				check(s.IntendCertificate(ctx, c))
				check(s.CompleteCertificate(ctx, c.Serial, bytes.Repeat(benchAttrs, 6)))
				check(s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: tx.MSISDN, State: mssp.SubscriberActive,
					Devices: []mssp.Device{{ID: c.DeviceID, Method: signum.SIM, State: signum.DeviceActive, Certificate: c}}}))
				check(s.PutCard(ctx, &mssp.Card{ICCID: fmt.Sprint(8941_0000_0000_0000_000 + n), DeviceID: c.DeviceID, State: mssp.CardActive,
					KeySet: 1, Algorithm: mssp.CardAES, KIc: benchAttrs[:45], KID: benchAttrs[:45]}))
			}
		})
	}
	fill.Wait()
}

// BenchmarkPurge deletes transactions, half of them with a receipt if there
// are any, 100 at a time: one an op.
func BenchmarkPurge(b *testing.B) {
	benchEngines(b, func(b *testing.B, url string) {
		s := benchStore(b, url)
		for _, receipts := range []bool{false, true} {
			b.Run(fmt.Sprintf("receipts=%v", receipts), func(b *testing.B) {
				benchEnded(b, s, b.N, receipts)
				defer reportCPU(b)()
				b.ResetTimer()
				for left := b.N; left > 0; {
					n, err := s.PurgeTransactions(b.Context(), time.Now().Add(time.Hour), 100)
					if err != nil || n == 0 {
						b.Fatal(n, err)
					}
					left -= n
				}
			})
		}
	})
}

// BenchmarkReceipt inserts a receipt and finishes it: two writes an op.
func BenchmarkReceipt(b *testing.B) {
	benchEngines(b, func(b *testing.B, url string) {
		s := benchStore(b, url)
		ids := benchEnded(b, s, b.N, false)
		b.SetParallelism(writersAtATime / 2)
		defer reportCPU(b)()
		var last atomic.Int64
		b.ResetTimer()
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				r := &mssp.Receipt{TransID: ids[last.Add(1)-1], DeviceID: "sim-1", Method: signum.SIM, Lang: "de",
					MimeType: signum.MimeText, Text: "Zahlung ausgeführt"}
				if err := s.InsertReceipt(b.Context(), r); err != nil {
					b.Error(err)
					return
				}
				if done, err := s.FinishReceipt(b.Context(), r.TransID, signum.ReceiptAccepted, time.Now()); !done || err != nil {
					b.Error(done, err)
					return
				}
			}
		})
	})
}

// benchEnded inserts n signed transactions, every other one with a receipt if receipts
// is set.
func benchEnded(b *testing.B, s *Store, n int, receipts bool) []string {
	b.Helper()
	return benchEndedAt(b, s, n, receipts, time.Now())
}

func benchEndedAt(b *testing.B, s *Store, n int, receipts bool, at time.Time) []string {
	b.Helper()
	ids := make([]string, n)
	var fill sync.WaitGroup
	for part := range 100 {
		fill.Go(func() {
			for i := part; i < n; i += 100 {
				tx := benchTransaction(benchSerial.Add(1))
				tx.State, tx.APInstant, tx.Created, tx.Finished = mssp.StateSigned, at, at, at
				tx.Outcome = mssp.Outcome{Code: signum.SignatureMade, Signature: benchAttrs[:71]}
				if err := s.InsertTransaction(b.Context(), tx); err != nil {
					b.Error(err)
				}
				if receipts && i%2 == 0 {
					if err := s.InsertReceipt(b.Context(), &mssp.Receipt{TransID: tx.ID}); err != nil {
						b.Error(err)
					}
				}
				ids[i] = tx.ID
			}
		})
	}
	fill.Wait()
	return ids
}
