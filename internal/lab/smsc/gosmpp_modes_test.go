package smsc_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp"
	"github.com/linxGnu/gosmpp/pdu"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
)

// gosmpp with a transmitter and a receiver: messages to phones take the one, messages from
// phones and receipts the other.
func TestGosmppTransmitterAndReceiver(t *testing.T) {
	s, r := onTCP(t, smsc.Config{})
	trouble := make(chan string, 100)
	open := func(connector gosmpp.Connector, received chan pdu.PDU) *gosmpp.Session {
		t.Helper()
		session, err := gosmpp.NewSession(connector, gosmppSettings(received, trouble), 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = session.Close() })
		return session
	}
	auth := gosmpp.Auth{SMSC: s.Addr(), SystemID: "signum", Password: "secret"}
	sent, received := make(chan pdu.PDU, 100), make(chan pdu.PDU, 100)
	transmitter := open(gosmpp.TXConnector(gosmpp.NonTLSDialer, auth), sent)
	open(gosmpp.RXConnector(gosmpp.NonTLSDialer, auth), received)
	next := func(from chan pdu.PDU) pdu.PDU {
		t.Helper()
		select {
		case p := <-from:
			return p
		case text := <-trouble:
			t.Fatal(text)
		case <-time.After(time.Minute):
			t.Fatal("nothing came")
		}
		return nil
	}

	if err := transmitter.Transmitter().Submit(gosmppMessage(t)); err != nil {
		t.Fatal(err)
	}
	if resp, ok := next(sent).(*pdu.SubmitSMResp); !ok || !resp.IsOk() {
		t.Fatalf("the transmitter got %+v", resp)
	}
	if d, ok := next(received).(*pdu.DeliverSM); !ok || d.EsmClass != smpp.TypeReceipt {
		t.Errorf("instead of a receipt, the receiver got %+v", d)
	}
	if got := r.arrivals(); len(got) != 1 || !bytes.Equal(got[0].UD, []byte{2, 0x70, 0, 0xde, 0xad}) {
		t.Errorf("the phone has %+v", got)
	}
	if err := s.Submit(phoneNumber, fromPhone(t, 42)); err != nil {
		t.Fatal(err)
	}
	d, ok := next(received).(*pdu.DeliverSM)
	if !ok {
		t.Fatalf("the receiver got %T", d)
	}
	if body, _ := d.Message.GetMessageData(); !bytes.Equal(body, []byte{42}) {
		t.Errorf("body %x", body)
	}
	until(t, "acknowledgements", func() bool { return s.Counters(smsc.ToESME).Delivered == 2 })
}
