package sim_test

import (
	"context"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// storing makes an SMSC that does not know transaction mode: it takes every message,
// stores it, and tells later by a receipt what became of it.
func storing(c *sim.Config) {
	send := c.Send
	c.Send = func(ctx context.Context, f func(*group.Route) error) error {
		return send(ctx, func(r *group.Route) error {
			stored := *r
			stored.Submit = func(ctx context.Context, m *smpp.SubmitSM) (string, error) {
				other := *m
				other.ESMClass &^= smpp.ModeMask
				return r.Submit(ctx, &other)
			}
			return f(&stored)
		})
	}
}

// With an SMSC that stores messages, a phone that is off is 209 as well, and one that is
// on is asked once.
func TestPathStoringSMSC(t *testing.T) {
	inBubble(t, func(t *testing.T, p *path) {
		for n, tt := range []struct {
			does person.Action
			want signum.Code
		}{
			{person.Approve, signum.SignatureMade},
			{person.Silent, signum.ExpiredTransaction},
			{person.Unreachable, signum.OTAError},
		} {
			u := p.addUser(n+1, userSpec{})
			if err := p.handsets.Behave(u.MSISDN, person.Behaviour{Do: tt.does}); err != nil {
				t.Fatal(err)
			}
			c := &call{u: u, text: "Bank: Login?"}
			if err := p.sign(c, 0); err != nil || c.told != tt.want {
				t.Errorf("%s: %d, %v; want %d", tt.does, c.told, err, tt.want)
			}
			time.Sleep(time.Minute)
		}
	}, func(c *pathConfig) { c.sim = storing })
}
