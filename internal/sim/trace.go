package sim

import (
	"container/list"
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// Exchange is one decoded short message to or from a card, or a note about what
// happened between two. It contains no key, no PIN and no text of the user. Layers that
// a message lacks are nil. Of an outgoing message in parts, the first part has packet
// and payload; of an incoming one, the part that completed it.
type Exchange struct {
	Time     time.Time    `json:"time"`
	Node     string       `json:"node,omitempty"`     // of several, the one that saw it
	TransID  string       `json:"trans_id,omitempty"` // MSSP_TransID, if known
	SMPP     *SMPPLayer   `json:"smpp,omitempty"`
	UserData *UserData    `json:"user_data,omitempty"`
	Packet   *PacketLayer `json:"packet,omitempty"`
	Applet   *AppletLayer `json:"applet,omitempty"`
	Notes    []string     `json:"notes,omitempty"`
}

// SMPPLayer is a submit_sm or deliver_sm.
type SMPPLayer struct {
	Command    string        `json:"command"`
	SMSC       string        `json:"smsc,omitempty"`
	Source     string        `json:"source"` // address (TON/NPI)
	Dest       string        `json:"dest"`
	ESMClass   byte          `json:"esm_class"`
	ProtocolID byte          `json:"protocol_id"`
	DataCoding byte          `json:"data_coding"`
	Validity   string        `json:"validity,omitempty"`
	Octets     int           `json:"octets"`               // of the user data
	Status     string        `json:"status,omitempty"`     // of a submit_sm: the SMSC's answer; empty: none yet
	MessageID  string        `json:"message_id,omitempty"` // assigned by the SMSC
	Took       time.Duration `json:"took_ns,omitempty"`    // until the SMSC answered
}

// UserData is the header of the user data; of a text, also its size.
type UserData struct {
	Elements string `json:"elements,omitempty"` // identifiers, in hex
	Ref      uint16 `json:"ref,omitempty"`
	Part     byte   `json:"part,omitempty"`
	Parts    byte   `json:"parts,omitempty"`
	Septets  int    `json:"septets,omitempty"`
	State    string `json:"state,omitempty"` // of a delivery receipt
}

// PacketLayer is a secured packet.
type PacketLayer struct {
	Kind    string `json:"kind"` // command, reply or proof of receipt
	SPI     string `json:"spi,omitempty"`
	KIc     string `json:"kic,omitempty"`
	KID     string `json:"kid,omitempty"`
	KeySet  byte   `json:"key_set,omitempty"`
	TAR     string `json:"tar,omitempty"`
	Counter uint64 `json:"counter,omitempty"`
	Status  string `json:"status,omitempty"` // of a reply or proof
	CC      string `json:"cc"`               // checksum: made, ok, none (unsecured), failed
	Octets  int    `json:"octets"`
}

// AppletLayer is a request to the applet, or its reply.
type AppletLayer struct {
	Op        string        `json:"op"`
	ID        string        `json:"id"`
	KeyID     byte          `json:"key_id"`
	Algorithm string        `json:"algorithm"`
	TextDCS   *byte         `json:"text_dcs,omitempty"`
	TextCount int           `json:"text_count,omitempty"` // septets, or UTF-16 code units
	Sealed    int           `json:"sealed,omitempty"`     // octets of an encrypted text
	Party     string        `json:"party,omitempty"`      // the name of the party, as far as the card is told
	Timeout   time.Duration `json:"timeout_ns,omitempty"` // for the user
	Result    string        `json:"result,omitempty"`
	TriesLeft *byte         `json:"tries_left,omitempty"`
	Signature int           `json:"signature,omitempty"` // octets
	PublicKey int           `json:"public_key,omitempty"`
	Proof     int           `json:"proof,omitempty"`
}

// Trace returns the last exchanges with a phone, the oldest first.
func (c *Channel) Trace(msisdn string) []Exchange { return c.trace.of(msisdn) }

// recorder keeps the last exchanges of the phones that were active last. If it keeps
// nothing, its entries are nil, which all its methods accept.
type recorder struct {
	cards, depth int

	mu    sync.Mutex
	rings map[string]*list.Element
	ages  *list.List // of *ring, most recently used first
}

type ring struct {
	msisdn string
	last   []*Exchange
	next   int // the index of the next entry, once last is full
}

func newRecorder(cards, depth int) *recorder {
	return &recorder{cards: cards, depth: depth, rings: map[string]*list.Element{}, ages: list.New()}
}

func (r *recorder) add(msisdn string, e *Exchange) *Exchange {
	if r.cards <= 0 || r.depth <= 0 {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	el := r.rings[msisdn]
	if el == nil {
		if len(r.rings) >= r.cards {
			oldest := r.ages.Back()
			delete(r.rings, r.ages.Remove(oldest).(*ring).msisdn)
		}
		el = r.ages.PushFront(&ring{msisdn: msisdn})
		r.rings[msisdn] = el
	}
	r.ages.MoveToFront(el)
	g := el.Value.(*ring)
	if len(g.last) < r.depth {
		g.last = append(g.last, e)
		return e
	}
	g.last[g.next] = e
	g.next = (g.next + 1) % r.depth
	return e
}

// change changes an entry, which may be nil.
func (r *recorder) change(e *Exchange, f func(*Exchange)) {
	if e == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f(e)
}

func (r *recorder) note(msisdn, transID string, at time.Time, text string) {
	r.add(msisdn, &Exchange{Time: at, TransID: transID, Notes: []string{text}})
}

func (r *recorder) remark(e *Exchange, text string) {
	r.change(e, func(e *Exchange) { e.Notes = append(e.Notes, text) })
}

func (r *recorder) name(e *Exchange, transID string) {
	r.change(e, func(e *Exchange) { e.TransID = transID })
}

// done adds the SMSC's answer to a submit_sm.
func (r *recorder) done(e *Exchange, at time.Time, id string, err error) {
	r.change(e, func(e *Exchange) {
		e.SMPP.MessageID, e.SMPP.Took, e.SMPP.Status = id, at.Sub(e.Time), smpp.StatusOK.String()
		var st smpp.Status
		switch {
		case errors.As(err, &st):
			e.SMPP.Status = st.String()
		case err != nil:
			e.SMPP.Status = err.Error()
		}
	})
}

// of returns copies, because entries still change.
func (r *recorder) of(msisdn string) []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	el := r.rings[msisdn]
	if el == nil {
		return nil
	}
	g := el.Value.(*ring)
	all := make([]Exchange, 0, len(g.last))
	for i := range g.last {
		e := *g.last[(g.next+i)%len(g.last)]
		e.SMPP, e.UserData, e.Packet, e.Applet = copied(e.SMPP), copied(e.UserData), copied(e.Packet), copied(e.Applet)
		e.Notes = append([]string(nil), e.Notes...)
		all = append(all, e)
	}
	return all
}

func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

func (c *Channel) traceRequest(smsc string, q *request, m *smpp.SubmitSM, part int, s *sealed) *Exchange {
	if c.cfg.TracedCards < 0 {
		return nil
	}
	e := &Exchange{Time: c.now(), TransID: q.TransID, SMPP: submitLayer(smsc, m), UserData: headerLayer(m.ShortMessage)}
	if part == 0 {
		cmd := s.command
		e.Packet = &PacketLayer{
			Kind: "command", SPI: hexOf(cmd.SPI[:]), KIc: hexOf([]byte{cmd.KIc}), KID: hexOf([]byte{cmd.KID}), KeySet: cmd.KeySet(),
			TAR: cmd.TAR.String(), Counter: cmd.Counter, CC: "made", Octets: s.octets,
		}
		e.Applet = requestLayer(s.request)
		if s.request.Op.ShowsText() && e.Applet.Party == "" {
			e.Notes = append(e.Notes, noteNameless)
		}
	}
	return c.trace.add(q.MSISDN, e)
}

func (c *Channel) traceText(smsc, msisdn string, m *smpp.SubmitSM, t *sms.Text) *Exchange {
	e := &Exchange{Time: c.now(), SMPP: submitLayer(smsc, m), UserData: &UserData{}}
	if t.UDHI {
		e.UserData = headerLayer(m.ShortMessage)
	}
	e.UserData.Septets = t.Septets
	return c.trace.add(msisdn, e)
}

func (c *Channel) traceArrival(in *arrival, d *smpp.DeliverSM, h sms.Header) *Exchange {
	if c.cfg.TracedCards < 0 {
		return nil
	}
	return c.trace.add(in.msisdn, &Exchange{Time: in.at, SMPP: deliverLayer(in.smsc, d), UserData: elements(h)})
}

// tracePacket adds the packet that a message completed; r is nil if the packet cannot
// be opened.
func (c *Channel) tracePacket(e *Exchange, kind string, packet []byte, r *scp80.Response, secured bool) {
	c.trace.change(e, func(e *Exchange) {
		e.Packet = &PacketLayer{Kind: kind, CC: "failed", Octets: len(packet)}
		if r == nil {
			return
		}
		e.Packet.TAR, e.Packet.Counter, e.Packet.Status, e.Packet.CC = r.TAR.String(), r.Counter, r.Status.String(), "ok"
		if !secured {
			e.Packet.CC = "none"
		}
	})
}

func (c *Channel) traceReply(e *Exchange, rep *applet.Reply) {
	c.trace.change(e, func(e *Exchange) {
		tries := rep.TriesLeft
		e.Applet = &AppletLayer{
			Op: rep.Op.String(), ID: rep.ID.String(), KeyID: rep.KeyID, Algorithm: rep.Algorithm.String(),
			Result: rep.Result.String(), TriesLeft: &tries,
			Signature: len(rep.Signature), PublicKey: len(rep.PublicKey), Proof: len(rep.Proof),
		}
	})
}

func receiptExchange(in *arrival, transID string, d *smpp.DeliverSM, r *smpp.Receipt) *Exchange {
	s := deliverLayer(in.smsc, d)
	s.MessageID = r.MessageID
	return &Exchange{Time: in.at, TransID: transID, SMPP: s, UserData: &UserData{State: r.State.String()}}
}

func submitLayer(smsc string, m *smpp.SubmitSM) *SMPPLayer {
	return &SMPPLayer{
		Command: "submit_sm", SMSC: smsc, Source: addressOf(m.Source), Dest: addressOf(m.Dest), ESMClass: m.ESMClass,
		ProtocolID: m.ProtocolID, DataCoding: m.DataCoding, Validity: m.Validity, Octets: len(m.ShortMessage),
	}
}

func deliverLayer(smsc string, d *smpp.DeliverSM) *SMPPLayer {
	s := submitLayer(smsc, (*smpp.SubmitSM)(d))
	s.Command = "deliver_sm"
	return s
}

// noteNameless explains a request without the name of its party.
const noteNameless = "without the name of the party: it would take another short message, or the card would refuse it"

func requestLayer(r *applet.Request) *AppletLayer {
	l := &AppletLayer{
		Op: r.Op.String(), ID: r.ID.String(), KeyID: r.KeyID, Algorithm: r.Algorithm.String(),
		Sealed: len(r.Sealed), Timeout: r.Timeout,
	}
	if len(r.Text.Data) > 0 {
		dcs := r.Text.DCS
		l.TextDCS, l.TextCount = &dcs, int(r.Text.Count)
	}
	if len(r.Party.Data) > 0 {
		l.Party, _ = r.Party.Decode() // it was encoded a moment ago
	}
	return l
}

func headerLayer(ud []byte) *UserData {
	h, _, err := sms.ParseUserData(ud)
	if err != nil {
		return nil
	}
	return elements(h)
}

func elements(h sms.Header) *UserData {
	u := new(UserData)
	ids := make([]byte, 0, len(h))
	for _, e := range h {
		ids = append(ids, e.ID)
	}
	u.Elements = hexOf(ids)
	if c, ok, err := h.Concat(); ok && err == nil {
		u.Ref, u.Part, u.Parts = c.Ref, c.Seq, c.Total
	}
	return u
}

func hexOf(b []byte) string { return strings.ToUpper(hex.EncodeToString(b)) }
