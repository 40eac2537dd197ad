package store

import (
	"bytes"
	"fmt"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/store/pgtest"
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

func benchTransaction(n int64) *signum.Transaction {
	now := time.Now()
	// IDs are random in life.
	id := uint64(n) * 0x9e3779b97f4a7c15
	return &signum.Transaction{
		ID: fmt.Sprintf("h%016x", id), APID: "http://ap.example", APTransID: fmt.Sprintf("A%016x", id), APInstant: now,
		MSISDN: fmt.Sprintf("+4179%09d", n), MSISDNSent: "+41791234567", DeviceID: "sim-1", Method: signum.SIM,
		Lang: "de", MimeType: signum.MimeText, Text: "Beispiel AG: Zahlung von CHF 12.50 an Müller bestätigen?",
		SignedAttrs: benchAttrs, CertSerial: "1000", State: signum.StateOutstanding,
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
		for pb.Next() {
			tx := benchTransaction(benchSerial.Add(1))
			if err := s.InsertTransaction(ctx, tx); err != nil {
				b.Error(err)
				return
			}
			o := signum.Outcome{Code: signum.SignatureMade, Signature: benchAttrs[:71]}
			if done, err := s.FinishTransaction(ctx, tx.ID, o, time.Now()); !done || err != nil {
				b.Error(done, err)
				return
			}
		}
	})
}
