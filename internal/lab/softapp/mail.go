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

// mail is what comes to an App and what it answers.
//
// Requests come through the inbox, by Open, and again with every sync. The
// Device shows each once. What is here is to know of a sync that lacks what is on
// the screen whether it is over, or newer than the sync.
type mail struct {
	come   sync.Mutex // requests are taken one at a time
	before name       // on the screen when the last sync came, or the connection was begun
	held   []mssp.DeviceRequest

	out     sync.Mutex
	sending map[name]bool // answers under way
	settled string        // the transaction that the service ended with a passcode
}

// wireRequest is a request as it travels.
type wireRequest struct {
	ID          string   `json:"id"`
	Op          string   `json:"op"`
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
	Receipt   string        `json:"receipt,omitempty"`
}

// wireLocation is a location or an error, which needs no more.
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

// opOf is false for operations that this App does not know.
func opOf(s string) (mssp.DeviceOp, bool) {
	switch s {
	case "sign":
		return mssp.OpSign, true
	case "display":
		return mssp.OpDisplay, true
	}
	return 0, false
}

// request is what the Device gets: in the phone's time, and with nothing to
// wait for, for what comes here of app2app was opened.
func (p *app) request(w *wireRequest) (mssp.DeviceRequest, bool) {
	op, ok := opOf(w.Op)
	if !ok || w.ID == "" {
		p.log().Warn("a request that this App does not know", "op", w.Op)
		return mssp.DeviceRequest{}, false
	}
	r := mssp.DeviceRequest{
		Op: op, TransID: w.ID, MSISDN: p.record.MSISDN, DeviceID: p.record.DeviceID, Method: signum.App, Lang: w.Lang,
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

// read takes a frame that came after the welcome. Those that are unknown are
// of a newer service.
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
			p.gone(name{f.ID, op}, f.Reason)
		}
	}
}

// connecting notes what is on the screen before the service makes a sync.
func (m *mail) connecting(d *Device) {
	m.come.Lock()
	defer m.come.Unlock()
	m.before = d.shownName()
}

// The rest, down to reply, is called while requests are taken.

// sync brings the App up to date. What is on the screen and not in it is over,
// but only if it was there when the last sync came: Open may have been faster
// than this one.
func (p *app) sync(list []wireRequest) {
	m := &p.mail
	has := func(id name) bool {
		return slices.ContainsFunc(list, func(w wireRequest) bool { return w.ID == id.transID && w.Op == wireOp(id.op) })
	}
	if m.before != (name{}) && m.before == p.device.shownName() && !has(m.before) {
		p.device.retire(m.before, person.Withdrawn)
	}
	m.held = slices.DeleteFunc(m.held, func(r mssp.DeviceRequest) bool { return !has(nameOf(&r)) })
	for i := range list {
		p.take(&list[i])
	}
	p.unhold()
	m.before = p.device.shownName()
}

func (p *app) gone(id name, reason string) {
	kind := person.Withdrawn
	switch reason {
	case "replaced":
		kind = person.Replaced
	case "expired":
		kind = person.Expired
	}
	p.mail.held = slices.DeleteFunc(p.mail.held, func(r mssp.DeviceRequest) bool { return nameOf(&r) == id })
	p.device.retire(id, kind)
	p.unhold()
}

func (p *app) take(w *wireRequest) {
	if r, ok := p.request(w); ok {
		p.deliver(r)
	}
}

// deliver gives a request to the device and its person. A receipt waits while
// the App asks for a signature, which a Device would refuse: the protocol has no
// answer for this.
func (p *app) deliver(r mssp.DeviceRequest) {
	m, id := &p.mail, nameOf(&r)
	b := p.person.Behaviour()
	if b.Do == person.Unreachable {
		return // the next sync has it, if it is still wanted
	}
	shown := p.device.shownName()
	if id.op == mssp.OpDisplay && shown != (name{}) && shown.op != mssp.OpDisplay {
		if !slices.ContainsFunc(m.held, func(h mssp.DeviceRequest) bool { return nameOf(&h) == id }) {
			m.held = append(m.held, r)
		}
		return
	}
	got := p.device.receive(r, b.Plays(r.Op))
	if got.asked || shown == id {
		p.tell(id)
	}
	p.attend(id, got, b)
}

// unhold shows a receipt that waited.
func (p *app) unhold() {
	held := p.mail.held
	p.mail.held = nil
	for _, r := range held {
		p.deliver(r)
	}
}

// reply sends an answer, later and as often as it takes.
func (p *app) reply(a mssp.DeviceAnswer) {
	m, id := &p.mail, name{a.TransID, a.Op}
	blocked := a.Fault != nil && a.Fault.Code == signum.PINBlocked
	if m.start(id, blocked) {
		ok := p.s.radio.Submit(func() {
			defer m.sent(id)
			p.send(a)
		})
		if !ok {
			m.sent(id)
			p.log().Warn("answer of an App lost: the Apps are closed", "trans_id", a.TransID, "op", a.Op)
		}
	}
	p.s.hands.Submit(func() {
		m.come.Lock()
		defer m.come.Unlock()
		p.unhold()
	})
}

func (p *app) send(a mssp.DeviceAnswer) {
	log := p.log().With("trans_id", a.TransID, "op", a.Op)
	body, err := p.answer(a)
	if err != nil {
		log.Error("answer of an App", "err", err)
		return
	}
	ctx := context.Background()
	err = p.s.persist(ctx, func() error { return p.call(ctx, http.MethodPost, "answer", body, nil) })
	switch {
	case refused(err, "late", "unknown"):
		log.Debug("answer of an App was not wanted any more", "err", err)
	case err != nil:
		log.Error("answer of an App given up", "err", err)
	}
}

// answer is one as it travels. The protocol has no faults: a device that did
// not sign declines, and a receipt that it did not show was not touched.
func (p *app) answer(a mssp.DeviceAnswer) (*wireAnswer, error) {
	w := &wireAnswer{ID: a.TransID, Op: wireOp(a.Op)}
	switch {
	case a.Op == mssp.OpDisplay && a.Fault != nil:
		w.Receipt = string(signum.ReceiptTimedOut)
	case a.Op == mssp.OpDisplay:
		w.Receipt = string(a.Receipt)
	case a.Fault != nil:
		w.Cancel = true
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

// start notes an answer as under way; false if it is, or if the service ended
// the request itself, when the App was blocked.
func (m *mail) start(id name, blocked bool) bool {
	m.out.Lock()
	defer m.out.Unlock()
	if m.sending[id] || blocked && m.settled == id.transID {
		return false
	}
	if m.sending == nil {
		m.sending = make(map[name]bool)
	}
	m.sending[id] = true
	return true
}

func (m *mail) sent(id name) {
	m.out.Lock()
	defer m.out.Unlock()
	delete(m.sending, id)
}

func (p *app) settle(transID string) {
	p.mail.out.Lock()
	defer p.mail.out.Unlock()
	p.mail.settled = transID
}
