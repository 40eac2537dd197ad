package smsc_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/linxGnu/gosmpp"
	"github.com/linxGnu/gosmpp/data"
	"github.com/linxGnu/gosmpp/pdu"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/smpp"
)

// onTCP starts a service centre on a TCP port.
func onTCP(t *testing.T, cfg smsc.Config) (*smsc.SMSC, *radio) {
	t.Helper()
	r := &radio{start: time.Now()}
	cfg.Radio, cfg.Credentials = r, map[string]string{"signum": "secret"}
	s, err := smsc.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, r
}

// rawCoding is a data_coding for unchanged octets.
type rawCoding struct{}

func (rawCoding) Encode(s string) ([]byte, error) { return []byte(s), nil }
func (rawCoding) Decode(b []byte) (string, error) { return string(b), nil }

// gosmppSettings are those of a session that answers what it receives.
func gosmppSettings(received chan<- pdu.PDU, trouble chan<- string) gosmpp.Settings {
	return gosmpp.Settings{
		ReadTimeout: time.Minute,
		OnAllPDU: func(p pdu.PDU) (pdu.PDU, bool) {
			received <- p
			if p.CanResponse() {
				return p.GetResponse(), false
			}
			return nil, false
		},
		OnSubmitError:    func(_ pdu.PDU, err error) { trouble <- fmt.Sprint("submit: ", err) },
		OnReceivingError: func(err error) { trouble <- fmt.Sprint("receive: ", err) },
	}
}

// gosmppMessage is a binary message to the SIM of the phone.
func gosmppMessage(t *testing.T) *pdu.SubmitSM {
	t.Helper()
	m := pdu.NewSubmitSM().(*pdu.SubmitSM)
	_ = m.SourceAddr.SetAddress("555")
	m.DestAddr.SetTon(1)
	m.DestAddr.SetNpi(1)
	_ = m.DestAddr.SetAddress(phone.Addr)
	m.EsmClass, m.ProtocolID, m.RegisteredDelivery = smpp.UDHI, 0x7f, 1
	var err error
	if m.Message, err = pdu.NewBinaryShortMessageWithEncoding([]byte{0xde, 0xad}, data.NewCustomEncoding(0xf6, rawCoding{})); err != nil {
		t.Fatal(err)
	}
	m.Message.SetUDH(pdu.UDH{{ID: 0x70}})
	return m
}

// gosmpp, an independent client.
func TestGosmpp(t *testing.T) {
	s, r := onTCP(t, smsc.Config{EnquireLink: 100 * time.Millisecond})
	received := make(chan pdu.PDU, 1000)
	trouble := make(chan string, 100)
	auth := gosmpp.Auth{SMSC: s.Addr(), SystemID: "signum", Password: "wrong"}
	settings := gosmppSettings(received, trouble)
	settings.ReadTimeout = 10 * time.Second
	if _, err := gosmpp.NewSession(gosmpp.TRXConnector(gosmpp.NonTLSDialer, auth), settings, 0); err == nil || err.(gosmpp.BindError).CommandStatus != data.ESME_RINVPASWD {
		t.Fatalf("with a wrong password: %v", err)
	}
	auth.Password = "secret"
	session, err := gosmpp.NewSession(gosmpp.TRXConnector(gosmpp.NonTLSDialer, auth), settings, 0)
	if err != nil {
		t.Fatal(err)
	}
	wait := func(what string, is func(pdu.PDU) bool) {
		t.Helper()
		for limit := time.After(time.Minute); ; {
			select {
			case p := <-received:
				if is(p) {
					return
				}
			case text := <-trouble:
				t.Fatal(text)
			case <-limit:
				t.Fatalf("no %s", what)
			}
		}
	}
	if name := session.Transceiver().SystemID(); name != "signum-smsc" {
		t.Errorf("bound to %q", name)
	}

	if err := session.Transceiver().Submit(gosmppMessage(t)); err != nil {
		t.Fatal(err)
	}
	var id string
	wait("submit_sm_resp", func(p pdu.PDU) bool {
		resp, ok := p.(*pdu.SubmitSMResp)
		if ok {
			id = resp.MessageID
		}
		return ok && p.IsOk()
	})
	wait("delivery receipt", func(p pdu.PDU) bool {
		d, ok := p.(*pdu.DeliverSM)
		if !ok {
			return false
		}
		text, _ := d.Message.GetMessageData()
		if d.EsmClass != smpp.TypeReceipt || !bytes.HasPrefix(text, []byte("id:"+id+" ")) || !bytes.Contains(text, []byte("stat:DELIVRD")) {
			t.Errorf("receipt %x %s", d.EsmClass, text)
		}
		return true
	})
	if got := r.arrivals(); len(got) != 1 || !bytes.Equal(got[0].UD, []byte{2, 0x70, 0, 0xde, 0xad}) || got[0].DCS != 0xf6 || got[0].PID != 0x7f {
		t.Errorf("the phone has %+v", got)
	}

	if err := s.Submit(phoneNumber, fromPhone(t, 42)); err != nil {
		t.Fatal(err)
	}
	wait("deliver_sm", func(p pdu.PDU) bool {
		d, ok := p.(*pdu.DeliverSM)
		if !ok {
			return false
		}
		body, _ := d.Message.GetMessageData()
		udh := d.Message.UDH()
		if !bytes.Equal(body, []byte{42}) || len(udh) != 1 || udh[0].ID != 0x70 || d.SourceAddr.Address() != phone.Addr || d.DestAddr.Address() != "555" {
			t.Errorf("body %x, header %v of %s for %s", body, udh, d.SourceAddr.Address(), d.DestAddr.Address())
		}
		return true
	})
	if err := session.Transceiver().Submit(pdu.NewEnquireLink()); err != nil {
		t.Fatal(err)
	}
	wait("enquire_link_resp", func(p pdu.PDU) bool { _, ok := p.(*pdu.EnquireLinkResp); return ok })
	wait("enquire_link", func(p pdu.PDU) bool { _, ok := p.(*pdu.EnquireLink); return ok })
	until(t, "acknowledged messages", func() bool { return s.Counters(smsc.ToESME).Delivered == 2 })

	refused := pdu.NewSubmitSM()
	if err := session.Transceiver().Submit(refused); err != nil {
		t.Fatal(err)
	}
	wait("refusal", func(p pdu.PDU) bool {
		resp, ok := p.(*pdu.SubmitSMResp)
		return ok && resp.CommandStatus == data.ESME_RINVDSTADR
	})
	if err := session.Transceiver().Submit(pdu.NewUnbind()); err != nil {
		t.Fatal(err)
	}
	trouble = nil // the connection ends with the response
	wait("unbind_resp", func(p pdu.PDU) bool { _, ok := p.(*pdu.UnbindResp); return ok && p.IsOk() })
	_ = session.Close() // the connection may be closed already
}

func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for limit := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("no %s", what)
		}
	}
}
