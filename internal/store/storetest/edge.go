package storetest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// odd holds unusual texts that must be stored unchanged.
var odd = []string{
	"",
	" leading, trailing ",
	"line\r\nline\ttab \x01\x1f\x7f",
	`quote ' double " backslash \ percent % dollar $1 question ? colon :a`,
	"'; DROP TABLE transactions; --",
	"é and e\u0301 differ; Straße, STRASSE too",
	"😀 \u202eright to left\u202c \ufeff \uffff",
	strings.Repeat("ü", 4000),
}

func testText(t *testing.T, d *database) {
	s := d.Store()
	for i, text := range odd {
		tx := NewTransaction(i)
		tx.Text, tx.MSISDNSent, tx.Lang, tx.MimeType = text, text, text, text
		tx.SignedAttrs = []byte(text)
		if len(text) < 500 {
			tx.ID, tx.APID, tx.APTransID = "id"+text, "ap"+text, "t"+text
		}
		insert(t, s, tx)
		same(t, tx, read(t, s, tx.ID))
		if used, err := s.TransactionUsed(t.Context(), tx.APID, tx.APTransID, tx.APInstant); !used || err != nil {
			t.Errorf("%q is not used: %v", text, err)
		}
		ended, err := s.EndedTransactions(t.Context(), []string{tx.ID})
		must(t, err)
		same(t, []string(nil), ended)
		o := mssp.Outcome{Code: signum.OTAError, Detail: text}
		finish(t, s, tx.ID, o, after(1), true)
		tx.State, tx.Outcome, tx.Finished = mssp.StateFailed, o, after(1)
		same(t, tx, read(t, s, tx.ID))

		p := &mssp.Party{ID: "ap" + tx.ID, DTBDPrefix: text, Profiles: []string{text, text}}
		must(t, s.PutParty(t.Context(), p))
		got, err := s.Party(t.Context(), p.ID)
		must(t, err)
		same(t, p, got)
	}
}

func testUnstorableText(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for _, bad := range []string{"nul\x00", "\x00", "\xff\xfe", "\xed\xa0\x80", "cut\xc3"} {
		refused := func(what string, err error) {
			t.Helper()
			if err == nil {
				t.Errorf("%s %q was taken", what, bad)
			}
		}
		for name, field := range map[string]func(*mssp.Transaction) *string{
			"ID":          func(tx *mssp.Transaction) *string { return &tx.ID },
			"AP_ID":       func(tx *mssp.Transaction) *string { return &tx.APID },
			"AP_TransID":  func(tx *mssp.Transaction) *string { return &tx.APTransID },
			"MSISDN":      func(tx *mssp.Transaction) *string { return &tx.MSISDN },
			"MSISDN sent": func(tx *mssp.Transaction) *string { return &tx.MSISDNSent },
			"device":      func(tx *mssp.Transaction) *string { return &tx.DeviceID },
			"method":      func(tx *mssp.Transaction) *string { return (*string)(&tx.Method) },
			"profile":     func(tx *mssp.Transaction) *string { return &tx.Profile },
			"language":    func(tx *mssp.Transaction) *string { return &tx.Lang },
			"MIME type":   func(tx *mssp.Transaction) *string { return &tx.MimeType },
			"text":        func(tx *mssp.Transaction) *string { return &tx.Text },
			"serial":      func(tx *mssp.Transaction) *string { return &tx.CertSerial },
		} {
			tx := NewTransaction(1)
			*field(tx) = bad
			refused(name, s.InsertTransaction(ctx, tx))
		}
		sub := subscriber(1, mssp.Device{ID: bad, Method: signum.SIM, State: signum.DeviceActive})
		refused("device", s.PutSubscriber(ctx, sub))
		refused("MSISDN", s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: bad, State: mssp.SubscriberActive}))
		refused("account", s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: "+1", Serial: bad, State: mssp.SubscriberActive}))
		refused("party", s.PutParty(ctx, &mssp.Party{ID: bad}))
		refused("prefix", s.PutParty(ctx, &mssp.Party{ID: "p", DTBDPrefix: bad}))
		refused("name", s.PutParty(ctx, &mssp.Party{ID: "p", Name: bad}))
		refused("logo", s.PutParty(ctx, &mssp.Party{ID: "p", Logo: bad}))
		refused("profile", s.PutParty(ctx, &mssp.Party{ID: "p", Profiles: []string{bad}}))
		refused("service", s.PutParty(ctx, &mssp.Party{ID: "p", Services: []string{bad}}))
		refused("serial", s.IntendCertificate(ctx, &mssp.Certificate{Serial: bad}))

		nothing := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, mssp.ErrNotFound) {
				t.Errorf("%s %q: %v", what, bad, err)
			}
		}
		_, err := s.Transaction(ctx, bad)
		nothing("transaction", err)
		_, err = s.Subscriber(ctx, bad)
		nothing("subscriber", err)
		_, err = s.Party(ctx, bad)
		nothing("party", err)
		_, err = s.Certificate(ctx, bad)
		nothing("certificate", err)
		nothing("complete", s.CompleteCertificate(ctx, bad, []byte{1}))
		_, err = s.Receipt(ctx, bad)
		nothing("receipt", err)
		nothing("revoke", s.RevokeCertificate(ctx, bad, start, 0))
		if used, err := s.TransactionUsed(ctx, "http://ap.example", bad, start); used || err != nil {
			t.Errorf("AP_TransID %q: %v, %v", bad, used, err)
		}
		finish(t, s, bad, made(), start, false)
		ended, err := s.EndedTransactions(ctx, []string{bad})
		must(t, err)
		same(t, []string{bad}, ended)
	}
	insert(t, s, NewTransaction(1))
	long := NewTransaction(2)
	long.APTransID = strings.Repeat("0123456789", 100_000)
	_ = s.InsertTransaction(ctx, long) // it may be refused, but must do no harm
	finish(t, s, "h000001", made(), start, true)
}

