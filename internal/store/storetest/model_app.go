package storetest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// code draws the hash of one of the activation codes of this run.
func (m *model) code(rt *rapid.T) []byte {
	h := mssp.PinOf([]byte(m.draw(rt, "code", 4)))
	return h[:]
}

func (m *model) invite(rt *rapid.T) {
	i := &mssp.Invite{CodeHash: m.code(rt), MSISDN: among(rt, "msisdn", m.subscribers, m.draw(rt, "msisdn", 3)), Trusted: rapid.Bool().Draw(rt, "trusted"),
		Created: start, Expires: m.seconds(rt, "expires")}
	taken := false
	for msisdn, other := range m.invites {
		taken = taken || msisdn != i.MSISDN && slices.Equal(other.CodeHash, i.CodeHash)
	}
	err := m.store.PutInvite(context.Background(), i)
	agree(rt, "invite refused", taken, err != nil)
	if taken {
		return
	}
	m.invites[i.MSISDN] = i
	for msisdn, other := range m.invites {
		if !other.Expires.After(i.Created) {
			delete(m.invites, msisdn)
		}
	}
}

// invited finds the valid invite with this code; nil if there is none.
func (m *model) invited(codeHash []byte, now time.Time) *mssp.Invite {
	for _, i := range m.invites {
		if slices.Equal(i.CodeHash, codeHash) && i.Expires.After(now) {
			return i
		}
	}
	return nil
}

func (m *model) findInvite(rt *rapid.T) {
	code, now := m.code(rt), m.seconds(rt, "now")
	got, err := m.store.Invite(context.Background(), code, now)
	want := m.invited(code, now)
	if want == nil {
		agree(rt, "no invite", true, errors.Is(err, mssp.ErrInvite))
		return
	}
	ok(rt, err)
	agree(rt, "invite", want, got)
}

// among usually draws one of the names that exist: calls that need several names that
// fit would succeed too rarely by chance.
func among[T any](rt *rapid.T, what string, there map[string]T, otherwise string) string {
	if len(there) == 0 || rapid.IntRange(0, 3).Draw(rt, what+" or not") == 0 {
		return otherwise
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(there))).Draw(rt, what+" that is there")
}

func (m *model) enrol(rt *rapid.T) {
	id, code, msisdn := m.draw(rt, "device", 4), m.code(rt), m.draw(rt, "msisdn", 3)
	msisdn = among(rt, "msisdn", m.invites, msisdn)
	if i := m.invites[msisdn]; i != nil && rapid.Bool().Draw(rt, "its code") {
		code = i.CodeHash
	}
	e := &mssp.Enrolment{
		CodeHash: code,
		App: &mssp.AppDevice{DeviceID: id, MSISDN: msisdn, AuthKey: []byte(id), VerifierHash: hash(0),
			Share: []byte{0}, TriesLeft: mssp.MaxPasscodeTries, Name: rapid.SampledFrom(odd).Draw(rt, "name"),
			Enrolled: start},
		Device: mssp.Device{ID: id, Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC,
			Certificate: &mssp.Certificate{Serial: among(rt, "cert", m.certificates, m.draw(rt, "cert", 4))}},
		Serial:       rapid.SampledFrom([]string{"", "S1", "S2"}).Draw(rt, "serial"),
		RecoveryHash: rapid.SampledFrom([][]byte{nil, hash(1), hash(2)}).Draw(rt, "recovery"),
	}
	now := m.seconds(rt, "now")
	err := m.store.EnrolApp(context.Background(), e, now)
	i, sub := m.invited(e.CodeHash, now), m.subscribers[e.App.MSISDN]
	switch {
	case i == nil || i.MSISDN != e.App.MSISDN:
		agree(rt, "not invited", true, errors.Is(err, mssp.ErrInvite))
		return
	case sub == nil || m.certificates[e.Device.Certificate.Serial] == nil:
		agree(rt, "nothing to enrol", true, errors.Is(err, mssp.ErrNotFound))
		return
	case m.device(id) != nil:
		agree(rt, "device exists", true, err != nil)
		return
	}
	ok(rt, err)
	delete(m.invites, i.MSISDN)
	m.apps[id] = e.App
	m.known[sub.MSISDN] = true
	if e.Serial != "" {
		sub.Serial = e.Serial
		m.endOthers(sub, id, mssp.EndedByEnrolment, now)
	}
	sub.Devices = append(sub.Devices, e.Device)
	sortDevices(sub)
	if e.RecoveryHash != nil {
		sub.RecoveryCodeCreated, m.recovery[sub.MSISDN] = true, e.RecoveryHash
	}
}

