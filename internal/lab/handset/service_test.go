package handset_test

import (
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

var otaKeys = scp80.Keys{
	KIc: unhex("000102030405060708090a0b0c0d0e0f"), KID: unhex("101112131415161718191a1b1c1d1e1f"),
}

// service is the other end: it sends requests in secured packets and decodes the card's
// answers.
type service struct {
	testing.TB
	*handset.Network
	card    *card.Card
	diary   diary
	params  scp80.Params
	counter uint64
	ref     byte

	mu      sync.Mutex
	joins   *sms.Reassembler
	submits int
	pors    []*scp80.Response
	replies []*applet.Reply
	times   []time.Time
}

func newCard(t testing.TB, change ...func(*card.Config)) *card.Card {
	t.Helper()
	cfg := card.Config{ICCID: "8941000000000000017", Keys: otaKeys, PIN: "4711"}
	for _, f := range change {
		f(&cfg)
	}
	c, err := card.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func blankCard(c *card.Config) { c.Blank = true }

func withRSAKey(c *card.Config) {
	key, err := rsaKey()
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	c.KeyType, c.Store = signum.RSA, card.NewMemory()
	_ = c.Store.SaveCard(c.ICCID, &card.State{PIN: c.PIN, TriesLeft: card.MaxTries, Key: der})
}

func newService(t testing.TB, c *card.Card, does person.Behaviour) *service {
	t.Helper()
	s := &service{
		TB: t, card: c, joins: sms.NewReassembler(time.Hour, 100),
		params: scp80.Params{SPI: [2]byte{0x16, 0x39}, KIc: 0x12, KID: 0x12, TAR: applet.TAR},
	}
	s.Network = handset.New(handset.Config{Delay: time.Second, Observe: s.diary.Note})
	t.Cleanup(s.Close)
	s.Connect(s.receive)
	if err := s.Insert("sim", msisdn, c); err != nil {
		t.Fatal(err)
	}
	if err := s.Behave(msisdn, does); err != nil {
		t.Fatal(err)
	}
	return s
}

// receive takes an SMS-SUBMIT from the handset.
func (s *service) receive(number string, tpdu []byte) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.submits++
	m, err := sms.ParseSubmit(tpdu)
	if err != nil || number != msisdn || m.To.Digits != "41790001000" || m.Reference != byte(s.submits) {
		s.Errorf("submit %d of %s: %x, %v", s.submits, number, tpdu, err)
		return errors.New("refused")
	}
	whole, complete, err := s.joins.Add(time.Now(), number, m.UD)
	if err != nil || !complete {
		return err
	}
	r, err := scp80.OpenResponse(whole.Packet, s.params, otaKeys, scp80.Kind(whole.IEI))
	if err != nil {
		s.Errorf("message %02x: %v", whole.IEI, err)
		return nil
	}
	if scp80.Kind(whole.IEI) == scp80.KindResponse {
		s.pors = append(s.pors, r)
		return nil
	}
	reply, err := applet.ParseReply(r.Data)
	if err != nil {
		s.Errorf("reply %x: %v", r.Data, err)
		return nil
	}
	s.replies, s.times = append(s.replies, reply), append(s.times, time.Now())
	return nil
}

// send sends a request to the card. It returns the last report of the handset.
func (s *service) send(r applet.Request) string {
	s.Helper()
	data, err := r.MarshalBinary()
	if err != nil {
		s.Fatal(err)
	}
	s.counter++
	c := scp80.Command{Params: s.params, Counter: s.counter, Data: data}
	packet, err := c.Seal(otaKeys)
	if err != nil {
		s.Fatal(err)
	}
	return s.sendPacket(packet)
}

func (s *service) sendPacket(packet []byte) (report string) {
	s.Helper()
	s.ref++
	all, err := sms.SplitPacket(packet, sms.IEICommand, s.ref)
	if err != nil {
		s.Fatal(err)
	}
	for _, ud := range all {
		d := sms.Deliver{UDHI: true, From: sms.International("41790001000"), PID: sms.PIDDataDownload, DCS: sms.DCSCard, UD: ud}
		tpdu, err := d.MarshalBinary()
		if err != nil {
			s.Fatal(err)
		}
		got, err := s.DeliverSM(s.Context(), msisdn, tpdu)
		if err != nil {
			s.Fatal(err)
		}
		report = hex.EncodeToString(got)
	}
	return report
}

func (s *service) got() []*applet.Reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*applet.Reply(nil), s.replies...)
}

func (s *service) screen() handset.Dialogue {
	s.Helper()
	d, err := s.Dialogue(msisdn)
	if err != nil {
		s.Fatal(err)
	}
	return d
}

func (s *service) press(key handset.Key, input string) {
	s.Helper()
	if err := s.Press(msisdn, s.screen().ID, key, input); err != nil {
		s.Fatal(err)
	}
}

// cardText encodes a text for a request.
func cardText(text string) applet.Text {
	if septets, ok := sms.EncodeGSM7(text); ok {
		return applet.Text{DCS: applet.GSM7, Count: byte(len(septets)), Data: sms.PackGSM7(septets)}
	}
	units, _ := sms.EncodeUCS2(text)
	return applet.Text{DCS: applet.UCS2, Count: byte(len(units) / 2), Data: units}
}

func signReq(n int, text string) applet.Request {
	return applet.Request{
		Op: applet.Sign, ID: applet.TransactionID(fmt.Sprint("t", n)), KeyID: 1, Text: cardText(text),
		SigningTime: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), CertHash: [32]byte{1}, Timeout: 80 * time.Second, Lang: "en",
	}
}

// from adds the name of a party.
func from(r applet.Request, party string) applet.Request {
	if party != "" {
		r.Party = cardText(party)
	}
	return r
}

func displayReq(n int, text string) applet.Request {
	return applet.Request{Op: applet.Display, ID: applet.TransactionID(fmt.Sprint("t", n)), KeyID: 1, Text: cardText(text), Lang: "en"}
}

func simpleReq(op applet.Op, n int) applet.Request {
	r := applet.Request{Op: op, ID: applet.TransactionID(fmt.Sprint("t", n)), KeyID: 1, Timeout: 80 * time.Second, Lang: "en"}
	if op == applet.GenKey {
		r.Algorithm, r.Challenge = applet.EC, fmt.Sprint("t", n)
	}
	return r
}

// signed reports whether the reply has a signature over this text.
func (s *service) signed(r *applet.Reply, text string) bool {
	s.Helper()
	q := signReq(0, text)
	return len(r.Signature) > 0 &&
		verifySignature(s, s.card.PublicKey(), cms.RebuildAttributes([]byte(text), q.SigningTime, q.CertHash), r.Signature)
}
