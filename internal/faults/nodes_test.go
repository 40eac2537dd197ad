package faults

import (
	"bytes"
	"context"
	"crypto/x509"
	"math/big"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/testkit"
)

// another starts a second node on the same database, for the same phones. The SMSC gives
// the messages of phones to both nodes in turn.
func (w *world) another() *world {
	w.t.Helper()
	b := &world{t: w.t, clock: w.clock, log: new(testkit.Buffer), cert: w.cert, config: w.config, handsets: w.handsets, air: w.air}
	b.start("second")
	b.connect()
	w.eventually("the nodes see each other", func() bool {
		return w.metric("signum_cluster_nodes 2") && b.metric("signum_cluster_nodes 2") && w.metric("signum_cluster_listening 1") && b.metric("signum_cluster_listening 1")
	})
	return b
}

// addCards gives users new cards, which the next request activates.
func (w *world) addCards(kind signum.KeyType, users ...int) {
	w.t.Helper()
	file := bytes.NewBufferString(cardColumns)
	for _, i := range users {
		w.insertCard(file, i, kind)
	}
	if sum, err := w.node.Cards.Import(w.t.Context(), file, simcards.ImportOptions{PlainKeys: true}); err != nil || sum.New != len(users) {
		w.t.Fatalf("%+v, %v", sum, err)
	}
}

// twoNodes are a world and a second node.
func twoNodes(t testing.TB, users int, changes ...func(*config.Config)) (a, b *world) {
	t.Helper()
	a = newWorld(t, pgtest.URL(t), users, changes...)
	return a, a.another()
}

// Any node answers any request: the same call, and the same receipt, is taken by one of two
// nodes; phones answer at the other one, in one message or several.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, 4)
	both := []*world{a, b}
	for i := range 12 {
		w := both[i%2]
		w.wants("a signature", w.sign(number(i%4), 60*time.Second), signum.SignatureMade, "")
	}

	for range 5 {
		r := a.request(number(0), long)
		var results [2]result
		var g sync.WaitGroup
		for i, w := range both {
			g.Go(func() { results[i] = w.do(r) })
		}
		g.Wait()
		if results[1].err == nil {
			results[0], results[1] = results[1], results[0]
		}
		a.wants("the call that came first", results[0].err, signum.SignatureMade, "")
		a.wants("the same call at the other node", results[1].err, signum.WrongParam, "")

		if results[0].err != nil {
			continue
		}
		receipt := func(w *world) error {
			_, err := w.client.Do(t.Context(), &signum.ReceiptRequest{Header: a.request(number(0), long).Header, TransID: results[0].resp.TransID, MSISDN: number(0),
				Message: signum.DataToBeSigned{MimeType: signum.MimeText, Encoding: "UTF-8", Data: "Done"}})
			return err
		}
		var receipts [2]error
		for i, w := range both {
			g.Go(func() { receipts[i] = receipt(w) })
		}
		g.Wait()
		if receipts[1] == nil {
			receipts[0], receipts[1] = receipts[1], receipts[0]
		}
		if receipts[0] != nil {
			t.Errorf("the first receipt: %v", receipts[0])
		}
		a.wants("the same receipt at the other node", receipts[1], signum.WrongParam, "")
	}

	// Activations, whose replies have several parts.
	a.addCards(signum.EC, 10, 11, 12)
	for i := 10; i < 13; i++ {
		w := both[i%2]
		w.wants("an activation", w.sign(number(i), 60*time.Second), signum.SignatureMade, "")
	}
	// RSA, whose replies have several parts, too.
	a.addCards(signum.RSA, 20)
	for i := range 5 {
		w := both[i%2]
		w.wants("a signature with RSA", w.sign(number(20), 60*time.Second), signum.SignatureMade, "")
	}
}