// app draws an App, which may not exist; then the error must be ErrNotFound.
func (m *model) app(rt *rapid.T, call func(id string) error) *mssp.AppDevice {
	id := among(rt, "app", m.apps, m.draw(rt, "device", 4))
	err := call(id)
	if m.apps[id] == nil {
		agree(rt, "no app", true, errors.Is(err, mssp.ErrNotFound))
		return nil
	}
	ok(rt, err)
	return m.apps[id]
}

// enrolAll first does everything that an enrolment needs, which a random order of
// calls seldom does.
func (m *model) enrolAll(rt *rapid.T) {
	m.subscribe(rt)
	m.intend(rt)
	m.invite(rt)
	m.enrol(rt)
}

func (m *model) updateApp(rt *rapid.T) {
	change := mssp.AppDevice{VerifierHash: hash(rapid.IntRange(1, 9).Draw(rt, "verifier")), LastSeen: m.seconds(rt, "seen")}
	if rapid.Bool().Draw(rt, "pushed") {
		change.Push = &mssp.PushSubscription{Endpoint: rapid.SampledFrom(odd).Draw(rt, "endpoint")}
		change.Passkeys = []mssp.Passkey{{ID: []byte{1}}}
	} else if rapid.Bool().Draw(rt, "push ended") {
		change.PushEnd = &mssp.PushEnd{Reason: mssp.PushGone, At: m.seconds(rt, "push end"), Endpoint: hash(1)}
	}
	a := m.app(rt, func(id string) error {
		change.DeviceID = id
		return replaceApp(context.Background(), m.store, &change)
	})
	if a != nil {
		a.VerifierHash, a.LastSeen, a.Push, a.PushEnd, a.Passkeys = change.VerifierHash, change.LastSeen, change.Push, change.PushEnd, change.Passkeys
		a.Unlocked = nil
		a.Name = ""
	}
}

func (m *model) tryPasscode(rt *rapid.T) {
	h := hash(rapid.IntRange(0, 9).Draw(rt, "verifier"))
	var v *mssp.UserVerification
	if rapid.Bool().Draw(rt, "unlock") {
		v = verification(m.draw(rt, "id", 12))
	}
	var right bool
	var left int
	a := m.app(rt, func(id string) (err error) {
		right, left, err = m.store.TryPasscode(context.Background(), id, h, v)
		return err
	})
	if a == nil {
		return
	}
	agree(rt, "right", a.TriesLeft > 0 && bytes.Equal(h, a.VerifierHash), right)
	if !right {
		agree(rt, "tries left", a.TriesLeft-1, left)
		a.TriesLeft = max(left, 0)
		return
	}
	agree(rt, "tries left", mssp.MaxPasscodeTries, left)
	a.TriesLeft = mssp.MaxPasscodeTries
	if v != nil {
		a.Unlocked = v
	}
}

func (m *model) resetTries(rt *rapid.T) {
	a := m.app(rt, func(id string) error { return m.store.ResetTries(context.Background(), id) })
	if a != nil {
		a.TriesLeft = mssp.MaxPasscodeTries
	}
}

func (m *model) removeApp(rt *rapid.T) {
	a := m.app(rt, func(id string) error { return m.store.RemoveApp(context.Background(), id) })
	if a != nil {
		delete(m.apps, a.DeviceID)
		sub := m.subscribers[a.MSISDN]
		sub.Devices = slices.DeleteFunc(sub.Devices, func(d mssp.Device) bool { return d.ID == a.DeviceID })
	}
}

// account changes the recovery code or the state of a subscriber.
func (m *model) account(rt *rapid.T) {
	ctx, msisdn := context.Background(), m.draw(rt, "msisdn", 3)
	code := rapid.SampledFrom([][]byte{nil, hash(3)}).Draw(rt, "recovery")
	state := rapid.SampledFrom([]mssp.SubscriberState{mssp.SubscriberActive, mssp.SubscriberInactive}).Draw(rt, "state")
	sub := m.subscribers[msisdn]
	for _, err := range []error{m.store.SetRecoveryHash(ctx, msisdn, code), m.store.SetSubscriberState(ctx, msisdn, state)} {
		if sub == nil {
			agree(rt, "no subscriber", true, errors.Is(err, mssp.ErrNotFound))
		} else {
			ok(rt, err)
		}
	}
	if sub != nil {
		sub.State, sub.RecoveryCodeCreated, m.recovery[msisdn] = state, code != nil, code
	}
}

