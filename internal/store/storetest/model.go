package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// model is a Store in memory. Random calls go to it and to a real Store. Names have few
// values, so that calls meet.
type model struct {
	store  mssp.Store
	prefix string // of all names of this run, because the runs share a database

	transactions map[string]*mssp.Transaction
	certificates map[string]*mssp.Certificate
	subscribers  map[string]*mssp.Subscriber
	receipts     map[string]*mssp.Receipt
	invites      map[string]*mssp.Invite // by MSISDN
	apps         map[string]*mssp.AppDevice
	recovery     map[string][]byte // by MSISDN
	cards        map[string]*modelCard
	known        map[string]bool // by MSISDN: a certificate has named the serial
	consents     map[consentKey]*mssp.Consent
}

func testModel(t *testing.T, d *database) {
	s := d.Store()
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		emptyTransactions(rt, s)
		m := &model{
			store:        s,
			prefix:       fmt.Sprintf("%d.", run),
			transactions: make(map[string]*mssp.Transaction),
			certificates: make(map[string]*mssp.Certificate),
			subscribers:  make(map[string]*mssp.Subscriber),
			receipts:     make(map[string]*mssp.Receipt),
			invites:      make(map[string]*mssp.Invite),
			apps:         make(map[string]*mssp.AppDevice),
			recovery:     make(map[string][]byte),
			cards:        make(map[string]*modelCard),
			known:        make(map[string]bool),
			consents:     make(map[consentKey]*mssp.Consent),
		}
		rt.Repeat(map[string]func(*rapid.T){
			"insert":        m.insert,
			"insertEnded":   m.insertEnded,
			"prepare":       m.prepare,
			"finish":        m.finish,
			"receipt":       m.receipt,
			"finishReceipt": m.finishReceipt,
			"purge":         m.purge,
			"lists":         m.lists,
			"intend":        m.intend,
			"complete":      m.complete,
			"revoke":        m.revoke,
			"subscribe":     m.subscribe,
			"activate":      m.activate,
			"endDevice":     m.endDevice,
			"reopenDevice":  m.reopenDevice,
			"giveConsent":   m.giveConsent,
			"takeConsent":   m.takeConsent,
			"voidChanges":   m.voidChanges,
			"blockPIN":      m.blockPIN,
			"invite":        m.invite,
			"findInvite":    m.findInvite,
			"enrol":         m.enrol,
			"enrolAll":      m.enrolAll,
			"updateApp":     m.updateApp,
			"tryPasscode":   m.tryPasscode,
			"resetTries":    m.resetTries,
			"removeApp":     m.removeApp,
			"account":       m.account,
			"pending":       m.pending,
			"putCard":       m.putCard,
			"rekeyCard":     m.rekeyCard,
			"enrolCard":     m.enrolCard,
			"takeCounter":   m.takeCounter,
			"acceptReply":   m.acceptReply,
			"cardState":     m.cardState,
			"swapCard":      m.swapCard,
			"renumber":      m.renumber,
		})
		m.check(rt)
	})
}

// emptyTransactions deletes the transactions of earlier runs.
func emptyTransactions(rt *rapid.T, s mssp.Store) {
	ctx := context.Background()
	end := start.AddDate(1, 0, 0)
	ids, err := s.ExpiredTransactions(ctx, end, 10_000)
	ok(rt, err)
	for _, id := range ids {
		_, err := s.FinishTransaction(ctx, id, cancelled(), nil, start)
		ok(rt, err)
	}
	_, err = s.PurgeTransactions(ctx, end, 10_000)
	ok(rt, err)
}

func ok(rt *rapid.T, err error) {
	rt.Helper()
	if err != nil {
		rt.Fatal(err)
	}
}

func agree(rt *rapid.T, what string, want, got any) {
	rt.Helper()
	if d := diff(want, got); d != "" {
		rt.Fatalf("%s: -model +store\n%s", what, d)
	}
}

func (m *model) draw(rt *rapid.T, kind string, of int) string {
	return fmt.Sprintf("%s%s%d", m.prefix, kind, rapid.IntRange(1, of).Draw(rt, kind))
}

func (m *model) seconds(rt *rapid.T, what string) time.Time {
	return after(rapid.IntRange(0, 9).Draw(rt, what))
}

func (m *model) outcome(rt *rapid.T) mssp.Outcome {
	return rapid.SampledFrom([]mssp.Outcome{made(), located(mssp.Location{Country: "CH", Measured: start}), sent(),
		cancelled(), {Code: signum.OTAError}}).Draw(rt, "outcome")
}

