package sim_test

import (
	"context"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/sms"
)

// witness observes what happens below the service: what cards ask their users, and
// which of their replies reach the service. It identifies requests as cards do, by
// applet.ID in hex.
type witness struct {
	p *path

	mu      sync.Mutex
	prompts map[prompt]int
	shown   map[prompt]int // Shown events; Step is not set
	signed  map[string]int
	texts   map[string]int // by MSISDN and text
	replies map[string]reply
	asked   map[string]bool // MSSP_TransIDs that the engine handed over
}

type prompt struct {
	id   string
	op   mssp.DeviceOp
	step card.Step
}

// reply is the first acknowledged reply that decides a signature.
type reply struct {
	at     time.Time
	result applet.Result
}

func newWitness(p *path) *witness {
	return &witness{
		p: p, prompts: map[prompt]int{}, shown: map[prompt]int{}, signed: map[string]int{}, texts: map[string]int{},
		replies: map[string]reply{}, asked: map[string]bool{},
	}
}

// event is for handset.Config.Observe.
func (w *witness) event(e person.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch e.Kind {
	case person.Shown:
		w.shown[prompt{id: e.TransID, op: e.Op}]++
	case person.Signed:
		w.signed[e.TransID]++
	case person.Text:
		w.texts[e.MSISDN+" "+e.Text]++
	}
}

// noted is the channel that the engine gets.
type noted struct {
	*sim.Channel
	w *witness
}

// Send implements mssp.Channel.
func (c noted) Send(ctx context.Context, r mssp.DeviceRequest) error {
	c.w.mu.Lock()
	c.w.asked[r.TransID] = true
	c.w.mu.Unlock()
	return c.Channel.Send(ctx, r)
}

// tapped is a card whose commands are observed when the handset fetches them.
type tapped struct {
	*card.Card
	w *witness
}

const insFetch = 0x12

func (c tapped) Transmit(apdu []byte) []byte {
	answer := c.Card.Transmit(apdu)
	if apdu[1] == insFetch {
		if a := c.Asking(); a.Step != card.StepNotice && isDialogue(answer) {
			c.w.prompt(a)
		}
	}
	return answer
}

// isDialogue tells DISPLAY TEXT and GET INPUT from other commands (TS 102 223,
// clause 6.6).
func isDialogue(command []byte) bool {
	if len(command) < 3 || command[0] != 0xd0 {
		return false
	}
	body := command[2:]
	if command[1] == 0x81 {
		body = command[3:]
	}
	return len(body) > 4 && (body[3] == 0x21 || body[3] == 0x23)
}

func (w *witness) prompt(a card.Asking) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.prompts[prompt{a.TransID, a.Op, a.Step}]++
}

// assembler reassembles the replies to one node; when that stops, incomplete messages
// are lost.
func (w *witness) assembler() *sms.Reassembler { return sms.NewReassembler(time.Minute, 16) }

// delivered observes a message from a phone and the answer of the service.
func (w *witness) delivered(parts *sms.Reassembler, d *smpp.DeliverSM, st smpp.Status) {
	now := time.Now()
	if st != smpp.StatusOK || d.IsReceipt() || d.ESMClass&smpp.UDHI == 0 {
		return
	}
	msisdn := "+" + d.Source.Addr
	m, whole, err := parts.Add(now, msisdn, d.ShortMessage)
	channel, known := w.p.cards[msisdn]
	if err != nil || !whole || m.IEI != sms.IEICommand || !known {
		return
	}
	r, err := scp80.OpenResponse(m.Packet, channel.params, channel.keys, scp80.KindCommand)
	if err != nil {
		return
	}
	a, err := applet.ParseReply(r.Data)
	if err != nil || !decides(a) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, ok := w.replies[a.ID.String()]; !ok {
		w.replies[a.ID.String()] = reply{now, a.Result}
	}
}

// secured is how the packets of a card are secured.
type secured struct {
	keys   scp80.Keys
	params scp80.Params
}

// replyParams are the parameters of requests to cards with key set 1.
func replyParams(algorithm string, keyLength int) scp80.Params {
	coding := map[string]byte{mssp.CardAES: 0x12, mssp.Card3DES: 0x15}[algorithm]
	if algorithm == mssp.Card3DES && keyLength == 24 {
		coding = 0x19
	}
	return scp80.Params{SPI: [2]byte{0x16, 0x39}, KIc: coding, KID: coding, TAR: applet.TAR}
}

// decides reports whether a reply ends a signature.
func decides(a *applet.Reply) bool {
	switch a.Op {
	case applet.Sign:
		return a.Result != applet.Busy
	case applet.SetPIN, applet.GenKey:
		return a.Result != applet.Busy && a.Result != applet.OK
	}
	return false
}
