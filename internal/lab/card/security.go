package card

import (
	"errors"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

// minLevel is the minimum security level in SPI1: CC, ciphering, and a counter that
// is higher than the last.
const minLevel = 0x16

// command checks a secured packet and executes it. It returns a PoR if that is to
// travel in the delivery report.
func (c *Card) command(from sms.Address, packet []byte) ([]byte, uint16) {
	p, err := scp80.ParseParams(packet)
	if err != nil {
		return nil, swIncorrectData // it does not say how to answer
	}
	cmd, status := c.open(p, packet)
	if status != scp80.OK {
		return c.acknowledge(from, p, cmd, status)
	}
	req, err := applet.ParseRequest(cmd.Data)
	if err != nil {
		// The owner of the keys does not send this, and there is no id to which to
		// reply.
		if c.accept(cmd) != nil {
			return c.acknowledge(from, p, cmd, scp80.MemoryError)
		}
		return c.acknowledge(from, p, cmd, scp80.SecurityError)
	}
	return c.request(from, cmd, req)
}

// open makes the checks of ETSI TS 102 225 in their order. If it returns a command
// together with a status other than OK, the command is authentic but its counter is
// not acceptable.
func (c *Card) open(p scp80.Params, packet []byte) (*scp80.Command, scp80.Status) {
	switch {
	case p.TAR != c.cfg.TAR:
		return nil, scp80.TARUnknown
	case p.KIc != c.cfg.keyByte(c.cfg.Keys.KIc) || p.KID != c.cfg.keyByte(c.cfg.Keys.KID):
		return nil, scp80.SecurityError
	case !p.Meets(minLevel) || p.Integrity() != scp80.IntegrityCC || p.ShortCC:
		return nil, scp80.InsufficientSecurity
	case p.PoRIntegrity() != scp80.IntegrityCC || !p.PoRCiphered():
		return nil, scp80.InsufficientSecurity // the answer would be insecure
	}
	cmd, err := scp80.OpenCommand(packet, c.cfg.Keys)
	if status := scp80.OK; errors.As(err, &status) {
		return nil, status
	}
	if err != nil { // malformed after deciphering: not made with our keys
		return nil, scp80.IntegrityFailed
	}
	return cmd, p.CheckCounter(c.kept.Counter, cmd.Counter)
}

// accept moves the counter.
func (c *Card) accept(cmd *scp80.Command) error {
	return c.keep(func(s *State) { s.Counter = cmd.Counter })
}

// acknowledge makes the PoR if the packet asks for one. cmd is nil if the packet is
// not authentic.
func (c *Card) acknowledge(from sms.Address, p scp80.Params, cmd *scp80.Command, status scp80.Status) ([]byte, uint16) {
	if want := p.PoR(); want == scp80.PoRNone || want == scp80.PoROnError && status == scp80.OK {
		return nil, c.pending()
	}
	por := scp80.Response{TAR: p.TAR, Status: status}
	var packet []byte
	var err error
	if cmd == nil {
		packet, err = por.Unsecured()
	} else {
		por.Counter = cmd.Counter
		packet, err = por.Seal(p, c.cfg.Keys, scp80.KindResponse)
	}
	if err != nil {
		c.cfg.Logger.Error("proof of receipt", "iccid", c.cfg.ICCID, "err", err)
		return nil, swTechnical
	}
	if p.PoRBySubmit() {
		if cmd != nil || len(c.queue) < maxUnasked {
			c.submit(from, packet, scp80.KindResponse)
		}
		return nil, c.pending()
	}
	ud := sms.Header{{ID: sms.IEIResponse}}.Append(nil)
	return append(ud, packet...), c.pending()
}

// request handles an authentic request. It executes each request once.
func (c *Card) request(from sms.Address, cmd *scp80.Command, req *applet.Request) ([]byte, uint16) {
	known, answered := c.kept.answer(req.Op, req.ID)
	asked := c.dialogue != nil && c.dialogue.req.Op == req.Op && c.dialogue.req.ID == req.ID
	if c.dialogue != nil && !asked && !answered || len(c.queue) >= maxQueue {
		return nil, swToolkitBusy
	}
	if c.accept(cmd) != nil {
		return c.acknowledge(from, cmd.Params, cmd, scp80.MemoryError)
	}
	data, _ := c.acknowledge(from, cmd.Params, cmd, scp80.OK)
	switch {
	case asked:
	case answered:
		c.reply(from, cmd.Params, known)
	default:
		c.begin(&dialogue{
			req: req, from: from, params: cmd.Params,
			words: words(req.Lang), deadline: c.now().Add(timeout(req)),
		})
	}
	return data, c.pending()
}

// reply sends the applet's answer in a message of its own, with the layout of a
// response, a counter of the card, and the UDH of a command.
func (c *Card) reply(to sms.Address, p scp80.Params, payload []byte) {
	n, err := c.nextReply()
	if err != nil {
		return // the service will repeat the request
	}
	r := scp80.Response{TAR: c.cfg.TAR, Counter: n, Data: payload}
	packet, err := r.Seal(p, c.cfg.Keys, scp80.KindCommand)
	if err != nil {
		c.cfg.Logger.Error("answer of a card", "iccid", c.cfg.ICCID, "err", err)
		return
	}
	c.submit(to, packet, scp80.KindCommand)
}

// nextReply returns a counter that no reply has used.
func (c *Card) nextReply() (uint64, error) {
	if c.replies == scp80.MaxCounter {
		return 0, scp80.CounterBlocked
	}
	if c.replies == c.kept.Replies {
		if err := c.keep(func(s *State) { s.Replies = min(s.Replies+replyBlock, scp80.MaxCounter) }); err != nil {
			return 0, err
		}
	}
	c.replies++
	return c.replies, nil
}
