package storetest

import (
	"errors"
	"fmt"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// alter writes into a table as a newer version would.
func (d *database) alter(table, format string, args ...any) {
	d.t.Helper()
	if err := d.Alter(table, fmt.Sprintf(format, args...)); err != nil {
		d.t.Fatalf("alter %s: %v", table, err)
	}
}

// wantRowError checks that an error says which row cannot be read.
func wantRowError(t *testing.T, what string, err error, kind mssp.RowKind, key string) {
	t.Helper()
	if bad, ok := errors.AsType[*mssp.RowError](err); !ok || bad.Kind != kind || bad.Key != key {
		t.Errorf("%s: %v, want that %s %s cannot be read", what, err, kind, key)
	}
}

// A party that cannot be read does not affect others, and an update does not overwrite
// it.
func testNewerParty(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for _, column := range []string{"pins", "profiles", "services", "geofence", "limits"} {
		must(t, s.PutParty(ctx, &mssp.Party{ID: column, DTBDPrefix: "Bank: "}))
		d.alter("parties", `UPDATE parties SET %s = '{"newer":[1]}', default_lang = 'rm' WHERE id = '%[1]s'`, column)
		if column == "geofence" || column == "limits" {
			d.alter("parties", `UPDATE parties SET %s = '[]' WHERE id = '%[1]s'`, column)
		}
	}
	must(t, s.PutParty(ctx, &mssp.Party{ID: "plain"}))
	s = d.Reopen() // parties are cached
	for _, id := range []string{"pins", "profiles", "services", "geofence", "limits"} {
		_, err := s.Party(ctx, id)
		wantRowError(t, "party", err, mssp.RowParty, id)
		err = s.UpdateParty(ctx, id, func(*mssp.Party) error { t.Errorf("%s: changed", id); return nil })
		wantRowError(t, "update of a party", err, mssp.RowParty, id)
	}
	d.alter("parties", `UPDATE parties SET geofence = '' WHERE id = 'geofence'`)
	p, err := s.Party(ctx, "geofence")
	must(t, err)
	same(t, &mssp.Party{ID: "geofence", DTBDPrefix: "Bank: ", DefaultLang: "rm"}, p)
	_, err = s.Party(ctx, "plain")
	must(t, err)
}

// A device whose network cannot be read works, with an unknown network. Unknown states
// of devices and accounts are returned unchanged.
func testNewerDevice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	devices := []mssp.Device{
		{ID: "a", Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC, Network: signum.Network{MCC: "228", MNC: "01"}},
		{ID: "b", Method: signum.App, State: signum.DeviceRegistered},
	}
	sub, other := subscriber(1, devices...), subscriber(2)
	must(t, errors.Join(s.PutSubscriber(ctx, sub), s.PutSubscriber(ctx, other)))
	d.alter("devices", `UPDATE devices SET network = '["228","01"]' WHERE id = 'a'`)

	want := subscriber(1, devices...)
	want.Devices[0].Network = signum.Network{}
	got, err := s.Subscriber(ctx, sub.MSISDN)
	must(t, err)
	same(t, want, got)
	err = s.UpdateSubscriber(ctx, sub.MSISDN, func(*mssp.Subscriber) error { t.Error("changed"); return nil })
	wantRowError(t, "update of the account", err, mssp.RowDevice, "a")
	must(t, s.SetPINBlocked(ctx, "b", true))
	must(t, s.SetSubscriberState(ctx, sub.MSISDN, mssp.SubscriberInactive))

	d.alter("devices", `UPDATE devices SET network = '', state = 'RESTING', method = 'Watch', key_type = 'Ed25519' WHERE id = 'a'`)
	d.alter("subscribers", `UPDATE subscribers SET state = 'MOVING' WHERE msisdn = '%s'`, sub.MSISDN)
	want.State = "MOVING"
	want.Devices[0].State, want.Devices[0].Method, want.Devices[0].KeyType = "RESTING", "Watch", "Ed25519"
	want.Devices[1].PINBlocked = true
	got, err = s.Subscriber(ctx, sub.MSISDN)
	must(t, err)
	same(t, want, got)
	if err := s.UpdateSubscriber(ctx, sub.MSISDN, func(*mssp.Subscriber) error { return nil }); err == nil {
		t.Error("an account with states that this version does not know was written back")
	}
	_, err = s.Subscriber(ctx, other.MSISDN)
	must(t, err)
}

func testNewerApp(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, bad := enrol(t, s, 1)
	_, plain := enrol(t, s, 2)
	for column, text := range map[string]string{"push": `["https://push.example"]`, "passkeys": `{"newer":1}`, "push_end": `"gone"`} {
		d.alter("apps", `UPDATE apps SET push = '', passkeys = '', push_end = '' WHERE device_id = '%s'`, bad.DeviceID)
		d.alter("apps", `UPDATE apps SET %s = '%s' WHERE device_id = '%s'`, column, text, bad.DeviceID)
		_, err := s.App(ctx, bad.DeviceID)
		wantRowError(t, "App", err, mssp.RowApp, bad.DeviceID)
		err = s.UpdateApp(ctx, bad.DeviceID, func(*mssp.AppDevice) error { t.Error("changed"); return nil })
		wantRowError(t, "update of an App", err, mssp.RowApp, bad.DeviceID)
	}
	// Calls that do not need these columns work.
	if _, left, err := s.TryPasscode(ctx, bad.DeviceID, hash(9), nil); err != nil || left != mssp.MaxPasscodeTries-1 {
		t.Errorf("a try: %d, %v", left, err)
	}
	checkApp(t, s, plain)
	must(t, s.RemoveApp(ctx, bad.DeviceID))
}

