package node

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/sim"
)

const (
	// topicTrace is what nodes tell each other about traces: a question has a name and a
	// number, an answer the name alone.
	topicTrace = "trace"
	// sharedTrace is the kind of shared values that answers are. Their key is the name of the
	// question and the node.
	sharedTrace = "sim trace"
	// traceWait is for how long other nodes are waited for.
	traceWait = 2 * time.Second
	// traceKeep is for how long an answer stays in the database.
	traceKeep = time.Minute
)

// traces asks all nodes what went between them and a SIM: the messages of one request are
// spread over them.
type traces struct {
	place string // of this node

	mu        sync.Mutex
	questions map[string]chan string // by name: who has answered
	answers   sync.WaitGroup
	stopped   bool
}

// SIMTrace implements admin.Traces.
func (n *Node) SIMTrace(ctx context.Context, msisdn string) ([]sim.Exchange, error) {
	all := n.SIMs.Trace(msisdn)
	if n.peers.Peers() > 0 {
		for i := range all {
			all[i].Node = n.traces.place
		}
		all = append(all, n.othersTraces(ctx, msisdn)...)
		slices.SortStableFunc(all, func(a, b sim.Exchange) int { return a.Time.Compare(b.Time) })
	}
	if len(all) > 0 {
		return all, nil
	}
	_, err := n.Store.CardOf(ctx, msisdn)
	return nil, err
}

// othersTraces asks the other nodes. What cannot be had of one is a note in the trace.
func (n *Node) othersTraces(ctx context.Context, msisdn string) (all []sim.Exchange) {
	others := n.peers.Others()
	ctx, cancel := context.WithTimeout(ctx, traceWait)
	defer cancel()
	name := rand.Text()
	answered := make(chan string, len(others))
	n.traces.mu.Lock()
	n.traces.questions[name] = answered
	n.traces.mu.Unlock()
	defer func() {
		n.traces.mu.Lock()
		delete(n.traces.questions, name)
		n.traces.mu.Unlock()
	}()
	n.peers.Publish(topicTrace, "ask "+name+" "+msisdn)
	waiting := make(map[string]string, len(others)) // names by ID
	for _, o := range others {
		waiting[o.ID] = o.Name
	}
	note := func(of, text string) {
		all = append(all, sim.Exchange{Time: n.deps.Clock.Now(), Node: of, Notes: []string{text}})
	}
	for len(waiting) > 0 {
		select {
		case <-ctx.Done():
			for _, of := range waiting {
				note(of, "this node has not answered")
			}
			return all
		case id := <-answered:
			of, asked := waiting[id]
			if !asked {
				continue
			}
			delete(waiting, id)
			list, err := n.readTrace(ctx, name+" "+id)
			if err != nil {
				n.deps.Logger.WarnContext(ctx, "trace of another node", "node", of, "err", err)
				note(of, "the trace of this node cannot be read")
			}
			for i := range list {
				list[i].Node = of
			}
			all = append(all, list...)
		}
	}
	return all
}

func (n *Node) readTrace(ctx context.Context, key string) (list []sim.Exchange, err error) {
	text, err := n.rows.TakeValue(ctx, sharedTrace, key)
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	return list, err
}

// hearTrace hears questions and answers of other nodes. It returns at once.
func (n *Node) hearTrace(from, data string) {
	what, rest, _ := strings.Cut(data, " ")
	name, msisdn, _ := strings.Cut(rest, " ")
	t := &n.traces
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case what == "have":
		select {
		case t.questions[name] <- from:
		default: // it was not asked here, or has ended
		}
	case what == "ask" && msisdn != "" && !t.stopped:
		t.answers.Go(func() {
			defer event.Rescue(n.deps.Logger, "trace")
			ctx, cancel := context.WithTimeout(context.Background(), traceWait)
			defer cancel()
			if err := n.answerTrace(ctx, name, msisdn); err != nil {
				n.deps.Logger.WarnContext(ctx, "trace for another node", "err", err)
			}
		})
	}
}

func (n *Node) answerTrace(ctx context.Context, name, msisdn string) error {
	list := n.SIMs.Trace(msisdn)
	if list == nil {
		list = []sim.Exchange{}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("trace: %w", err)
	}
	if err := n.rows.PutValue(ctx, sharedTrace, name+" "+n.peers.ID(), text, n.peers.Now().Add(traceKeep)); err != nil {
		return err
	}
	n.peers.Publish(topicTrace, "have "+name)
	return nil
}

// close waits for the answers that are being written.
func (t *traces) close() error {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	t.answers.Wait()
	return nil
}
