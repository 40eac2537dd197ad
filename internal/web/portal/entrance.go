package portal

import (
	"net/http"

	"github.com/signum-mssp/signum/internal/event"
)

// entrance serves one operation: it refuses requests of other sites, rescues panics
// and emits the event of the call. op is one of a fixed set, because it is a label of
// metrics.
func (p *Portal) entrance(op string, h func(*call)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		c := p.call(w, r, op)
		if err := c.run(h); err != nil {
			c.fail(err)
		}
		c.emit()
	}
}

func (c *call) run(h func(*call)) (err error) {
	defer event.RescueTo(&err, c.p.Logger, "portal")
	if !sameOrigin(c.r) {
		c.message(http.StatusForbidden, "cross_site")
		return nil
	}
	h(c)
	return nil
}

// fail shows the page of an internal error with its incident. The cause goes to the
// log only.
func (c *call) fail(err error) {
	incident := c.p.Events.Fail(c.r.Context(), c.event, err)
	if c.event.Status != 0 {
		return // the answer was sent
	}
	c.render(http.StatusInternalServerError, "message", "internal.title", map[string]any{"What": "internal", "Incident": incident})
}

// emit completes the event. Polls come every second, and each page loads assets; of
// these only refusals and errors are events.
func (c *call) emit() {
	e := c.event
	if e.Status == 0 {
		e.Status = http.StatusOK
	}
	if c.routine && e.Status < http.StatusBadRequest {
		return
	}
	switch {
	case c.session != nil:
		e.MSISDN = c.session.number
	case e.Reason != "" && e.Cause == nil: // a stranger can cause any number of these
		c.p.Events.Sample(e)
	}
	c.p.Events.Emit(c.r.Context(), e)
}

// refuse records why the user did not get what they asked for. The reason is one of
// a fixed set, because it is a label of metrics.
func (c *call) refuse(reason string) { c.event.Reason = reason }