// Lists leave out a transaction that cannot be read, a read returns what it can, and
// the transaction can be ended.
func testNewerTransaction(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	must(t, s.PutSubscriber(ctx, subscriber(1, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive})))
	for n := range 3 {
		insert(t, s, NewTransaction(n))
	}
	d.alter("transactions", `UPDATE transactions SET services = '{"validate":{"how":"new"}}' WHERE id = '%s'`, NewTransaction(1).ID)
	_, err := s.Transaction(ctx, NewTransaction(1).ID)
	wantRowError(t, "transaction", err, mssp.RowTransaction, NewTransaction(1).ID)
	if bad, ok := errors.AsType[*mssp.RowError](err); ok {
		same(t, NewTransaction(1), bad.Transaction)
	}
	list, err := s.OutstandingTransactions(ctx, start, "", 10)
	must(t, err)
	if len(list) != 2 || list[0].ID != NewTransaction(0).ID || list[1].ID != NewTransaction(2).ID {
		t.Errorf("outstanding: %v", list)
	}
	pending, _, err := s.DevicePending(ctx, "sim-1", start)
	must(t, err)
	recent, err := s.RecentTransactions(ctx, NewTransaction(1).MSISDN, 10)
	must(t, err)
	if len(pending) != 0 || len(recent) != 0 {
		t.Errorf("pending: %v, recent: %v", pending, recent)
	}
	if won, err := s.FinishTransaction(ctx, NewTransaction(1).ID, cancelled(), nil, after(1)); !won || err != nil {
		t.Errorf("end: %v, %v", won, err)
	}
	d.alter("transactions", `UPDATE transactions SET state = 'archived' WHERE id = '%s'`, NewTransaction(0).ID)
	if won, err := Sign(ctx, s, NewTransaction(0), after(1)); won || err != nil {
		t.Errorf("end of one in a state of a newer version: %v, %v", won, err)
	}
}

// A receipt with an unknown result has ended.
func testNewerReceipt(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for n := range 2 {
		sign(t, s, n)
		must(t, s.InsertReceipt(ctx, newReceipt(n)))
	}
	id := newReceipt(0).TransID
	d.alter("receipts", `UPDATE receipts SET result = 'READ', finished = 1 WHERE trans_id = '%s'`, id)
	got, err := s.Receipt(ctx, id)
	must(t, err)
	if got.Result != "READ" {
		t.Errorf("result %q", got.Result)
	}
	if won, err := s.FinishReceipt(ctx, id, signum.ReceiptLost, after(1)); won || err != nil {
		t.Errorf("ended again: %v, %v", won, err)
	}
	if won, err := s.FinishReceipt(ctx, newReceipt(1).TransID, signum.ReceiptLost, after(1)); !won || err != nil {
		t.Errorf("the other one: %v, %v", won, err)
	}
}

// A card in an unknown state is returned unchanged, gets no counter, and cannot change
// its state.
func testNewerCard(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for n := 1; n <= 2; n++ {
		must(t, s.PutSubscriber(ctx, subscriber(n, sim(n))))
		c := newCard(n)
		c.State, c.DeviceID = mssp.CardActive, sim(n).ID
		must(t, s.PutCard(ctx, c))
	}
	iccid := newCard(1).ICCID
	d.alter("sim_cards", `UPDATE sim_cards SET state = 'LENT', algorithm = 'TUAK' WHERE iccid = '%s'`, iccid)
	got, err := s.Card(ctx, iccid)
	must(t, err)
	if got.State != "LENT" || got.Algorithm != "TUAK" {
		t.Errorf("card: %+v", got)
	}
	if _, err := s.TakeCounter(ctx, iccid, 0); !errors.Is(err, mssp.ErrCardState) {
		t.Errorf("counter: %v", err)
	}
	if err := s.SetCardState(ctx, iccid, mssp.CardActive, after(1)); !errors.Is(err, mssp.ErrCardState) {
		t.Errorf("change of state: %v", err)
	}
	if _, err := s.TakeCounter(ctx, newCard(2).ICCID, 0); err != nil {
		t.Errorf("counter of the other card: %v", err)
	}
	if cards, err := s.AssignedCards(ctx, "", 10); err != nil || len(cards) != 2 {
		t.Errorf("assigned: %d, %v", len(cards), err)
	}
}

// No signature succeeds with a certificate in an unknown state.
func testNewerCertificate(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	for n := range 2 {
		issue(t, s, newCertificate(n, NewTransaction(n).DeviceID))
		insert(t, s, NewTransaction(n))
	}
	d.alter("certificates", `UPDATE certificates SET state = 'ON HOLD' WHERE serial = '%s'`, NewTransaction(0).CertSerial)
	got, err := s.Certificate(ctx, NewTransaction(0).CertSerial)
	must(t, err)
	if got.State != "ON HOLD" {
		t.Errorf("state %q", got.State)
	}
	for n, want := range []bool{false, true} {
		if won, err := Sign(ctx, s, NewTransaction(n), after(1)); won != want || err != nil {
			t.Errorf("signature %d: %v, %v, want %v", n, won, err, want)
		}
	}
}
