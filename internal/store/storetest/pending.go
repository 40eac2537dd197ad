package storetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func testDevicePending(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	check := func(device string, now time.Time, transactions []*mssp.Transaction, receipts ...*mssp.Receipt) {
		t.Helper()
		gotT, gotR, err := s.DevicePending(ctx, device, now)
		must(t, err)
		same(t, transactions, gotT)
		same(t, receipts, gotR)
	}
	sub, _ := enrol(t, s, 1)
	cert := sub.Devices[0].Certificate
	sub.Devices = append(sub.Devices, mssp.Device{ID: "sim-1", Method: signum.SIM, State: signum.DeviceActive})
	must(t, s.PutSubscriber(ctx, sub))
	check("app-1", start, nil)
	check("none", start, nil)
	check("nul\x00", start, nil)

	app, sim, other, gone := NewTransaction(1), NewTransaction(2), NewTransaction(3), NewTransaction(4)
	app.DeviceID, app.Method, app.CertSerial = "app-1", signum.App, cert.Serial
	sim.MSISDN, sim.DeviceID = app.MSISDN, "sim-1"
	gone.DeviceID = "sim-1" // which another subscriber has now
	insert(t, s, app, sim, other, gone)
	app.Certificate = cert
	check("app-1", start, []*mssp.Transaction{app})
	check("sim-1", start, []*mssp.Transaction{sim})
	check("app-1", app.Expires.Add(-time.Microsecond), []*mssp.Transaction{app})
	check("app-1", app.Expires, nil)

	both, err := s.SubscriberPending(ctx, app.MSISDN)
	must(t, err)
	same(t, []*mssp.Transaction{app, sim}, both)
	if list, err := s.SubscriberPending(ctx, "nul\x00"); len(list) != 0 || err != nil {
		t.Errorf("no number: %v, %v", list, err)
	}

	// Receipts come in the order of their creation; other states, devices and
	// times are left out.
	var pending []*mssp.Receipt
	for i, created := range []int{20, 10, 20, 15} {
		sign(t, s, 10+i)
		r := newReceipt(10 + i)
		r.DeviceID, r.Created = "app-1", after(created)
		if i == 3 {
			r.DeviceID = "sim-1"
		}
		r.Expires = r.Created.Add(signum.ReceiptWait)
		insertReceipt(t, s, r)
		pending = append(pending, r)
	}
	check("app-1", start, []*mssp.Transaction{app}, pending[1], pending[0], pending[2])
	check("sim-1", start, []*mssp.Transaction{sim}, pending[3])
	check("app-1", after(95), nil, pending[0], pending[2])
	check("app-1", pending[1].Expires, nil, pending[0], pending[2])
	if done, err := s.FinishReceipt(ctx, pending[0].TransID, signum.ReceiptAccepted, after(30)); !done || err != nil {
		t.Error(done, err)
	}
	finish(t, s, app.ID, cancelled(), after(2), true)
	check("app-1", start, nil, pending[1], pending[2])

	// A transaction that waits for an activation is pending too.
	activating := unprepared(5)
	activating.MSISDN, activating.DeviceID = app.MSISDN, "sim-1"
	finish(t, s, sim.ID, made(), after(2), true)
	insert(t, s, activating)
	check("sim-1", start, []*mssp.Transaction{activating}, pending[3])
	must(t, s.PutSubscriber(ctx, subscriber(1)))
	check("sim-1", start, nil, pending[3])
}

func testRecent(t *testing.T, d *database) {
	s := d.Store()
	check := func(msisdn string, limit int, want ...*mssp.Transaction) {
		t.Helper()
		got, err := s.RecentTransactions(t.Context(), msisdn, limit)
		must(t, err)
		same(t, want, got)
	}
	check("+1", 5)
	const msisdn = "+41791234567"
	cert := issue(t, s, newCertificate(1, "sim-1"))
	var list []*mssp.Transaction
	for i, created := range []int{3, 1, 5, 5, 4} {
		tx := NewTransaction(i + 1)
		tx.MSISDN, tx.DeviceID, tx.CertSerial, tx.Created = msisdn, fmt.Sprint("d", i), cert.Serial, after(created)
		insert(t, s, tx, NewTransaction(100+i))
		tx.Certificate = cert
		list = append(list, tx)
		if i == 4 {
			break // outstanding
		}
		o := []mssp.Outcome{made(), cancelled(), sent(), made()}[i]
		finish(t, s, tx.ID, o, after(20-i), true)
		tx.State, tx.Outcome, tx.Finished = o.FinalState(), o, after(20-i)
	}
	insertReceipt(t, s, newReceipt(1))
	list[0].State = mssp.StateReceipted
	latest := []*mssp.Transaction{list[3], list[2], list[4], list[0], list[1]}
	check(msisdn, 10, latest...)
	check(msisdn, 5, latest...)
	check(msisdn, 2, latest[:2]...)
	for _, none := range []int{0, -1} {
		check(msisdn, none)
	}
	check("\xff", 5)
	if n, err := s.PurgeTransactions(t.Context(), after(19), 10); n != 2 || err != nil {
		t.Errorf("purged %d, %v", n, err)
	}
	check(msisdn, 10, list[4], list[0], list[1])
}
