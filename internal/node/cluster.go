package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/app"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/cluster"
	"github.com/signum-mssp/signum/internal/engine"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/store"
)

const (
	// clockWarning is by how much the clock of the machine may differ from the database's
	// without a warning: parties and Apps are judged by it.
	clockWarning = time.Second
	// clockLimit is the difference from which on the node is not ready.
	clockLimit = 5 * time.Second
	// clockEvery is how often a difference is logged.
	clockEvery = time.Minute
)

// joinCluster makes the node one of those that share the database. On SQLite it is alone.
func (n *Node) joinCluster(ctx context.Context, s *store.Store) (err error) {
	nodes := s.Nodes()
	if nodes == nil || n.deps.Alone {
		return nil
	}
	place, err := n.place()
	if err != nil {
		return err
	}
	n.peers, err = cluster.New(cluster.Config{Store: nodes, Name: place, Address: n.MSSAddr(), Version: n.deps.Version, Logger: n.deps.Logger})
	if err != nil {
		return err
	}
	if err := n.peers.Join(ctx); err != nil {
		return &UnavailableError{Err: err}
	}
	n.placeName = place
	n.onClose(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), stopTime)
		defer cancel()
		// The first attempt may meet a connection that the server has closed.
		if n.peers.Leave(ctx) != nil {
			if err := n.peers.Leave(ctx); err != nil {
				n.deps.Logger.WarnContext(ctx, "the other nodes find out by themselves that this one has ended", "err", err)
			}
		}
		return nil
	})
	key, err := n.sharedSecret(ctx, "key of questions between nodes", newKey)
	if err != nil {
		return err
	}
	if n.questions, err = cluster.NewQuestions(n.peers, s, key, n.deps.Logger); err != nil {
		return err
	}
	n.onClose(n.questions.Close)
	n.questions.Handle(aboutTrace, n.answerTrace)
	return nil
}

// place names what no two processes can have at the same time, and a process has again
// after a restart: the socket of the administration and the address of parties. Containers
// on one host may have the same name of one of them.
func (n *Node) place() (string, error) {
	if n.deps.Place != "" {
		return n.deps.Place, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", fmt.Errorf("name of this machine: %w", err)
	}
	return strings.Join([]string{host, n.cfg.Listen.Admin.Socket, string(n.cfg.Listen.MSS.Address)}, " "), nil
}

// topicRevoked tells other nodes that a certificate was revoked.
const topicRevoked = "revoked"

// caOptions let a revocation at one node show in the CRLs of all.
func (n *Node) caOptions() ca.Options {
	o := ca.Options{URL: n.PKIURL(), Clock: n.deps.Clock, Log: n.deps.Logger, Events: n.events}
	if n.peers != nil {
		o.Revoked, o.Number = func() { n.peers.Publish(topicRevoked, "") }, n.peers.NextCRLNumber
	}
	return o
}

// simPeers is the cluster for the SIM channel; nil if the node is alone.
func (n *Node) simPeers() sim.Peers {
	if n.peers == nil {
		return nil
	}
	return n.peers
}

// appPeers is the cluster for Apps; nil if the node is alone.
func (n *Node) appPeers() app.Peers {
	if n.peers == nil {
		return nil
	}
	return n.peers
}

// enterCluster lets the engine hear what other nodes tell.
func (n *Node) enterCluster() {
	n.peers.Subscribe(engine.TopicEnded, n.engine.HearEnded)
	n.peers.Subscribe(sim.Topic, n.SIMs.Hear)
	n.peers.Subscribe(engine.TopicReceipt, n.engine.HearReceipt)
	n.peers.Subscribe(app.Topic, n.Apps.Hear)
	n.peers.Subscribe(topicRevoked, func(string, string) { n.CA.RevokedElsewhere() })
	n.peers.OnGap(n.CA.RevokedElsewhere)
	n.peers.OnGap(n.engine.HearGap)
	n.peers.OnGap(n.Apps.HearGap)
	n.peers.OnLost(n.engine.HearLost)
}

// runCluster also watches the clock.
func (n *Node) runCluster(ctx context.Context) error {
	stop := make(chan error, 1)
	watch := part{"clock", func(ctx context.Context) error {
		for tick := time.NewTicker(clockEvery); ; {
			if d := n.peers.Metrics().Offset; d.Abs() > clockWarning {
				n.deps.Logger.WarnContext(ctx, "the clock of this machine differs from that of the database; set it by NTP", "ahead", d.Round(time.Millisecond).String())
			}
			select {
			case <-ctx.Done():
				tick.Stop()
				return nil
			case <-tick.C:
			}
		}
	}}
	watching := start(ctx, n.deps.Logger, []part{watch}, stop)
	return errors.Join(n.peers.Run(ctx), watching.stop())
}

// inTouch fails while other nodes may take this one for dead.
func (n *Node) inTouch(context.Context) error {
	if !n.peers.Holds() {
		return errors.New("the database has not heard of this node for too long")
	}
	return nil
}

// clockAgrees fails if the clock of the machine is too far off.
func (n *Node) clockAgrees(context.Context) error {
	if d := n.peers.Metrics().Offset; d.Abs() > clockLimit {
		return fmt.Errorf("the clock of this machine is %s ahead of the database's; set it by NTP", d.Round(time.Millisecond))
	}
	return nil
}

// clockList warns of a smaller difference.
func (n *Node) clockList() string {
	if d := n.peers.Metrics().Offset; d.Abs() > clockWarning {
		return fmt.Sprintf("    warning: the clock of this machine is %s ahead of the database's\n", d.Round(time.Millisecond))
	}
	return ""
}

// peerList lists the other nodes.
func (n *Node) peerList() string {
	var b strings.Builder
	for _, o := range n.peers.Others() {
		fmt.Fprintf(&b, "    %s: %s, version %s, since %s\n", o.ID, o.Address, o.Version, o.Started.Format(time.RFC3339))
	}
	return b.String()
}

// observeCluster lets metrics ask for its figures.
func (n *Node) observeCluster() {
	m := n.metrics
	m.Gauge("signum_cluster_nodes", "Nodes on this database that live, this one included.", func() float64 { return float64(n.peers.Metrics().Nodes) })
	m.Gauge("signum_cluster_listening", "1 if notices of other nodes arrive.", func() float64 {
		if n.peers.Listening() {
			return 1
		}
		return 0
	})
	m.Gauge("signum_cluster_clock_offset_seconds", "By how much the clock of this machine is ahead of the database's.", func() float64 { return n.peers.Metrics().Offset.Seconds() })
	m.Counter("signum_cluster_fenced_total", "How often other nodes took this one for dead.", func() float64 { return float64(n.peers.Metrics().Fenced) })
	m.Counter("signum_cluster_adopted_total", "Transactions of dead nodes that this one went on with.", func() float64 { return float64(n.engine.Adopted()) })
	m.Counters("signum_cluster_notices_total", "Notices between nodes.", "what", func() map[string]uint64 {
		c := n.peers.Metrics()
		return map[string]uint64{"sent": c.Sent, "commit": c.Commits, "heard": c.Heard, "gap": c.Gaps}
	})
}