func (m *model) transaction(rt *rapid.T) *mssp.Transaction {
	tx := &mssp.Transaction{
		ID:         m.draw(rt, "id", 12),
		APID:       m.draw(rt, "ap", 2),
		APTransID:  m.draw(rt, "trans", 4),
		APInstant:  m.seconds(rt, "instant"),
		MSISDN:     m.draw(rt, "msisdn", 3),
		DeviceID:   m.draw(rt, "device", 4),
		Method:     rapid.SampledFrom([]signum.Method{signum.SIM, signum.App, ""}).Draw(rt, "method"),
		Text:       rapid.SampledFrom(odd).Draw(rt, "text"),
		CertSerial: m.draw(rt, "cert", 4),
		State:      mssp.StateOutstanding,
		Created:    m.seconds(rt, "created"),
		Expires:    m.seconds(rt, "expires"),
	}
	if tx.OTP() {
		tx.Profile = signum.ProfileOTPText
	}
	if rapid.Bool().Draw(rt, "unprepared") {
		tx.CertSerial = ""
	}
	if rapid.Bool().Draw(rt, "wants") {
		policy := fence()
		tx.Services = mssp.ServiceOptions{Validate: true, Fence: &policy}
	}
	return tx
}

func (m *model) insert(rt *rapid.T) { m.add(rt, m.transaction(rt)) }

func (m *model) insertEnded(rt *rapid.T) {
	tx := m.transaction(rt)
	tx.Outcome, tx.Finished = m.outcome(rt), m.seconds(rt, "finished")
	tx.State = tx.Outcome.FinalState()
	m.add(rt, tx)
}

func (m *model) add(rt *rapid.T, tx *mssp.Transaction) {
	duplicate, busy := false, ""
	for _, other := range m.transactions {
		duplicate = duplicate || other.APID == tx.APID && other.APTransID == tx.APTransID && other.APInstant.Equal(tx.APInstant)
		if other.State == mssp.StateOutstanding && tx.State == mssp.StateOutstanding &&
			other.MSISDN == tx.MSISDN && other.Method == tx.Method {
			busy = other.ID
		}
	}
	_, exists := m.transactions[tx.ID]
	used, err := m.store.TransactionUsed(context.Background(), tx.APID, tx.APTransID, tx.APInstant)
	ok(rt, err)
	agree(rt, "used", duplicate, used)

	err = m.store.InsertTransaction(context.Background(), tx)
	var busyErr *mssp.BusyError
	switch {
	case duplicate:
		agree(rt, "duplicate", true, errors.Is(err, mssp.ErrDuplicate))
	case busy != "" && !exists:
		agree(rt, "busy", true, errors.As(err, &busyErr))
		agree(rt, "busy with", busy, busyErr.TransID)
	case busy != "" || exists:
		agree(rt, "refused", true, err != nil)
	default:
		ok(rt, err)
		m.transactions[tx.ID] = tx
	}
}

func (m *model) finish(rt *rapid.T) {
	id, o, at := m.draw(rt, "id", 12), m.outcome(rt), m.seconds(rt, "at")
	tx, by := m.transactions[id], m.answeredBy(rt, o)
	done, err := m.store.FinishTransaction(context.Background(), id, o, by, at)
	ok(rt, err)
	want := tx != nil && tx.State == mssp.StateOutstanding
	if want && o.Code == signum.SignatureMade {
		c := m.certificates[by.CertSerial]
		want = (c == nil || c.State == mssp.CertificateGood) && m.mayAnswer(tx, by.DeviceID)
	}
	agree(rt, "finished", want, done)
	if done && by != nil {
		tx.DeviceID, tx.CertSerial, tx.SignedAttrs = by.DeviceID, by.CertSerial, by.SignedAttrs
	}
	if done {
		tx.State, tx.Outcome, tx.Finished = o.FinalState(), o, at
	}
}

// answeredBy draws a device that answers; an outcome other than a signature may come
// from none.
func (m *model) answeredBy(rt *rapid.T, o mssp.Outcome) *mssp.AnsweredBy {
	if o.Code != signum.SignatureMade && rapid.Bool().Draw(rt, "nobody answers") {
		return nil
	}
	return &mssp.AnsweredBy{DeviceID: m.draw(rt, "device", 4), CertSerial: m.draw(rt, "cert", 4),
		SignedAttrs: rapid.SampledFrom([][]byte{nil, {1}}).Draw(rt, "attributes")}
}