// keepApps deletes from the model what is deleted when a subscriber is replaced.
func (m *model) keepApps(sub *mssp.Subscriber) {
	for id, a := range m.apps {
		if a.MSISDN == sub.MSISDN && !slices.ContainsFunc(sub.Devices, func(d mssp.Device) bool { return d.ID == id }) {
			delete(m.apps, id)
		}
	}
	if !sub.RecoveryCodeCreated {
		delete(m.recovery, sub.MSISDN)
	}
}

// pending compares what a device has to answer, and the recent transactions of a
// subscriber.
func (m *model) pending(rt *rapid.T) {
	ctx, id, now := context.Background(), m.draw(rt, "device", 4), m.seconds(rt, "now")
	var transactions []*mssp.Transaction
	for _, tx := range m.transactions {
		if tx.State == mssp.StateOutstanding && tx.Expires.After(now) {
			if asked := m.askedOf(tx, id, now); asked != nil {
				transactions = append(transactions, asked)
			}
		}
	}
	var receipts []*mssp.Receipt
	for _, r := range m.receipts {
		if r.Result == signum.ReceiptPending && r.DeviceID == id && r.Expires.After(now) {
			receipts = append(receipts, r)
		}
	}
	older := func(a, b *mssp.Transaction) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID))
	}
	slices.SortFunc(transactions, older)
	slices.SortFunc(receipts, func(a, b *mssp.Receipt) int {
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.TransID, b.TransID))
	})
	gotT, gotR, err := m.store.DevicePending(ctx, id, now)
	ok(rt, err)
	agree(rt, "pending transactions", transactions, gotT)
	agree(rt, "pending receipts", receipts, gotR)

	msisdn, limit := m.draw(rt, "msisdn", 3), rapid.IntRange(0, 4).Draw(rt, "limit")
	var recent []*mssp.Transaction
	for _, tx := range m.transactions {
		if tx.MSISDN == msisdn {
			recent = append(recent, m.joined(tx))
		}
	}
	slices.SortFunc(recent, func(a, b *mssp.Transaction) int { return older(b, a) })
	got, err := m.store.RecentTransactions(ctx, msisdn, limit)
	ok(rt, err)
	agree(rt, "recent", recent[:min(limit, len(recent))], got)
}

// askedOf returns the outstanding transaction as it is pending for the device, or nil.
func (m *model) askedOf(tx *mssp.Transaction, id string, now time.Time) *mssp.Transaction {
	sub := m.subscribers[tx.MSISDN]
	if sub == nil {
		return nil
	}
	i := slices.IndexFunc(sub.Devices, func(d mssp.Device) bool { return d.ID == id && d.Method == tx.Method })
	if i < 0 || tx.Method == signum.SIM && tx.DeviceID != id {
		return nil
	}
	asked := m.joined(tx)
	if tx.Method == signum.SIM {
		return asked
	}
	if tx.DeviceID != id {
		asked.DeviceID, asked.SignedAttrs, asked.Certificate, asked.CertSerial = id, nil, nil, ""
		if c := sub.Devices[i].Certificate; c != nil {
			asked.CertSerial, asked.Certificate = c.Serial, m.certificates[c.Serial]
		}
	}
	c := asked.Certificate
	if !m.mayAnswer(tx, id) || c == nil || c.State != mssp.CertificateGood || !c.NotAfter.After(now) {
		return nil
	}
	return asked
}

// checkApps compares all Apps and recovery codes.
func (m *model) checkApps(rt *rapid.T) {
	ctx := context.Background()
	for n := 1; n <= 4; n++ {
		id := fmt.Sprintf("%sdevice%d", m.prefix, n)
		got, err := m.store.App(ctx, id)
		if want := m.apps[id]; want == nil {
			agree(rt, "no app", true, errors.Is(err, mssp.ErrNotFound))
		} else {
			ok(rt, err)
			d := m.device(id)
			want.Active = d.State == signum.DeviceActive && m.subscribers[want.MSISDN].State == mssp.SubscriberActive
			want.PINBlocked = d.PINBlocked
			agree(rt, "app", want, got)
		}
	}
	for msisdn := range m.subscribers {
		got, err := m.store.RecoveryHash(ctx, msisdn)
		ok(rt, err)
		agree(rt, "recovery hash", m.recovery[msisdn], got)
	}
}
