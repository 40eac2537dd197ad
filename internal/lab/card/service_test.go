package card_test

import (
	"crypto/sha256"
	"fmt"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// sendSM handles an SMS-SUBMIT as the network and the service do.
func (p *phone) sendSM(tpdu []byte) (result byte) {
	p.Helper()
	if p.refuse > 0 {
		p.refuse--
		return 0x21
	}
	s, err := sms.ParseSubmit(tpdu)
	if err != nil {
		p.Fatal(err)
	}
	if s.To != service || !s.UDHI || len(s.UD) > 140 {
		p.Errorf("SMS-SUBMIT %+v", s)
	}
	p.submits = append(p.submits, s)
	m, whole, err := p.joins.Add(epoch, "card", s.UD)
	if err != nil {
		p.Fatal(err)
	}
	if whole {
		p.take(m)
	}
	return 0
}

// take handles a message as the service does.
func (p *phone) take(m sms.Message) {
	p.Helper()
	if r, err := scp80.OpenUnsecured(m.Packet); err == nil && m.IEI == sms.IEIResponse {
		p.pors = append(p.pors, r)
		return
	}
	r, err := scp80.OpenResponse(m.Packet, p.params, keys, scp80.Kind(m.IEI))
	if err != nil {
		p.Fatalf("message under %02x: %v", m.IEI, err)
	}
	if m.IEI == sms.IEIResponse {
		p.pors = append(p.pors, r)
		return
	}
	if r.Status != scp80.OK || r.TAR != p.params.TAR || p.seen[r.Counter] {
		p.Errorf("reply with status %v, TAR %s, counter %d", r.Status, r.TAR, r.Counter)
	}
	p.seen[r.Counter] = true
	reply, err := applet.ParseReply(r.Data)
	if err != nil {
		p.Fatal(err)
	}
	p.replies = append(p.replies, reply)
}

// lastPoR returns the status of the last proof of receipt.
func (p *phone) lastPoR() scp80.Status {
	p.Helper()
	if len(p.pors) == 0 {
		p.Fatal("no proof of receipt")
	}
	return p.pors[len(p.pors)-1].Status
}

// only returns and removes the only reply.
func (p *phone) only() *applet.Reply {
	p.Helper()
	if len(p.replies) != 1 {
		p.Fatalf("%d replies", len(p.replies))
	}
	r := p.replies[0]
	p.replies = nil
	return r
}

// texts returns the texts of the prompts since the last call.
func (p *phone) texts() (out []string) {
	for _, q := range p.prompts {
		out = append(out, q.text)
	}
	p.prompts = nil
	return out
}

func (p *phone) counterKept() uint64 {
	p.Helper()
	s, err := p.cfg.Store.LoadCard(iccid)
	if err != nil {
		p.Fatal(err)
	}
	return s.Counter
}

// textOf encodes a text in GSM if possible, otherwise in UCS2.
func textOf(s string) applet.Text {
	if septets, ok := sms.EncodeGSM7(s); ok {
		return applet.Text{DCS: applet.GSM7, Count: byte(len(septets)), Data: sms.PackGSM7(septets)}
	}
	b, _ := sms.EncodeUCS2(s)
	return applet.Text{DCS: applet.UCS2, Count: byte(len(b) / 2), Data: b}
}

func id(n int) applet.ID { return applet.TransactionID(fmt.Sprintf("t%d", n)) }

func signRequest(n int, text string) applet.Request {
	return applet.Request{
		Op: applet.Sign, ID: id(n), KeyID: 1, Text: textOf(text), SigningTime: epoch,
		CertHash: sha256.Sum256([]byte("certificate")), Timeout: 80 * time.Second, Lang: "en",
	}
}

func simple(op applet.Op, n int) applet.Request {
	return applet.Request{Op: op, ID: id(n), KeyID: 1, Timeout: 80 * time.Second, Lang: "en"}
}
