package sim_test

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/smsc"
)

// A card answers by whichever SMSC its phone uses, not only by the one that brought the
// request. When an SMSC is lost, requests to phones go by the spare one, even those that
// are on their way.
func TestPathSpareSMSC(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		u := p.addUser(1, userSpec{})
		sign := func(what string, toPhones, fromPhones *smsc.SMSC) {
			t.Helper()
			sent, received := toPhones.Counters(smsc.ToPhone).Delivered, fromPhones.Counters(smsc.ToESME).Delivered
			c := &call{u: u, text: "Bank: Login?"}
			if err := p.sign(c, time.Second); err != nil || c.told != 500 {
				t.Errorf("%s: %d, %v", what, c.told, err)
			}
			if toPhones.Counters(smsc.ToPhone).Delivered == sent || fromPhones.Counters(smsc.ToESME).Delivered == received {
				t.Errorf("%s: the messages took another way", what)
			}
			time.Sleep(time.Minute)
		}
		sign("both are there", p.smsc, p.smsc)
		p.handsets.Connect(p.spare.Submit)
		sign("the answer comes by the spare one", p.smsc, p.spare)

		p.smsc.Close()
		sign("the first is lost", p.spare, p.spare)
	}, func(c *pathConfig) { c.spare, c.think = true, 5*time.Second })

	// The request is lost with its SMSC: the next packet takes the other.
	inBubble(t, func(t *testing.T, p *path) {
		u := p.addUser(1, userSpec{})
		p.smsc.SetFaults(smsc.Faults{Loss: 1}, smsc.ToPhone)
		go func() {
			time.Sleep(5 * time.Second)
			p.handsets.Connect(p.spare.Submit)
			p.smsc.Close()
		}()
		c := &call{u: u, text: "Bank: Login?"}
		if err := p.sign(c, time.Second); err != nil || c.told != 500 {
			t.Errorf("lost under way: %d, %v", c.told, err)
		}
		if n := p.spare.Counters(smsc.ToPhone).Delivered; n == 0 {
			t.Error("the spare SMSC brought nothing")
		}
	}, func(c *pathConfig) { c.spare = true })
}