// A node stops while a user is being asked: the user answers at the other node, which shows
// nothing again, and goes on with what the phone had not got.
func TestNodeStops(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, 2, func(c *config.Config) { c.SIM.Retry.Silence = time.Second })
	before := a.shown.count(number(0))
	c := a.asked(number(0), 200*time.Second)
	tx := a.transaction(c.SignatureRequest)
	if err := a.stop(); err != nil {
		t.Fatal(err)
	}
	if err := a.node.Close(); err != nil { // lets go of what it owns
		t.Fatal(err)
	}
	a.wants("who waits while the node stops", (<-c.answer).err, signum.InternalError, "")
	b.eventually("the other node goes on", func() bool { return b.metric("signum_cluster_adopted_total 1") })
	b.release(number(0))
	b.eventually("the user answers", func() bool {
		now, err := b.node.Store.Transaction(t.Context(), tx.ID)
		return err == nil && now.State == mssp.StateSigned
	})
	if n := a.shown.count(number(0)) - before; n != 1 {
		t.Errorf("the phone showed the request %d times", n)
	}
}

// An App that is connected to one node gets the requests of the other, and is told there that
// one is over.
func TestAppAtTheOtherNode(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, 1)
	msisdn := number(50)
	s := &mssp.Subscriber{MSISDN: msisdn, Serial: ca.NewSerial(), State: mssp.SubscriberActive}
	if err := a.node.Store.PutSubscriber(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	var events eventLog
	apps, err := softapp.New(softapp.Config{Base: a.node.WebListenerURL() + softapp.Path, FastKDF: true, Observe: events.add})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ran := make(chan error, 1)
	go func() { ran <- apps.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ran; apps.Close() })
	code, _, err := a.node.Apps.Invite(t.Context(), msisdn, true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := apps.Enrol(t.Context(), code, softapp.EnrolOptions{}); err != nil {
		t.Fatal(err, a.logged())
	}
	a.eventually("the App is connected", func() bool { return a.node.Apps.Connected() == 1 })
	for range 3 {
		b.wants("a signature of the App", b.sign(msisdn, 40*time.Second), signum.SignatureMade, "")
	}
	if err := apps.Behave(msisdn, person.Behaviour{Do: person.Silent}); err != nil {
		t.Fatal(err)
	}
	c := b.ask(msisdn, 2*time.Second)
	b.wants("an App whose user does nothing", (<-c.answer).err, signum.ExpiredTransaction, "")
	a.eventually("the App is told that the request is over", func() bool { return events.has(person.Withdrawn) || events.has(person.Expired) })
}

// eventLog is what happened on phones.
type eventLog struct {
	mu   sync.Mutex
	seen map[person.Kind]int
}

func (l *eventLog) add(e person.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = make(map[person.Kind]int)
	}
	l.seen[e.Kind]++
}

func (l *eventLog) has(k person.Kind) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.seen[k] > 0
}

// A certificate that is revoked at one node is in the next CRL of the other.
func TestRevokedAtTheOtherNode(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, 1)
	numbers := make([]*big.Int, 0, 4)
	list := func(w *world) *x509.RevocationList {
		t.Helper()
		der, err := w.node.CA.CRL(t.Context(), w.node.CA.Issuing())
		if err != nil {
			t.Fatal(err)
		}
		crl, err := x509.ParseRevocationList(der)
		if err != nil {
			t.Fatal(err)
		}
		return crl
	}
	for _, w := range []*world{a, b} {
		crl := list(w)
		if len(crl.RevokedCertificateEntries) > 0 {
			t.Fatal("something was revoked before")
		}
		numbers = append(numbers, crl.Number)
	}
	s, err := a.node.Store.Subscriber(t.Context(), number(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := a.node.CA.Revoke(t.Context(), s.Devices[0].Certificate.Serial, 1); err != nil {
		t.Fatal(err)
	}
	b.eventually("the CRL of the other node has the certificate", func() bool { return len(list(b).RevokedCertificateEntries) == 1 })
	for _, w := range []*world{b, a} {
		numbers = append(numbers, list(w).Number)
	}
	for i, n := range numbers[1:] {
		if n.Cmp(numbers[i]) <= 0 {
			t.Errorf("the numbers of CRLs do not grow: %v", numbers)
		}
	}
}
