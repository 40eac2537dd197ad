package store

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// BenchmarkGrowth reports what signatures leave behind, in bytes per signature, and on
// PostgreSQL the share of the updates that touched no index (HOT).
func BenchmarkGrowth(b *testing.B) {
	b.Run("sqlite", func(b *testing.B) {
		path := b.TempDir() + "/bench.db"
		s := benchStore(b, path)
		benchLife(b, s)
		b.StopTimer()
		if err := s.Close(); err != nil { // which writes the log back
			b.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/float64(b.N), "disk-B/op")
	})
	b.Run("postgres", func(b *testing.B) {
		url := pgtest.URL(b)
		s := benchStore(b, url)
		if err := s.MakePartitions(b.Context(), time.Now(), time.Hour); err != nil {
			b.Fatal(err)
		}
		figure := func(s *Store, query string) (n float64) {
			if err := s.read.read.QueryRowContext(b.Context(), query).Scan(&n); err != nil {
				b.Fatal(err)
			}
			return n
		}
		const (
			wal  = `SELECT pg_current_wal_insert_lsn() - '0/0'`
			disk = `SELECT sum(pg_total_relation_size(oid)) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`
			hot  = `SELECT sum(n_tup_hot_upd) / greatest(sum(n_tup_upd), 1) FROM pg_stat_user_tables WHERE relname LIKE 'transactions%'`
		)
		before, cpu := figure(s, wal), serverCPU(b, s)
		benchLife(b, s)
		b.StopTimer()
		b.ReportMetric((figure(s, wal)-before)/float64(b.N), "wal-B/op")
		b.ReportMetric((serverCPU(b, s)-cpu)/float64(b.N), "server-µs/op")
		s.Close() // a connection that ends tells its figures
		s = benchStore(b, url)
		b.ReportMetric(figure(s, disk)/float64(b.N), "disk-B/op")
		b.ReportMetric(figure(s, hot), "hot")
	})
}

// benchLife is benchWrite with users who take their time: a thousand signatures are
// outstanding while others are made.
func benchLife(b *testing.B, s *Store) {
	const users = 1000 / writersAtATime
	b.SetParallelism(writersAtATime / 2)
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		ctx := b.Context()
		var open [users]*mssp.Transaction
		finish := func(tx *mssp.Transaction) {
			if tx == nil {
				return
			}
			o := mssp.Outcome{Code: signum.SignatureMade, Signature: benchAttrs[:71]}
			if done, err := s.FinishTransaction(ctx, tx.ID, o, storetest.By(tx), time.Now()); !done || err != nil {
				b.Error(done, err)
			}
		}
		var accounts [users]*mssp.Subscriber
		for i := range accounts {
			tx := benchTransaction(benchSerial.Add(1))
			accounts[i] = &mssp.Subscriber{MSISDN: tx.MSISDN, State: mssp.SubscriberActive,
				Devices: []mssp.Device{{ID: tx.ID, Method: tx.Method, State: signum.DeviceActive}}}
			if err := s.PutSubscriber(ctx, accounts[i]); err != nil {
				b.Error(err)
			}
		}
		for n := 0; pb.Next(); n = (n + 1) % users {
			finish(open[n])
			tx := benchTransaction(benchSerial.Add(1))
			tx.MSISDN, tx.DeviceID = accounts[n].MSISDN, accounts[n].Devices[0].ID
			if err := s.InsertTransaction(ctx, tx); err != nil {
				b.Error(err)
				return
			}
			open[n] = tx
		}
		for _, tx := range open {
			finish(tx)
		}
	})
}

// serverCPU is the time in microseconds that the processes of PostgreSQL have used, as far
// as they still run. It is 0 where there is no /proc.
func serverCPU(b *testing.B, s *Store) (us float64) {
	var pid int
	if err := s.read.read.QueryRowContext(b.Context(), `SELECT pg_backend_pid()`).Scan(&pid); err != nil {
		b.Fatal(err)
	}
	parent := func(stat []string) string { return stat[1] }
	server := parent(processStat(fmt.Sprintf("/proc/%d/stat", pid)))
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		stat := processStat(name)
		if parent(stat) != server {
			continue
		}
		for _, ticks := range stat[11:13] {
			var n float64
			_, _ = fmt.Sscan(ticks, &n)
			us += n * 10_000
		}
	}
	return us
}

// processStat are the fields of a process after its name.
func processStat(name string) []string {
	text, _ := os.ReadFile(name)
	_, after, _ := strings.Cut(string(text), ") ")
	return append(strings.Fields(after), make([]string, 20)...)
}
