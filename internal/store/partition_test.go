package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// noon is a border of partitions.
var noon = time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)

// calledAt is the nth transaction, of a request with this Instant.
func calledAt(n int, at time.Time) *mssp.Transaction {
	tx := storetest.NewTransaction(n)
	tx.APInstant, tx.Created, tx.Expires = at, at, at.Add(time.Minute)
	return tx
}

// partitionOf returns the table that holds a row.
func partitionOf(t *testing.T, s *Store, table, key, id string) (name string) {
	t.Helper()
	if err := s.read.read.QueryRowContext(t.Context(), `SELECT tableoid::regclass::text FROM `+table+` WHERE `+key+` = $1`, id).Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wantPartitions(t *testing.T, s *Store, partitions, rest int) {
	t.Helper()
	p, r, err := s.Partitions(t.Context())
	if err != nil || p != partitions || r != rest {
		t.Errorf("%d partitions and %d other rows, %v; want %d and %d", p, r, err, partitions, rest)
	}
}

// A row goes into the partition of its Instant, with its receipt and its evidence, and
// is dropped with it. An outstanding transaction keeps its partition.
func TestPartitions(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	for range 2 { // the second call finds them
		must(t, s.MakePartitions(ctx, noon.Add(time.Minute), time.Hour))
		wantPartitions(t, s, 5, 0) // from 11 to 16
	}
	at := []time.Time{noon.Add(-time.Microsecond), noon, noon.Add(time.Hour - time.Microsecond), noon.Add(time.Hour), noon.Add(-2 * time.Hour)}
	want := []string{"20260329t110000", "20260329t120000", "20260329t120000", "20260329t130000", "default"}
	for n, at := range at {
		tx := calledAt(n, at)
		tx.Method = "App"
		must(t, s.InsertTransaction(ctx, tx))
		o := mssp.Outcome{Code: 500, Signature: []byte{1}, Verified: &mssp.UserVerification{}}
		must(t, s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: tx.MSISDN, State: mssp.SubscriberActive,
			Devices: []mssp.Device{{ID: tx.DeviceID, Method: tx.Method, State: "ACTIVE"}}}))
		if done, err := s.FinishTransaction(ctx, tx.ID, o, storetest.By(tx), at); !done || err != nil {
			t.Fatal(done, err)
		}
		must(t, s.InsertReceipt(ctx, &mssp.Receipt{TransID: tx.ID}))
		for table, key := range map[string]string{"transactions": "id", "receipts": "trans_id", "verifications": "trans_id"} {
			if got := partitionOf(t, s, table, key, tx.ID); got != table+"_"+want[n] {
				t.Errorf("%d: the row of %s is in %s", n, table, got)
			}
		}
		if got, err := s.Transaction(ctx, tx.ID); err != nil || got.State != mssp.StateReceipted {
			t.Errorf("%d: %v, %v", n, got, err)
		}
	}
	busy := calledAt(9, noon.Add(time.Minute))
	must(t, s.InsertTransaction(ctx, busy))
	drop := func(minutes, want, left int) {
		t.Helper()
		if n, err := s.DropPartitions(ctx, noon.Add(time.Duration(minutes)*time.Minute), time.Hour, 20*time.Minute, false); n != want || err != nil {
			t.Errorf("after %d min: %d dropped, %v", minutes, n, err)
		}
		wantPartitions(t, s, left, 1)
	}
	drop(19, 0, 5) // the hour before noon may still have requests
	drop(20, 0, 5) // it is complete
	drop(79, 0, 5)
	drop(80, 1, 4)
	// The hour after noon is complete when its last transaction has ended, however late.
	drop(300, 0, 4)
	if _, err := s.FinishTransaction(ctx, busy.ID, mssp.Outcome{Code: 208}, nil, noon.Add(305*time.Minute)); err != nil {
		t.Fatal(err)
	}
	drop(306, 0, 4)
	drop(359, 0, 4)
	drop(361, 3, 1) // those of the afternoon, which were complete
	drop(366, 1, 0)
	if n, err := s.PurgeRest(ctx, noon.Add(48*time.Hour), 10); n != 1 || err != nil {
		t.Errorf("%d of the rest purged, %v", n, err)
	}
	wantPartitions(t, s, 0, 0)
	var left int
	must(t, s.read.read.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM transactions) + (SELECT count(*) FROM receipts) + (SELECT count(*) FROM verifications)`).Scan(&left))
	if left != 0 {
		t.Errorf("%d rows left", left)
	}
}

// Partitions fill the gaps between those that exist, and end at multiples of their width.
func TestGaps(t *testing.T) {
	h := func(hours float64) time.Time { return noon.Add(time.Duration(hours * float64(time.Hour))) }
	for _, tt := range []struct {
		name  string
		exist []span
		from  time.Time
		until time.Time
		width time.Duration
		want  []span
	}{
		{"nothing exists", nil, h(0), h(2), time.Hour, []span{{h(0), h(1)}, {h(1), h(2)}}},
		{"all exist", []span{{h(-1), h(1)}, {h(1), h(2)}}, h(0), h(2), time.Hour, nil},
		{"the last is missing", []span{{h(0), h(1)}}, h(0), h(2), time.Hour, []span{{h(1), h(2)}}},
		{"one between two", []span{{h(0), h(1)}, {h(2), h(3)}}, h(0), h(3), time.Hour, []span{{h(1), h(2)}}},
		{"one that is too far away", []span{{h(9000), h(9001)}}, h(0), h(1), time.Hour, []span{{h(0), h(1)}}},
		{"wider now", []span{{h(0), h(1)}}, h(0), h(7), 6 * time.Hour, []span{{h(1), h(6)}, {h(6), h(12)}}},
		{"narrower now", []span{{h(-6), h(0)}}, h(-2), h(1), time.Hour, []span{{h(0), h(1)}}},
		{"one in the middle of a width", []span{{h(2), h(4)}}, h(0), h(6), 6 * time.Hour, []span{{h(0), h(2)}, {h(4), h(6)}}},
	} {
		if got := gaps(tt.exist, tt.from, tt.until, tt.width); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// If rows came before their partition could be made, they stay where they are, and the
// next partitions are made nevertheless.
func TestPartitionTooLate(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	must(t, s.InsertTransaction(ctx, calledAt(1, noon)))
	must(t, s.MakePartitions(ctx, noon, time.Hour))
	wantPartitions(t, s, 3, 1) // of 11, 13 and 14
	must(t, s.InsertTransaction(ctx, calledAt(2, noon.Add(time.Hour))))
	wantPartitions(t, s, 3, 1)
	// Another width continues where the last one ends.
	must(t, s.MakePartitions(ctx, noon, 72*time.Hour))
	tx := calledAt(3, noon.Add(4*time.Hour))
	must(t, s.InsertTransaction(ctx, tx))
	if got := partitionOf(t, s, "transactions", "id", tx.ID); got != "transactions_20260329t150000" {
		t.Errorf("in %s", got)
	}
}

// Nodes make and drop partitions while others write into them: every transaction is
// there until its partition is dropped, and no write fails.
func TestPartitionsTogether(t *testing.T) {
	url := pgtest.URL(t)
	nodes := []*Store{open(t, url), open(t, url)}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var all sync.WaitGroup
	const hours, each = 12, 8
	for i, s := range nodes {
		all.Go(func() {
			for h := 0; ctx.Err() == nil; h = (h + 1) % hours {
				if err := s.MakePartitions(t.Context(), noon.Add(time.Duration(h)*time.Hour), time.Hour); !givesWay(err) {
					t.Error(err)
				}
				if _, err := s.DropPartitions(t.Context(), noon.Add(time.Duration(h)*time.Hour), time.Hour, 24*time.Hour, false); !givesWay(err) {
					t.Error(err)
				}
			}
		})
		all.Go(func() {
			defer stop()
			for n := range hours * each {
				tx := calledAt(1000*i+n, noon.Add(time.Duration(n)*time.Hour/each))
				if err := s.InsertTransaction(t.Context(), tx); err != nil {
					t.Error(err)
				}
				if done, err := nodes[1-i].FinishTransaction(t.Context(), tx.ID, mssp.Outcome{Code: 208}, nil, tx.Created); !done || err != nil {
					t.Error(n, done, err)
				}
			}
		})
	}
	all.Wait()
	for i := range nodes {
		for n := range hours * each {
			if tx, err := nodes[0].Transaction(t.Context(), calledAt(1000*i+n, noon).ID); err != nil || tx.State != mssp.StateFailed {
				t.Errorf("%d: %v, %v", n, tx, err)
			}
		}
	}
}

// givesWay says whether there is no error, or only that the locks were not free in time.
func givesWay(err error) bool {
	return err == nil || sqlState(err) == lockNotAvailable || transient(err)
}

// While a backup reads the tables, partitions are neither made nor dropped. Everybody else
// goes on, and after the backup the next round does it.
func TestPartitionsWhileBackup(t *testing.T) {
	url := pgtest.URL(t)
	s, ctx := open(t, url), t.Context()
	must(t, s.MakePartitions(ctx, noon, time.Hour))
	must(t, s.InsertTransaction(ctx, calledAt(1, noon)))
	backup, err := OpenSnapshot(ctx, url, quiet)
	must(t, err)
	for _, table := range backup.Tables {
		must(t, backup.Rows(ctx, table, func([]any) error { return nil }))
	}
	later := noon.Add(3 * time.Hour)
	if err := s.MakePartitions(ctx, later, time.Hour); err == nil || !givesWay(err) {
		t.Errorf("made: %v", err)
	}
	wantPartitions(t, s, 4, 0)
	must(t, s.InsertTransaction(ctx, calledAt(2, later)))
	if done, err := s.FinishTransaction(ctx, calledAt(1, noon).ID, mssp.Outcome{Code: 208}, nil, later); !done || err != nil {
		t.Error(done, err)
	}
	must(t, backup.Close())
	must(t, s.MakePartitions(ctx, later, time.Hour))
	wantPartitions(t, s, 6, 1) // the hour of the transaction that came meanwhile stays without
}

// A statement that knows the time looks into one partition, even if its plan is as old as
// the partition.
func TestPartitionPruning(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	must(t, s.MakePartitions(ctx, noon, time.Hour))
	tx := calledAt(1, noon)
	must(t, s.InsertTransaction(ctx, tx))
	c, err := s.read.read.BeginTx(ctx, nil)
	must(t, err)
	defer c.Rollback()
	for _, tt := range []struct {
		q    *query
		args string
		by   string // which index
	}{
		{selectUsed, "'ap', 'a1', " + fmt.Sprint(micros(noon)), "_ap_id_ap_instant_ap_trans_id_key"},
		{selectSubscriberTransactions, "'" + tx.MSISDN + "'", "_pkey"},
		{selectOutstanding, "0, '', 10", "_pkey"},
		{finishTransaction, "'" + tx.ID + "', 'failed', 401, '', NULL, '', 1, FALSE", "_pkey"},
	} {
		_, err := c.ExecContext(ctx, "PREPARE q AS "+tt.q.sql(postgres))
		must(t, err)
		rows, err := c.QueryContext(ctx, "EXPLAIN (ANALYZE, COSTS off) EXECUTE q("+tt.args+")")
		must(t, err)
		var looked int
		var plan strings.Builder
		must(t, scanAll(rows, nil, func(r *sql.Rows) error {
			var line string
			err := r.Scan(&line)
			if strings.Contains(line, " on transactions_") && strings.Contains(line, "Scan") && !strings.Contains(line, "never executed") {
				looked++
				if !strings.Contains(line, tt.by+" ") {
					t.Errorf("not by the index %s", tt.by)
				}
			}
			plan.WriteString(line + "\n")
			return err
		}))
		if looked != 1 || t.Failed() {
			t.Errorf("%s\nlooks into %d partitions:\n%s", tt.q.sql(postgres), looked, plan.String())
		}
		_, err = c.ExecContext(ctx, "DEALLOCATE q")
		must(t, err)
	}
}
