package storetest

import (
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

func testCardState(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, c := holder(t, s, 1)
	device := &sub.Devices[0]
	set := func(to mssp.CardState, second int, want signum.DeviceState) {
		t.Helper()
		must(t, s.SetCardState(ctx, c.ICCID, to, after(second)))
		if c.State != to {
			c.State, c.Changed = to, after(second)
		}
		device.State = want
		checkCard(t, s, c)
		checkSubscriber(t, s, sub)
	}
	set(mssp.CardActive, 2, signum.DeviceRegistered)
	set(mssp.CardBlocked, 3, signum.DeviceInactive)
	set(mssp.CardBlocked, 4, signum.DeviceInactive)
	set(mssp.CardActive, 5, signum.DeviceRegistered)

	// With a good certificate, the device is active again.
	device.Certificate, device.State = issue(t, s, newCertificate(1, device.ID)), signum.DeviceActive
	must(t, s.ActivateDevice(ctx, activation(device.ID, device.Certificate.Serial)))
	set(mssp.CardBlocked, 6, signum.DeviceInactive)
	set(mssp.CardActive, 7, signum.DeviceActive)
	// A key that is made while the card is blocked is refused.
	set(mssp.CardBlocked, 8, signum.DeviceInactive)
	late := issue(t, s, newCertificate(2, device.ID))
	wantIs(t, "blocked card", s.ActivateDevice(ctx, activation(device.ID, late.Serial)), mssp.ErrDeviceState)
	checkSubscriber(t, s, sub)
	must(t, s.RevokeCertificate(ctx, device.Certificate.Serial, after(9), 4))
	device.Certificate.State, device.Certificate.RevokedAt, device.Certificate.Reason = mssp.CertificateRevoked, after(9), 4
	set(mssp.CardActive, 9, signum.DeviceInactive)
	// A device that has ended stays so.
	must(t, s.EndDevice(ctx, device.ID, mssp.EndedByUser, after(10)))
	device.Ended, device.EndedAt = mssp.EndedByUser, after(10)
	set(mssp.CardActive, 11, signum.DeviceInactive)
	set(mssp.CardBlocked, 12, signum.DeviceInactive)
	set(mssp.CardActive, 13, signum.DeviceInactive)

	stock := newCard(2)
	must(t, s.PutCard(ctx, stock))
	for _, to := range []mssp.CardState{mssp.CardStock, mssp.CardRetired, "LOST", ""} {
		wantIs(t, "active to "+string(to), s.SetCardState(ctx, c.ICCID, to, after(20)), mssp.ErrCardState)
	}
	for _, to := range []mssp.CardState{mssp.CardActive, mssp.CardBlocked} {
		wantIs(t, "stock to "+string(to), s.SetCardState(ctx, stock.ICCID, to, after(20)), mssp.ErrCardState)
	}
	must(t, s.SetCardState(ctx, stock.ICCID, mssp.CardRetired, after(20)))
	stock.State, stock.Changed = mssp.CardRetired, after(20)
	for _, to := range []mssp.CardState{mssp.CardActive, mssp.CardBlocked, mssp.CardStock} {
		wantIs(t, "retired to "+string(to), s.SetCardState(ctx, stock.ICCID, to, after(21)), mssp.ErrCardState)
	}
	wantNotFound(t, "no card", s.SetCardState(ctx, "none", mssp.CardBlocked, after(20)))
	wantNotFound(t, "no ICCID", s.SetCardState(ctx, "\xff", mssp.CardBlocked, after(20)))
	checkCard(t, d.Reopen(), c)
	checkCard(t, d.Store(), stock)
	checkSubscriber(t, d.Store(), sub)
}

func testSwapCard(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	sub, old := holder(t, s, 1)
	app := mssp.Device{ID: "a-app", Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC}
	lone := mssp.Device{ID: "sim-without-card", Method: signum.SIM, State: signum.DeviceActive}
	sub.Devices = []mssp.Device{app, sub.Devices[0], lone}
	must(t, s.PutSubscriber(ctx, sub))
	asked := NewTransaction(1)
	insert(t, s, asked)
	var err error
	old.Counter, err = s.TakeCounter(ctx, old.ICCID, 0)
	must(t, err)

	card := newCard(2)
	wantNotFound(t, "no card", s.SwapCard(ctx, sub.MSISDN, card.ICCID, sim(2), after(2)))
	must(t, s.PutCard(ctx, card))
	wantNotFound(t, "no subscriber", s.SwapCard(ctx, "+41", card.ICCID, sim(2), after(2)))
	wantNotFound(t, "no number", s.SwapCard(ctx, "\xff", card.ICCID, sim(2), after(2)))
	wantIs(t, "device exists", s.SwapCard(ctx, sub.MSISDN, card.ICCID, sim(1), after(2)), mssp.ErrExists)
	wantIs(t, "its own card", s.SwapCard(ctx, sub.MSISDN, old.ICCID, sim(2), after(2)), mssp.ErrCardState)
	for _, bad := range []mssp.Device{{}, {ID: "x", Method: signum.App, State: signum.DeviceActive},
		{ID: "x", Method: signum.SIM, State: signum.DeviceActive, Certificate: newCertificate(1, "x")}} {
		if err := s.SwapCard(ctx, sub.MSISDN, card.ICCID, bad, after(2)); err == nil {
			t.Errorf("taken: %+v", bad)
		}
	}
	checkSubscriber(t, s, sub)
	checkCard(t, s, old)
	checkCard(t, s, card)

	must(t, s.SwapCard(ctx, sub.MSISDN, card.ICCID, sim(2), after(2)))
	sub.Devices = []mssp.Device{app, sim(2)}
	old.State, old.DeviceID, old.MSISDN, old.Changed = mssp.CardRetired, "", "", after(2)
	card.State, card.DeviceID, card.MSISDN, card.Changed = mssp.CardActive, "sim-2", sub.MSISDN, after(2)
	checkSubscriber(t, s, sub)
	checkCard(t, s, old)
	checkCard(t, s, card)
	got, err := s.CardOf(ctx, sub.MSISDN)
	must(t, err)
	same(t, card, got)
	_, err = s.TakeCounter(ctx, old.ICCID, 0)
	wantIs(t, "counter of an old card", err, mssp.ErrCardState)
	wantIs(t, "an old card", s.SwapCard(ctx, sub.MSISDN, old.ICCID, sim(3), after(3)), mssp.ErrCardState)
	same(t, asked, read(t, s, asked.ID)) // a record does not move

	// An account without a SIM gets its first one.
	none := subscriber(3)
	must(t, s.PutSubscriber(ctx, none))
	first := newCard(3)
	must(t, s.PutCard(ctx, first))
	must(t, s.SwapCard(ctx, none.MSISDN, first.ICCID, sim(3), after(4)))
	none.Devices = []mssp.Device{sim(3)}
	checkSubscriber(t, d.Reopen(), none)
	checkSubscriber(t, d.Store(), sub)
	checkCard(t, d.Store(), card)
}

func testRenumber(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	_, app := enrol(t, s, 1)
	card := newCard(1)
	must(t, s.PutCard(ctx, card))
	must(t, s.SwapCard(ctx, app.MSISDN, card.ICCID, sim(1), after(1)))
	must(t, s.SetRecoveryHash(ctx, app.MSISDN, hash(8)))
	sub, err := s.Subscriber(ctx, app.MSISDN)
	must(t, err)
	mine, others := invite(1), invite(2)
	must(t, s.PutInvite(ctx, mine))
	must(t, s.PutInvite(ctx, others)) // for an account that was never created
	busy := subscriber(3)
	must(t, s.PutSubscriber(ctx, busy))
	asked := NewTransaction(1)
	insert(t, s, asked)

	from, to := app.MSISDN, others.MSISDN
	wantNotFound(t, "no account", s.RenumberSubscriber(ctx, "+41", to))
	wantNotFound(t, "no number", s.RenumberSubscriber(ctx, "\x00", to))
	wantIs(t, "there is one", s.RenumberSubscriber(ctx, from, busy.MSISDN), mssp.ErrExists)
	if err := s.RenumberSubscriber(ctx, from, "\x00"); err == nil {
		t.Error("what is not a number: taken")
	}
	must(t, s.RenumberSubscriber(ctx, from, from))
	checkSubscriber(t, s, sub)

	must(t, s.RenumberSubscriber(ctx, from, to))
	sub.MSISDN, app.MSISDN, mine.MSISDN = to, to, to
	s = d.Reopen()
	checkSubscriber(t, s, sub)
	checkRecovery(t, s, to, hash(8))
	_, err = s.Subscriber(ctx, from)
	wantNotFound(t, "old number", err)
	checkApp(t, s, app)
	c, err := s.CardOf(ctx, to)
	must(t, err)
	same(t, []string{card.ICCID, to, string(mssp.CardActive)}, []string{c.ICCID, c.MSISDN, string(c.State)})
	checkInvite(t, s, mine, start)
	noInvite(t, s, 2, start)
	same(t, asked, read(t, s, asked.ID))         // a record does not move
	must(t, s.PutSubscriber(ctx, subscriber(1))) // the old number is free
	must(t, s.RenumberSubscriber(ctx, from, "+41790000099"))
}
