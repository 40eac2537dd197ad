package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// Lists leave out transactions that cannot be read, their pages stay full, and each
// row is reported once. A read of one is an error that names the row and has its
// plain columns.
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

// SQLite keeps what a hand repair writes into a column, whatever its type. No list
// stops at it.
func TestUnreadableColumn(t *testing.T) {
	var mu sync.Mutex
	reported := make(map[mssp.RowKind]string)
	s, ctx := open(t, "sqlite:"+t.TempDir()+"/test.db", WithRowErrors(func(e *mssp.RowError) {
		mu.Lock()
		defer mu.Unlock()
		reported[e.Kind] = e.Key
	})), t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	at := storetest.NewTransaction(0).Created
	for n := range 3 {
		tx, serial := storetest.NewTransaction(n), fmt.Sprint(n)
		d := mssp.Device{ID: tx.DeviceID, Method: signum.SIM, State: signum.DeviceActive}
		must(s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: tx.MSISDN, Serial: "S", State: mssp.SubscriberActive, Devices: []mssp.Device{d}}))
		must(s.PutCard(ctx, &mssp.Card{ICCID: "card" + serial, DeviceID: d.ID, State: mssp.CardActive, KeySet: 1,
			Algorithm: mssp.CardAES, KIc: []byte{1}, KID: []byte{1}}))
		must(s.IntendCertificate(ctx, &mssp.Certificate{Serial: serial, DeviceID: d.ID, Issuer: "CA", NotAfter: at}))
		must(s.CompleteCertificate(ctx, serial, []byte{1}))
		must(s.RevokeCertificate(ctx, serial, at, 1))
		must(s.InsertTransaction(ctx, tx))
		r := storetest.NewTransaction(10 + n)
		must(s.InsertTransaction(ctx, r))
		_, err := storetest.Sign(ctx, s, r, at)
		must(err)
		must(s.InsertReceipt(ctx, &mssp.Receipt{TransID: r.ID, DeviceID: "phone", Created: at, Expires: at.Add(time.Minute)}))
	}
	for _, statement := range []string{
		`UPDATE transactions SET created = 'yesterday' WHERE id = 'h000001'`,
		`UPDATE receipts SET created = 'yesterday' WHERE trans_id = 'h000011'`,
		`UPDATE sim_cards SET created = 'yesterday' WHERE iccid = 'card1'`,
		`UPDATE certificates SET revoked_at = 'yesterday' WHERE serial = '1'`,
	} {
		must(s.write(ctx, &write{first: &query{text: statement}}))
	}

	transactions, err := s.OutstandingTransactions(ctx, at, "", 9)
	must(err)
	_, receipts, err := s.DevicePending(ctx, "phone", at)
	must(err)
	var cards []*mssp.Card
	for after, full := "", true; full; {
		page, err := s.AssignedCards(ctx, after, 2)
		must(err)
		if cards, full = append(cards, page...), len(page) == 2; full {
			after = page[1].ICCID
		}
	}
	if len(transactions) != 2 || len(receipts) != 2 || len(cards) != 2 {
		t.Errorf("%d transactions, %d receipts, %d cards; want 2 of each", len(transactions), len(receipts), len(cards))
	}
	// But a certificate must not be missing from the list of those that are revoked.
	revoked, err := s.RevokedCertificates(ctx, at)
	must(err)
	if len(revoked) != 3 || revoked[1].Serial != "1" || revoked[1].Issuer != "CA" {
		t.Errorf("revoked: %+v", revoked)
	}
	for kind, read := range map[mssp.RowKind]func() error{
		mssp.RowTransaction: func() error { _, err := s.Transaction(ctx, "h000001"); return err },
		mssp.RowReceipt:     func() error { _, err := s.Receipt(ctx, "h000011"); return err },
	} {
		if bad, ok := errors.AsType[*mssp.RowError](read()); !ok || bad.Kind != kind {
			t.Errorf("read of a %s: %v", kind, read())
		}
	}
	want := map[mssp.RowKind]string{mssp.RowTransaction: "h000001", mssp.RowReceipt: "h000011", mssp.RowCard: "card1", mssp.RowCertificate: "1"}
	if !maps.Equal(reported, want) {
		t.Errorf("reported %v, want %v", reported, want)
	}
}
