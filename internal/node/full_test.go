package node

import (
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// TestFull: a limit of open requests admits as many as the configuration says. One more gets
// 900 with Retry-After before anything is stored. There is room once one has ended, or when a
// reload raises the limit.
func TestFull(t *testing.T) {
	const most = 2
	for name, tt := range map[string]struct {
		method signum.Method
		set    func(*config.Config, int)
		detail string
		metric string
		log    string
	}{
		"sim.max_open": {signum.SIM, func(c *config.Config, n int) { c.SIM.MaxOpen = n }, "The service is busy",
			`signum_admission_refused_total{reason="sim_full"}`, "too many open requests to phones"},
		"app.max_open": {signum.App, func(c *config.Config, n int) { c.App.MaxOpen = n }, "The service is busy",
			`signum_admission_refused_total{reason="app_full"}`, "too many open requests to phones"},
		"limits.party.max_open": {signum.SIM, func(c *config.Config, n int) { c.Limits.Party.MaxOpen = n }, "Too many requests",
			`signum_limit_refusals_total{limit="open_requests"}`, "the party has used up the limit open_requests"},
	} {
		t.Run(name, func(t *testing.T) {
			a := newArena(t, func(c *config.Config) {
				c.Listen.Ops.Address = "127.0.0.1:0"
				tt.set(c, most)
			})
			p := a.party("mid://party", false)
			users := make([]*mssp.Subscriber, 6)
			for i := range users {
				users[i] = a.user(i, tt.method, phonetest.Silent)
			}
			ended := make(chan error, len(users))
			ask := func(n int) string {
				go func() { ended <- a.signs(p, users[n]) }() // a test's goroutine
				return <-a.shown
			}
			full := func(when string) {
				t.Helper()
				stored := a.outstanding()
				a.refused(when, a.signs(p, users[5]), signum.InternalError, tt.detail, 5*time.Second)
				if n := a.outstanding(); n != stored {
					t.Errorf("%s: %d transactions are stored, not %d", when, n, stored)
				}
			}
			first := ask(0)
			ask(1)
			full("one too many")
			err := a.Answers().Answer(t.Context(), mssp.DeviceAnswer{Op: mssp.OpSign, TransID: first, DeviceID: users[0].Devices[0].ID, Fault: signum.NewFault(signum.UserCancel)})
			if f := signum.AsFault(<-ended); err != nil || f == nil || f.Code != signum.UserCancel {
				t.Fatalf("%v, %v", err, f)
			}
			ask(2)
			full("one too many again")
			c := a.cfg
			tt.set(&c, most+1)
			if err := a.Reload(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			ask(3)
			full("one too many for the higher limit")

			_, text := get(t, a.OpsURL()+"/metrics")
			for _, want := range []string{tt.metric + " 3\n", "signum_requests_open{method=\"" + strings.ToLower(string(tt.method)) + "\"} 3\n"} {
				if !strings.Contains(text, want) {
					t.Errorf("the metrics do not have %q", want)
				}
			}
			if !strings.Contains(a.log.String(), tt.log) {
				t.Errorf("the log does not have %q: %s", tt.log, a.log)
			}
		})
	}
}

// outstanding counts the transactions without an outcome.
func (a *arena) outstanding() int {
	a.t.Helper()
	list, err := a.Store.OutstandingTransactions(a.t.Context(), a.clock.Now(), "", 100)
	if err != nil {
		a.t.Fatal(err)
	}
	return len(list)
}