func testTime(t *testing.T, d *database) {
	s := d.Store()
	for i, at := range []time.Time{
		{},
		time.Unix(0, 0),
		time.Unix(-1, 999_999_999),
		start.Add(999 * time.Nanosecond),
		time.Date(2026, 10, 25, 2, 30, 0, 1000, time.FixedZone("CEST", 7200)),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC),
		time.Now(),
	} {
		tx := NewTransaction(i)
		tx.APInstant, tx.Created, tx.Expires = at, at, at
		insert(t, s, tx)
		finish(t, s, tx.ID, made(), at, true)
		got := read(t, s, tx.ID)
		for _, g := range []time.Time{got.APInstant, got.Created, got.Expires, got.Finished} {
			if g.Location() != time.UTC || g.UnixMicro() != at.UnixMicro() || g.Nanosecond()%1000 != 0 {
				t.Errorf("%v came back as %v", at, g)
			}
		}
		if at.IsZero() != got.Created.IsZero() {
			t.Errorf("%v came back as %v", at, got.Created)
		}
	}
}

func testCancelled(t *testing.T, d *database) {
	s := d.Store()
	insert(t, s, NewTransaction(1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	gone := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	gone("insert", s.InsertTransaction(ctx, NewTransaction(2)))
	_, err := s.FinishTransaction(ctx, "h000001", made(), By(NewTransaction(1)), start)
	gone("finish", err)
	_, err = s.Transaction(ctx, "h000001")
	gone("transaction", err)
	_, err = s.Subscriber(ctx, "+41")
	gone("subscriber", err)
	gone("put", s.PutSubscriber(ctx, subscriber(1)))
	gone("party", s.PutParty(ctx, &mssp.Party{ID: "p"}))
	sign(t, s, 3)
	gone("receipt", s.InsertReceipt(ctx, newReceipt(3)))
	noReceipt(t, s, "h000003")
	_, err = s.Receipt(ctx, "h000003")
	gone("read a receipt", err)
	insertReceipt(t, s, newReceipt(3))
	_, err = s.FinishReceipt(ctx, "h000003", signum.ReceiptLost, start)
	gone("finish a receipt", err)
	checkReceipt(t, s, newReceipt(3))
	_, err = s.PrepareTransaction(ctx, "h000001", []byte{1}, "1")
	gone("prepare", err)
	gone("activate", s.ActivateDevice(ctx, activation("sim", "1")))
	gone("PIN", s.SetPINBlocked(ctx, "sim", true))

	same(t, NewTransaction(1), read(t, s, "h000001"))
	if _, err := s.Transaction(t.Context(), "h000002"); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("written for nobody: %v", err)
	}
	if _, err := s.Party(t.Context(), "p"); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("written for nobody: %v", err)
	}
}

func testClosed(t *testing.T, d *database) {
	s := d.Store()
	must(t, s.Close())
	if err := s.InsertTransaction(t.Context(), NewTransaction(1)); err == nil {
		t.Error("a closed store took a transaction")
	}
	if _, err := s.Transaction(t.Context(), "h000001"); err == nil {
		t.Error("a closed store found a transaction")
	}
	must(t, s.Close())
	s = d.Reopen()
	if _, err := s.Transaction(t.Context(), "h000001"); !errors.Is(err, mssp.ErrNotFound) {
		t.Errorf("written by a closed store: %v", err)
	}
}

func testRestart(t *testing.T, d *database) {
	s := d.Store()
	cert := issue(t, s, newCertificate(1, "sim-1"))
	sub := subscriber(1, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive,
		KeyType: signum.EC, Certificate: cert})
	must(t, s.PutSubscriber(t.Context(), sub))
	party := &mssp.Party{ID: "p", Pins: []mssp.Pin{mssp.PinOf(nil)}, DefaultLang: "it"}
	must(t, s.PutParty(t.Context(), party))
	open, ended := NewTransaction(1), NewTransaction(2)
	insert(t, s, open, ended)
	finish(t, s, ended.ID, made(), after(1), true)
	ended.State, ended.Outcome, ended.Finished = mssp.StateSigned, made(), after(1)

	for range 2 {
		s = d.Reopen()
		checkSubscriber(t, s, sub)
		got, err := s.Party(t.Context(), "p")
		must(t, err)
		same(t, party, got)
		same(t, open, read(t, s, open.ID))
		same(t, ended, read(t, s, ended.ID))
		second := NewTransaction(3)
		second.MSISDN = open.MSISDN
		wantBusy(t, s.InsertTransaction(t.Context(), second), open.ID)
		finish(t, s, ended.ID, cancelled(), after(2), false)
	}
	finish(t, s, open.ID, cancelled(), after(2), true)
}
