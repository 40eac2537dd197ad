package world

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/script"
	"github.com/signum-mssp/signum/internal/mssp"
)

// channel is what the engine has in place of the channel to one kind of phone. It plays what a
// phone cannot play itself.
type channel struct {
	world   *World
	next    mssp.Channel
	answers mssp.AnswerHandler
}

// WrapSIMs goes between the engine and the SIMs; see node.ChannelWrapper.
func (w *World) WrapSIMs(next mssp.Channel, answers mssp.AnswerHandler) mssp.Channel {
	return &channel{w, next, answers}
}

// WrapApps does the same for Apps, and wakes those that sleep.
func (w *World) WrapApps(next mssp.Channel, answers mssp.AnswerHandler) mssp.Channel {
	return &channel{w, next, answers}
}

// played maps behaviours that a phone cannot express to their faults.
var played = map[person.Action]signum.Code{
	person.Blocked: signum.PINBlocked, person.NoKey: signum.NoKeyFound,
}

// Send implements mssp.Channel.
func (c *channel) Send(ctx context.Context, r mssp.DeviceRequest) error {
	q := c.world.requests
	n := q.arrive(&r, func() string { return c.world.profileOf(ctx, r.TransID) })
	b := c.behaviour(n)
	if b.Do == person.Unreachable {
		q.drop(n.key())
		return mssp.ErrUnreachable
	}
	if code, ok := played[b.Do]; ok && r.Op == mssp.OpSign {
		c.later(cmp.Or(b.After, q.delay), mssp.DeviceAnswer{TransID: r.TransID, DeviceID: r.DeviceID, Fault: signum.NewFault(code)})
		return nil
	}
	if n.act != nil {
		if n.act.Broken() {
			q.log.InfoContext(ctx, "broken on purpose", "act", n.act.Do, "trans_id", r.TransID)
		}
		if n.act.Do == script.OtherText {
			showAnother(&r)
		}
		if n.act.Location != "" {
			if at, err := person.ParsePlace(n.act.Location); err == nil {
				_ = c.world.place(r.MSISDN, at) // there is a phone, because it is asked
			}
		}
	}
	err := c.next.Send(ctx, r)
	if err != nil {
		q.drop(n.key())
	}
	if r.Method == signum.App {
		c.world.SoftApps.Wake(r.MSISDN)
	}
	return err
}

// behaviour is what the script says, or of Apps what their user does that an App cannot
// express.
func (c *channel) behaviour(n *request) person.Behaviour {
	if n.act != nil {
		b, err := n.act.Behaviour()
		if err == nil {
			return b
		}
	}
	if n.Method != signum.App {
		return person.Behaviour{} // the network and the card play it
	}
	q := c.world.requests
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.plays[n.MSISDN]
}

// later answers in place of the phone.
func (c *channel) later(after time.Duration, a mssp.DeviceAnswer) {
	q := c.world.requests
	q.work.Go(func() {
		defer event.Rescue(q.log, "scripted phone")
		select {
		case <-time.After(after):
			if err := c.answers.Answer(q.ctx, a); err != nil {
				q.log.Error("answer of a scripted phone", "trans_id", a.TransID, "err", err)
			}
			q.drop(requestKey{a.TransID, a.Op})
		case <-q.ctx.Done():
		}
	})
}

// Cancel implements mssp.Channel.
func (c *channel) Cancel(ctx context.Context, w mssp.Withdrawal) {
	for _, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate} {
		c.world.requests.drop(requestKey{w.TransID, op})
	}
	c.next.Cancel(ctx, w)
}

// showAnother makes a request one for another text: a phone that is broken, or not the user's,
// shows and signs it. The signed attributes have the digest of the text.
func showAnother(r *mssp.DeviceRequest) {
	before := sha256.Sum256([]byte(r.Text))
	if r.MimeType != signum.MimeText || !bytes.Contains(r.SignedAttrs, before[:]) {
		return
	}
	r.Text += " (another text)"
	after := sha256.Sum256([]byte(r.Text))
	r.SignedAttrs = bytes.Replace(r.SignedAttrs, before[:], after[:], 1)
}

// answers is what the phones have in place of the engine.
type answers struct {
	world *World
	next  mssp.AnswerHandler
}

// WrapAnswers goes between the phones and the engine.
func (w *World) WrapAnswers(next mssp.AnswerHandler) mssp.AnswerHandler { return &answers{w, next} }

// lateBy is how long after the end of a request a late answer comes.
const lateBy = time.Second

// Answer implements mssp.AnswerHandler.
func (h *answers) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	q, key := h.world.requests, requestKey{a.TransID, a.Op}
	q.mu.Lock()
	n := q.live[key]
	q.mu.Unlock()
	if n == nil || n.act == nil {
		err := h.next.Answer(ctx, a)
		if err == nil {
			q.drop(key)
		}
		return err
	}
	switch n.act.Do {
	case script.WrongKey:
		forge(&a, n.SignedAttrs)
	case script.Late:
		q.work.Go(func() {
			defer event.Rescue(q.log, "late answer")
			select {
			case <-time.After(time.Until(n.Expires) + lateBy):
				_ = h.next.Answer(q.ctx, a) // it is dropped
			case <-q.ctx.Done():
			}
		})
		return nil
	}
	err := h.next.Answer(ctx, a)
	if err == nil && n.act.Do == script.Twice {
		_ = h.next.Answer(ctx, a) // the engine drops it
	}
	if err == nil {
		q.drop(key)
	}
	return err
}

// forge replaces a signature by one of a key that nobody knows.
func forge(a *mssp.DeviceAnswer, attrs []byte) {
	if len(a.Signature) == 0 {
		return
	}
	digest := sha256.Sum256(attrs)
	const rsaLength = 256
	if len(a.Signature) == rsaLength {
		if key, err := rsa.GenerateKey(rand.Reader, 8*rsaLength); err == nil {
			a.Signature, _ = rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
		}
		return
	}
	if key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err == nil {
		a.Signature, _ = ecdsa.SignASN1(rand.Reader, key, digest[:])
	}
}

// profileOf is the profile of a transaction.
func (w *World) profileOf(ctx context.Context, transID string) string {
	t, err := w.service.Store.Transaction(ctx, transID)
	if err != nil {
		return ""
	}
	return t.Profile
}
