package softapp

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// mail is the state of the requests and answers of an App.
//
// Requests come through the inbox, through Open, and again with every sync; the
// Device shows each once. If a sync lacks the request on the screen, the request
// has either ended or is newer than the sync. before tells which.
type mail struct {
	come   sync.Mutex           // held while requests are handled, one at a time
	before requestKey           // on the screen at the last sync, or when the connection was opened
	held   []mssp.DeviceRequest // receipts that wait for the screen

	out     sync.Mutex
	sending map[requestKey]bool // answers being sent
	settled string              // the transaction that the service ended when it blocked the App
}

// wireRequest is a request of the protocol.
type wireRequest struct {
	ID    string `json:"id"`
	Op    string `json:"op"`
	Party struct {
		Name string `json:"name"`
		Logo string `json:"logo"`
	} `json:"party"`
	Mime        string   `json:"mime"`
	Text        string   `json:"text"`
	Lang        string   `json:"lang"`
	Attrs       octets   `json:"attrs"`
	Created     int64    `json:"created"`
	Expires     int64    `json:"expires"`
	Locate      bool     `json:"locate"`
	Choices     []string `json:"choices"`
	RedirectURI string   `json:"redirect_uri"`
}

type wireAnswer struct {
	ID        string        `json:"id"`
	Op        string        `json:"op"`
	Signature octets        `json:"signature,omitempty"`
	Choice    string        `json:"choice,omitempty"`
	Location  *wireLocation `json:"location,omitempty"`
	Cancel    bool          `json:"cancel,omitempty"`
	Report    bool          `json:"report,omitempty"`
	Receipt   string        `json:"receipt,omitempty"`
}

// wireLocation is either a place or an error.
type wireLocation struct {
	Error int `json:"error,omitempty"`
	*wirePlace
}

type wirePlace struct {
	Country            string  `json:"country"`
	Accuracy           int     `json:"accuracy"`
	DeviceConfidence   float64 `json:"device_confidence"`
	LocationConfidence float64 `json:"location_confidence"`
	Measured           int64   `json:"measured"`
}

func wireOp(op mssp.DeviceOp) string {
	if op == mssp.OpDisplay {
		return "display"
	}
	return "sign"
}

// opOf returns false for an unknown operation.
func opOf(s string) (mssp.DeviceOp, bool) {
	switch s {
	case "sign":
		return mssp.OpSign, true
	case "display":
		return mssp.OpDisplay, true
	}
	return 0, false
}

// request converts a request for the Device, with times of the phone's clock. It
// returns false if the operation is unknown. A request for App2App has been opened
// when it gets here.
func (p *app) request(w *wireRequest) (mssp.DeviceRequest, bool) {
	op, ok := opOf(w.Op)
	if !ok || w.ID == "" {
		p.log().Warn("request with an unknown operation", "op", w.Op)
		return mssp.DeviceRequest{}, false
	}
	r := mssp.DeviceRequest{
		Op: op, TransID: w.ID, Party: mssp.PartyIdentity(w.Party), MSISDN: p.record.MSISDN, DeviceID: p.record.DeviceID, Method: signum.App, Lang: w.Lang,
		MimeType: w.Mime, Text: w.Text, SignedAttrs: w.Attrs, Locate: w.Locate, Choices: w.Choices,
	}
	if w.Created != 0 {
		r.Created = p.phoneTime(time.UnixMilli(w.Created))
	}
	if w.Expires != 0 {
		r.Expires = p.phoneTime(time.UnixMilli(w.Expires))
	}
	return r, true
}

// read handles a frame after the welcome. It ignores unknown ones: a newer service
// may send them.
func (p *app) read(f *frame) {
	p.mail.come.Lock()
	defer p.mail.come.Unlock()
	switch f.Type {
	case "sync":
		p.sync(f.Requests)
	case "request":
		if f.Request != nil {
			p.take(f.Request)
		}
	case "gone":
		if op, ok := opOf(f.Op); ok {
			p.gone(requestKey{f.ID, op}, f.Reason)
		}
	}
}

// connecting records what is on the screen before the service makes the sync.
func (m *mail) connecting(d *Device) {
	m.come.Lock()
	defer m.come.Unlock()
	m.before = d.shownKey()
}

// Callers of the functions down to reply hold m.come.

// sync handles a sync. A request on the screen that is not listed has ended, but
// only if it was on the screen at the last sync: otherwise Open may have shown it
// after the service made this sync.
func (p *app) sync(list []wireRequest) {
	m := &p.mail
	has := func(id requestKey) bool {
		return slices.ContainsFunc(list, func(w wireRequest) bool { return w.ID == id.transID && w.Op == wireOp(id.op) })
	}
	if m.before != (requestKey{}) && m.before == p.device.shownKey() && !has(m.before) {
		p.device.retire(m.before, person.Withdrawn)
	}
	m.held = slices.DeleteFunc(m.held, func(r mssp.DeviceRequest) bool { return !has(keyOf(&r)) })
	for i := range list {
		p.take(&list[i])
	}
	p.releaseHeld()
	m.before = p.device.shownKey()
}

