package node

import (
	"context"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/admission"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/engine"
)

// newGate makes the gate for new requests. The queues behind it are those of the store and
// of the SIM channel; an engine that does not come round has a queue as well.
func (n *Node) newGate(context.Context) error {
	sims := string(signum.SIM)
	n.queues = append(n.queues,
		admission.Queue{Name: "sweep", Age: n.late, AgeOf: func(string) time.Duration { return n.late() }},
		admission.Queue{Name: "sim_submits", Way: sims, Age: n.SIMs.Age, AgeOf: n.SIMs.AgeOf},
	)
	var begun func() int
	if n.smscs != nil {
		begun = n.smscs.Handling
		n.queues = append(n.queues, admission.Queue{Name: "smpp_window", Way: sims, Age: n.smscs.Age, AgeOf: n.smscs.AgeOf})
	}
	n.gate = admission.New(admission.Config{Queues: n.queues, Begun: begun})
	n.setGate(n.cfg.Admission)
	return nil
}

// setGate takes over what the configuration says about new requests.
func (n *Node) setGate(c config.Admission) {
	n.gate.Set(c.QueueAge, admission.Limit(int64(c.MaxMemory)))
}

// restOfSweep is how long the engine may take from one round to the next, the pause after a
// failure included.
const restOfSweep = 10 * time.Second

// late is for how long the engine should have come round.
func (n *Node) late() time.Duration {
	at := n.Progress()
	if at.IsZero() {
		return 0 // it has not begun
	}
	return max(0, time.Since(at)-restOfSweep)
}

// observeGate lets metrics ask the gate for its figures.
func (n *Node) observeGate() {
	m := n.metrics
	m.Counters("signum_admission_refused_total", "Requests that were refused because the node has too much to do.", "reason", func() map[string]uint64 {
		all := n.gate.Refused()
		for name, p := range n.places() {
			all[name+"_full"] = p.Refused
		}
		return all
	})
	m.Gauges("signum_requests_open", "Requests to phones that have no outcome yet.", "method", func() map[string]uint64 {
		return figures(n.places(), func(p engine.Places) int { return p.Open })
	})
	m.Gauges("signum_requests_open_max", "Requests to phones that may be open.", "method", func() map[string]uint64 {
		return figures(n.places(), func(p engine.Places) int { return p.Max })
	})
	m.Seconds("signum_queue_age_seconds", "For how long the entry of a queue has waited that has waited longest.", "queue", n.gate.Ages)
	m.Gauge("signum_admission_places", "New requests that may be worked on at a time.", func() float64 { return float64(n.gate.Places()) })
}

// places are the open requests by the name of their method in labels.
func (n *Node) places() map[string]engine.Places {
	all := make(map[string]engine.Places)
	for m, p := range n.engine.Places() {
		all[strings.ToLower(string(m))] = p
	}
	return all
}

func figures(all map[string]engine.Places, of func(engine.Places) int) map[string]uint64 {
	n := make(map[string]uint64, len(all))
	for name, p := range all {
		n[name] = uint64(max(of(p), 0))
	}
	return n
}
