package node

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
)

const (
	// aboutTrace is the subject of questions for traces; a question is a number.
	aboutTrace = "trace"
	// traceWait is for how long other nodes are waited for.
	traceWait = 2 * time.Second
)

// SIMTrace implements admin.Traces. It asks all nodes: the messages of one request are spread
// over them.
func (n *Node) SIMTrace(ctx context.Context, msisdn string) ([]sim.Exchange, error) {
	all := n.SIMs.Trace(msisdn)
	if others := n.peers.Others(); len(others) > 0 {
		for i := range all {
			all[i].Node = n.placeName
		}
		all = append(all, n.othersTraces(ctx, others, msisdn)...)
		slices.SortStableFunc(all, func(a, b sim.Exchange) int { return a.Time.Compare(b.Time) })
	}
	if len(all) > 0 {
		return all, nil
	}
	_, err := n.Store.CardOf(ctx, msisdn)
	return nil, err
}

// othersTraces asks the other nodes at once. One that does not answer is a note in the trace.
func (n *Node) othersTraces(ctx context.Context, others []mssp.ClusterNode, msisdn string) (all []sim.Exchange) {
	ctx, cancel := context.WithTimeout(ctx, traceWait)
	defer cancel()
	lists := make([][]sim.Exchange, len(others))
	var asking sync.WaitGroup
	for i, o := range others {
		asking.Go(func() {
			defer event.Rescue(n.deps.Logger, "trace of another node")
			list, err := n.askTrace(ctx, o.ID, msisdn)
			if err != nil {
				n.deps.Logger.WarnContext(ctx, "trace of another node", "node", o.Name, "err", err)
				list = []sim.Exchange{{Time: n.deps.Clock.Now(), Notes: []string{"this node has not answered"}}}
			}
			for j := range list {
				list[j].Node = o.Name
			}
			lists[i] = list
		})
	}
	asking.Wait()
	return slices.Concat(lists...)
}

func (n *Node) askTrace(ctx context.Context, node, msisdn string) (list []sim.Exchange, err error) {
	text, err := n.questions.Ask(ctx, node, aboutTrace, []byte(msisdn))
	if err == nil {
		err = json.Unmarshal(text, &list)
	}
	return list, err
}

// answerTrace answers the question of another node.
func (n *Node) answerTrace(_ context.Context, msisdn []byte) ([]byte, error) {
	text, err := json.Marshal(n.SIMs.Trace(string(msisdn)))
	if err != nil {
		return nil, fmt.Errorf("trace: %w", err)
	}
	return text, nil
}
