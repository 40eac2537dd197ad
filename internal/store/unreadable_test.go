package store

import (
	"bytes"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// Rows of transactions that cannot be read are left out of lists, whose pages
// stay full, and reported once; by itself, each is an error that says which row
// it is and what its plain columns say.
func TestUnreadableRows(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var mu sync.Mutex
		var log bytes.Buffer
		var found []string
		s, ctx := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithRowErrors(func(e *mssp.RowError) {
			mu.Lock()
			defer mu.Unlock()
			found = append(found, e.Transaction.ID)
		})), t.Context()
		for n := range 7 {
			if err := s.InsertTransaction(ctx, storetest.NewTransaction(n)); err != nil {
				t.Fatal(err)
			}
		}
		for _, n := range []string{"h000000", "h000002", "h000003", "h000006"} {
			w := &write{first: &query{text: `UPDATE transactions SET services = '{"validate":1}' WHERE id = $1`}, args: []any{n}}
			if err := s.write(ctx, w); err != nil {
				t.Fatal(err)
			}
		}
		at := storetest.NewTransaction(0).Created
		for range 2 {
			var ids []string
			for after, pages := "", 0; ; pages++ {
				page, err := s.OutstandingTransactions(ctx, at, after, 2)
				if err != nil {
					t.Fatal(err)
				}
				for _, tx := range page {
					ids = append(ids, tx.ID)
					after = tx.ID
				}
				if len(page) < 2 {
					break
				}
			}
			if want := []string{"h000001", "h000004", "h000005"}; !slices.Equal(ids, want) {
				t.Errorf("outstanding: %v, want %v", ids, want)
			}
			list, err := s.RecentTransactions(ctx, storetest.NewTransaction(2).MSISDN, 9)
			if err != nil || len(list) != 0 {
				t.Errorf("recent: %v, %v", list, err)
			}
			_, err = s.Transaction(ctx, "h000002")
			var bad *mssp.RowError
			want := storetest.NewTransaction(2)
			if !errors.As(err, &bad) || bad.Transaction.ID != want.ID || bad.Transaction.State != want.State || bad.Transaction.DeviceID != want.DeviceID {
				t.Errorf("%v", err)
			}
		}
		slices.Sort(found)
		if want := []string{"h000000", "h000002", "h000003", "h000006"}; !slices.Equal(found, want) {
			t.Errorf("reported %v, want %v", found, want)
		}
		if n := strings.Count(log.String(), "cannot be read"); n != len(found) {
			t.Errorf("%d lines of log: %s", n, log.String())
		}
	})
}

// SQLite keeps what a hand repair writes into a column, whatever its type.
func TestUnreadableColumn(t *testing.T) {
	s, ctx := open(t, "sqlite:"+t.TempDir()+"/test.db"), t.Context()
	for n := range 3 {
		if err := s.InsertTransaction(ctx, storetest.NewTransaction(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.write(ctx, &write{first: &query{text: `UPDATE transactions SET created = 'yesterday' WHERE id = 'h000001'`}}); err != nil {
		t.Fatal(err)
	}
	list, err := s.OutstandingTransactions(ctx, storetest.NewTransaction(0).Created, "", 9)
	if err != nil || len(list) != 2 {
		t.Errorf("%d transactions, %v", len(list), err)
	}
	var bad *mssp.RowError
	if _, err := s.Transaction(ctx, "h000001"); !errors.As(err, &bad) || bad.Transaction.ID != "h000001" {
		t.Errorf("%v", err)
	}
}
