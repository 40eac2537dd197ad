package handset

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sms"
)

// serviceCentre is the address of the SMSC, as in an RP header: international, ISDN.
var serviceCentre = []byte{0x91, 0x14, 0x97, 0x00, 0x00, 0x00, 0xf0}

// DeliverSM delivers an SMS-DELIVER from the network. A message for the card (PID 7F,
// class 2) goes to the card, and the report is the card's answer: an error with TP-FCS
// D4 if it is busy, D5 if it failed. Any other message goes to the user. DeliverSM
// returns before the user is asked. The errors are person.ErrUnknown, ErrUnreachable and
// ErrClosed.
func (h *Network) DeliverSM(ctx context.Context, msisdn string, tpdu []byte) (report []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	m, err := h.find(msisdn)
	if err != nil {
		return nil, err
	}
	d, err := sms.ParseDeliver(tpdu)
	if err != nil {
		h.c.Logger.Warn("a handset cannot read an SMS-DELIVER", "msisdn", signum.MaskMSISDN(msisdn), "err", err)
		return reportFailure(sms.FailureUnspecified)
	}
	defer h.seen.Flush()
	does := m.Behaviour()
	if does.Do == person.Unreachable {
		m.missed(d)
		return nil, unreachable(msisdn)
	}
	if forCard(d) {
		return m.download(does, d, tpdu)
	}
	m.read(d)
	return reportOK(d, nil)
}

func unreachable(msisdn string) error {
	return fmt.Errorf("%s: %w", signum.MaskMSISDN(msisdn), ErrUnreachable)
}

func forCard(d *sms.Deliver) bool {
	return d.PID == sms.PIDDataDownload && classOf(d.DCS) == classCard
}

func (m *mobile) download(does person.Behaviour, d *sms.Deliver, tpdu []byte) ([]byte, error) {
	env, err := envelope(serviceCentre, tpdu)
	if err != nil {
		return reportFailure(sms.FailureUnspecified)
	}
	m.mu.Lock()
	t := m.slot
	m.mu.Unlock()
	if t == nil {
		return nil, unknown(m.msisdn) // it has been removed
	}
	data, sw, ok := t.download(does, env)
	switch {
	case !ok:
		return nil, unreachable(m.msisdn)
	case sw == swOK, sw>>8 == 0x91:
		return reportOK(d, data)
	case sw == swToolkitBusy:
		return reportFailure(sms.FailureToolkitBusy)
	}
	return reportFailure(sms.FailureDataDownload)
}

// read receives a message for the user. It drops what it cannot decode.
func (m *mobile) read(d *sms.Deliver) {
	now := m.net.c.Clock.Now()
	text, whole, err := m.net.assemble(m.msisdn, d, now)
	if err != nil {
		m.net.c.Logger.Warn("a handset cannot read a message", "msisdn", signum.MaskMSISDN(m.msisdn), "err", err)
		return
	}
	if !whole {
		return
	}
	flash := classOf(d.DCS) == classFlash
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := len(m.inbox); n > 0 {
		if next := m.inbox[n-1].Time.Add(time.Microsecond); now.Before(next) {
			now = next
		}
	}
	m.net.seen.Add(person.Event{Time: now, Kind: person.Text, MSISDN: m.msisdn, Text: text, Flash: flash})
	m.inbox = keep(m.inbox, Message{mssp.TextMessage{MSISDN: m.msisdn, Text: text, Flash: flash}, now}, keptMessages)
	if flash {
		m.flashes = keep(m.flashes, Dialogue{ID: m.net.last.Add(1), Kind: FlashText, Text: text, Since: now}, keptFlashes)
	}
	m.changed()
}

// keep appends v and keeps the last n values.
func keep[T any](s []T, v T, n int) []T {
	if len(s) >= n {
		s = slices.Delete(s, 0, len(s)-n+1)
	}
	return append(s, v)
}

// missed reports a message that could not be delivered, with its text if that can be
// decoded.
func (m *mobile) missed(d *sms.Deliver) {
	e := person.Event{
		Time: m.net.c.Clock.Now(), Kind: person.Undelivered, MSISDN: m.msisdn, Code: signum.OTAError,
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if forCard(d) {
		e.Method = signum.SIM
		if m.slot != nil {
			e.DeviceID = m.slot.deviceID
		}
	} else {
		e.Flash = classOf(d.DCS) == classFlash
		if !d.UDHI { // otherwise it is a part
			if ud, err := d.Unpacked(); err == nil {
				e.Text, _ = sms.DecodeText(d.DCS, ud)
			}
		}
	}
	m.net.seen.Add(e)
}

// withReference returns an SMS-SUBMIT with the handset's own reference (TP-MR).
func (m *mobile) withReference(tpdu []byte) []byte {
	tpdu = slices.Clone(tpdu)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sent++
	tpdu[1] = m.sent
	return tpdu
}

// reportOK returns a delivery report with the card's answer, if there is one, in the
// coding of the message (TS 31.111, clause 7.1.1.1).
func reportOK(d *sms.Deliver, data []byte) ([]byte, error) {
	r := sms.Report{}
	if len(data) > 0 {
		r.PID, r.DCS, r.UD = d.PID, d.DCS, data
	}
	return r.MarshalBinary()
}

func reportFailure(f sms.Failure) ([]byte, error) {
	r := sms.Report{Failure: f}
	return r.MarshalBinary()
}