// mayAnswer reports whether the device may end the transaction with a signature.
func (m *model) mayAnswer(tx *mssp.Transaction, deviceID string) bool {
	sub := m.subscribers[tx.MSISDN]
	return sub != nil && sub.State == mssp.SubscriberActive && slices.ContainsFunc(sub.Devices, func(d mssp.Device) bool {
		return d.ID == deviceID && d.Method == tx.Method && d.State == signum.DeviceActive && !d.PINBlocked
	})
}

func (m *model) purge(rt *rapid.T) {
	before, limit := m.seconds(rt, "before"), rapid.IntRange(0, 4).Draw(rt, "limit")
	n, err := m.store.PurgeTransactions(context.Background(), before, limit)
	ok(rt, err)
	var due []*mssp.Transaction
	for _, tx := range m.transactions {
		if tx.State != mssp.StateOutstanding && tx.Finished.Before(before) {
			due = append(due, tx)
		}
	}
	agree(rt, "purged", min(limit, len(due)), n)
	// The order among those that finished at the same time is not defined.
	left := 0
	var oldest time.Time
	for _, tx := range due {
		_, err := m.store.Transaction(context.Background(), tx.ID)
		if err == nil && (left == 0 || tx.Finished.Before(oldest)) {
			oldest = tx.Finished
		}
		if err == nil {
			left++
			continue
		}
		agree(rt, "purged is not found", true, errors.Is(err, mssp.ErrNotFound))
		delete(m.transactions, tx.ID)
		delete(m.receipts, tx.ID)
	}
	agree(rt, "left", len(due)-n, left)
	for _, tx := range due {
		if m.transactions[tx.ID] == nil && left > 0 && tx.Finished.After(oldest) {
			rt.Fatalf("%s was purged before an older one", tx.ID)
		}
	}
}

func (m *model) lists(rt *rapid.T) {
	now, limit := m.seconds(rt, "now"), rapid.IntRange(1, 4).Draw(rt, "limit")
	from := rapid.SampledFrom([]string{"", m.prefix + "id1", m.prefix + "id3"}).Draw(rt, "after")
	var expired, open []*mssp.Transaction
	ended := []string{m.prefix + "none"}
	for _, id := range slices.Sorted(maps.Keys(m.transactions)) {
		switch tx := m.transactions[id]; {
		case tx.State != mssp.StateOutstanding:
			ended = append(ended, id)
		case !tx.Expires.After(now):
			expired = append(expired, tx)
		case id > from:
			open = append(open, m.joined(tx))
		}
	}
	got, err := m.store.OutstandingTransactions(context.Background(), now, from, limit)
	ok(rt, err)
	agree(rt, "outstanding", open[:min(limit, len(open))], got)

	ids, err := m.store.EndedTransactions(context.Background(), append(slices.Collect(maps.Keys(m.transactions)), m.prefix+"none"))
	ok(rt, err)
	slices.Sort(ids)
	slices.Sort(ended)
	agree(rt, "ended", ended, ids)

	slices.SortStableFunc(expired, func(a, b *mssp.Transaction) int { return a.Expires.Compare(b.Expires) })
	ids, err = m.store.ExpiredTransactions(context.Background(), now, limit)
	ok(rt, err)
	agree(rt, "number of expired", min(limit, len(expired)), len(ids))
	for i, id := range ids {
		agree(rt, "order of expiry", expired[i].Expires, m.transactions[id].Expires)
	}
}

// joined returns the transaction as a read returns it, with its certificate.
func (m *model) joined(tx *mssp.Transaction) *mssp.Transaction {
	r := *tx
	r.Certificate = m.certificates[tx.CertSerial]
	return &r
}

func (m *model) intend(rt *rapid.T) {
	c := &mssp.Certificate{Serial: m.draw(rt, "cert", 4), DeviceID: m.draw(rt, "device", 3), TBS: []byte{1},
		NotBefore: start, NotAfter: m.seconds(rt, "until")}
	err := m.store.IntendCertificate(context.Background(), c)
	agree(rt, "intended", m.certificates[c.Serial] == nil, err == nil)
	if err == nil {
		c.State, c.TBS = mssp.CertificateIntended, nil
		m.certificates[c.Serial] = c
	}
}

func (m *model) complete(rt *rapid.T) {
	serial := m.draw(rt, "cert", 4)
	c := m.certificates[serial]
	if c != nil && c.State != mssp.CertificateIntended {
		return // the port does not define this
	}
	err := m.store.CompleteCertificate(context.Background(), serial, []byte(serial))
	if c == nil {
		agree(rt, "not intended", true, errors.Is(err, mssp.ErrNotFound))
		return
	}
	ok(rt, err)
	c.State, c.DER = mssp.CertificateGood, []byte(serial)
}

