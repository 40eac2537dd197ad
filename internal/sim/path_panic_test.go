package sim_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/sms"
)

// brokenFor panics when it is asked for the card of one number.
type brokenFor struct {
	sim.Store
	msisdn string
	panics *atomic.Int32
}

func (s brokenFor) CardOf(ctx context.Context, msisdn string) (*mssp.Card, error) {
	if msisdn == s.msisdn {
		s.panics.Add(1)
		panic("cannot happen")
	}
	return s.Store.CardOf(ctx, msisdn)
}

// A message whose handling panics comes back from the SMSC twice and is then
// acknowledged. Meanwhile, other phones are served over the same sessions.
func TestPathPoisonedMessage(t *testing.T) {
	const broken = "+41790000666"
	var panics atomic.Int32
	inBubble(t, func(t *testing.T, p *path) {
		u := p.addUser(1, userSpec{})
		packet, err := (&sms.Submit{
			UDHI: true, To: sms.International(serviceNumber), DCS: sms.DCSCard, UD: []byte{2, sms.IEICommand, 0, 1, 2, 3},
		}).MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.smsc.Submit(broken, packet); err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			c := &call{u: u, text: "Bank: Login?"}
			if err := p.sign(c, time.Second); err != nil || c.told != 500 {
				t.Errorf("call %d: %d, %v", n, c.told, err)
			}
			time.Sleep(10 * time.Second)
		}
		if n := panics.Load(); n != 3 {
			t.Errorf("%d panics, want 3", n)
		}
		if n := p.smsc.Counters(smsc.ToESME); n.Waiting != 0 || n.Refused+n.Expired != 0 {
			t.Errorf("the SMSC counted %+v", n)
		}
		if n := p.node.smscs.Bound(); n != 2 {
			t.Errorf("%d sessions, want 2", n)
		}
	}, func(c *pathConfig) {
		c.sim = func(sc *sim.Config) { sc.Store = brokenFor{sc.Store, broken, &panics} }
	})
}
