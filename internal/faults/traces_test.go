package faults

import (
	"reflect"
	"slices"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/sim"
	"github.com/signum-mssp/signum/internal/store"
)

// The trace of a SIM has the messages of all nodes, whichever is asked. One that does not
// answer is named.
func TestTraceOfAllNodes(t *testing.T) {
	t.Parallel()
	a, b := twoNodes(t, 1)
	both := []*world{a, b}
	for i := range 6 {
		w := both[i%2]
		w.wants("a signature", w.sign(number(0), long), signum.SignatureMade, "")
	}
	trace := func(w *world) []sim.Exchange {
		t.Helper()
		list, err := w.node.SIMTrace(t.Context(), number(0))
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	messages := func(list []sim.Exchange, node string) (n int) {
		for _, e := range list {
			if e.SMPP != nil && e.Node == node {
				n++
			}
		}
		return n
	}
	list := trace(a)
	if messages(list, "first") == 0 || messages(list, "second") == 0 || messages(list, "first")+messages(list, "second") < 6*3 {
		t.Errorf("%d messages of one node, %d of the other", messages(list, "first"), messages(list, "second"))
	}
	if !slices.IsSortedFunc(list, func(a, b sim.Exchange) int { return a.Time.Compare(b.Time) }) {
		t.Error("the messages are not in order")
	}
	a.eventually("both nodes say the same", func() bool {
		x, y := trace(a), trace(b)
		return len(x) == len(y) && reflect.DeepEqual(times(x), times(y))
	})

	mute := mssp.ClusterNode{ID: "n-mute", Name: "mute", Address: "127.0.0.1:1", Version: "1"}
	if _, err := a.node.Store.(*store.Store).Nodes().Join(t.Context(), mute, false); err != nil {
		t.Fatal(err)
	}
	a.eventually("a node that does not answer is named", func() bool {
		return slices.ContainsFunc(trace(a), func(e sim.Exchange) bool {
			return e.Node == "mute" && slices.Equal(e.Notes, []string{"this node has not answered"})
		})
	})
}

func times(list []sim.Exchange) (all []int64) {
	for _, e := range list {
		all = append(all, e.Time.UnixNano())
	}
	return all
}