func (m *model) revoke(rt *rapid.T) {
	serial, at, reason := m.draw(rt, "cert", 4), m.seconds(rt, "at"), rapid.IntRange(0, 10).Draw(rt, "reason")
	err := m.store.RevokeCertificate(context.Background(), serial, at, reason)
	c := m.certificates[serial]
	if c == nil || c.State == mssp.CertificateIntended {
		agree(rt, "nothing to revoke", true, errors.Is(err, mssp.ErrNotFound))
		return
	}
	ok(rt, err)
	if c.State == mssp.CertificateGood {
		c.State, c.RevokedAt, c.Reason = mssp.CertificateRevoked, at, reason
	}
}

func (m *model) subscribe(rt *rapid.T) {
	sub := &mssp.Subscriber{MSISDN: m.draw(rt, "msisdn", 3), Serial: m.draw(rt, "account", 3),
		RecoveryCodeCreated: rapid.Bool().Draw(rt, "recovery"),
		State:               rapid.SampledFrom([]mssp.SubscriberState{mssp.SubscriberActive, mssp.SubscriberInactive}).Draw(rt, "state")}
	for _, n := range rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 0, 3, rapid.ID).Draw(rt, "devices") {
		d := mssp.Device{ID: fmt.Sprintf("%sdevice%d", m.prefix, n), Method: signum.SIM,
			State:      rapid.SampledFrom([]signum.DeviceState{signum.DeviceRegistered, signum.DeviceActive}).Draw(rt, "device state"),
			PINBlocked: rapid.Bool().Draw(rt, "blocked"),
			Network:    rapid.SampledFrom([]signum.Network{{}, {MCC: "228", MNC: "01", Name: "Swisscom"}}).Draw(rt, "network")}
		if rapid.Bool().Draw(rt, "certified") {
			d.Certificate = &mssp.Certificate{Serial: m.draw(rt, "cert", 4)}
		}
		sub.Devices = append(sub.Devices, d)
	}
	refused := false
	for _, d := range sub.Devices {
		refused = refused || d.Certificate != nil && m.certificates[d.Certificate.Serial] == nil
		for _, other := range m.subscribers {
			refused = refused || other.MSISDN != sub.MSISDN && slices.ContainsFunc(other.Devices,
				func(o mssp.Device) bool { return o.ID == d.ID })
		}
	}
	err := m.store.PutSubscriber(context.Background(), sub)
	agree(rt, "subscriber refused", refused, err != nil)
	if !refused {
		sortDevices(sub)
		m.subscribers[sub.MSISDN] = sub
		for _, d := range sub.Devices {
			m.known[sub.MSISDN] = m.known[sub.MSISDN] || d.Certificate != nil
		}
		m.keepApps(sub)
		m.keepCards()
	}
}

func sortDevices(sub *mssp.Subscriber) {
	slices.SortFunc(sub.Devices, func(a, b mssp.Device) int { return cmp.Compare(a.ID, b.ID) })
}

// check compares everything.
func (m *model) check(rt *rapid.T) {
	ctx := context.Background()
	m.checkApps(rt)
	m.checkCards(rt)
	m.checkSerials(rt)
	for _, tx := range m.transactions {
		got, err := m.store.Transaction(ctx, tx.ID)
		ok(rt, err)
		agree(rt, "transaction", m.joined(tx), got)
	}
	for n := 1; n <= 12; n++ {
		id := fmt.Sprintf("%sid%d", m.prefix, n)
		got, err := m.store.Receipt(ctx, id)
		if want := m.receipts[id]; want == nil {
			agree(rt, "no receipt", true, errors.Is(err, mssp.ErrNotFound))
		} else {
			ok(rt, err)
			agree(rt, "receipt", want, got)
		}
	}
	for serial, want := range m.certificates {
		got, err := m.store.Certificate(ctx, serial)
		ok(rt, err)
		agree(rt, "certificate", want, got)
	}
	for msisdn, sub := range m.subscribers {
		want := *sub
		want.Devices = slices.Clone(sub.Devices)
		for i, d := range want.Devices {
			if d.Certificate != nil {
				want.Devices[i].Certificate = m.certificates[d.Certificate.Serial]
			}
		}
		got, err := m.store.Subscriber(ctx, msisdn)
		ok(rt, err)
		agree(rt, "subscriber", &want, got)
	}
}