func (p *app) gone(id requestKey, reason string) {
	kind := person.Withdrawn
	switch reason {
	case "replaced":
		kind = person.Replaced
	case "expired":
		kind = person.Expired
	}
	p.mail.held = slices.DeleteFunc(p.mail.held, func(r mssp.DeviceRequest) bool { return keyOf(&r) == id })
	p.device.retire(id, kind)
	p.releaseHeld()
}

func (p *app) take(w *wireRequest) {
	if r, ok := p.request(w); ok {
		p.deliver(r)
	}
}

// deliver gives a request to the device and its person. A receipt waits while a
// signature request is on the screen.
func (p *app) deliver(r mssp.DeviceRequest) {
	m, id := &p.mail, keyOf(&r)
	b := p.decided(id)
	if b.Do == person.Unreachable {
		return // the next sync lists it if it is still pending
	}
	shown := p.device.shownKey()
	if id.op == mssp.OpDisplay && shown != (requestKey{}) && shown.op != mssp.OpDisplay {
		if !slices.ContainsFunc(m.held, func(h mssp.DeviceRequest) bool { return keyOf(&h) == id }) {
			m.held = append(m.held, r)
		}
		return
	}
	got := p.device.receive(r, b.Plays(r.Op))
	if got.asked || shown == id {
		p.reportShown(id)
	}
	p.letPersonAct(id, got, b)
}

// releaseHeld delivers the receipts that waited.
func (p *app) releaseHeld() {
	held := p.mail.held
	p.mail.held = nil
	for _, r := range held {
		p.deliver(r)
	}
}

// reply sends an answer in the background and repeats it until it arrives. Then a
// receipt that waited can be shown.
func (p *app) reply(a mssp.DeviceAnswer) {
	m, id := &p.mail, requestKey{a.TransID, a.Op}
	p.others.Delete(id)
	blocked := a.Fault != nil && a.Fault.Code == signum.PINBlocked
	if m.start(id, blocked) {
		ok := p.s.sending.Submit(func() {
			defer m.sent(id)
			p.send(a)
		})
		if !ok {
			m.sent(id)
			p.log().Warn("answer of an App not sent: the Apps are closed", "trans_id", a.TransID, "op", a.Op)
		}
	}
	p.s.acting.Submit(func() {
		m.come.Lock()
		defer m.come.Unlock()
		p.releaseHeld()
	})
}

func (p *app) send(a mssp.DeviceAnswer) {
	log := p.log().With("trans_id", a.TransID, "op", a.Op)
	body, err := p.answer(a)
	if err != nil {
		log.Error("answer of an App cannot be sent", "err", err)
		return
	}
	ctx := context.Background()
	err = p.s.retry(ctx, func() error { return p.call(ctx, http.MethodPost, "answer", body, nil) })
	switch {
	case refused(err, "late", "unknown"):
		log.Debug("answer of an App came too late", "err", err)
	case err != nil:
		log.Error("answer of an App given up", "err", err)
	}
}

// answer converts an answer to the protocol. The protocol has no faults: a device
// that did not sign declines, and a receipt that was not shown has timed out.
func (p *app) answer(a mssp.DeviceAnswer) (*wireAnswer, error) {
	w := &wireAnswer{ID: a.TransID, Op: wireOp(a.Op)}
	switch {
	case a.Op == mssp.OpDisplay && a.Fault != nil:
		w.Receipt = string(signum.ReceiptTimedOut)
	case a.Op == mssp.OpDisplay:
		w.Receipt = string(a.Receipt)
	case a.Fault != nil:
		w.Cancel, w.Report = true, a.Reported
	case a.Signature == nil:
		return nil, errors.New("neither a signature nor a fault")
	default:
		raw, err := rawSignature(a.Signature)
		if err != nil {
			return nil, err
		}
		w.Signature, w.Choice, w.Location = raw, a.Choice, p.location(a.Location)
	}
	return w, nil
}

func (p *app) location(l *mssp.Location) *wireLocation {
	switch {
	case l == nil:
		return nil
	case l.Error != 0:
		return &wireLocation{Error: int(l.Error)}
	}
	return &wireLocation{wirePlace: &wirePlace{
		Country: l.Country, Accuracy: l.Accuracy, DeviceConfidence: l.DeviceConfidence,
		LocationConfidence: l.LocationConfidence, Measured: p.serviceTime(l.Measured).UnixMilli(),
	}}
}

// start marks an answer as being sent. It returns false if it is already, or if the
// service ended the request itself when it blocked the App.
func (m *mail) start(id requestKey, blocked bool) bool {
	m.out.Lock()
	defer m.out.Unlock()
	if m.sending[id] || blocked && m.settled == id.transID {
		return false
	}
	if m.sending == nil {
		m.sending = make(map[requestKey]bool)
	}
	m.sending[id] = true
	return true
}

func (m *mail) sent(id requestKey) {
	m.out.Lock()
	defer m.out.Unlock()
	delete(m.sending, id)
}

func (p *app) settle(transID string) {
	p.mail.out.Lock()
	defer p.mail.out.Unlock()
	p.mail.settled = transID
}
