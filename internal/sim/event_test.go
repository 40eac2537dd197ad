package sim

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// The events of a request that goes well, and of messages that come again.
func TestEvents(t *testing.T) {
	run(t, func(w *world) {
		var heard []*smpp.DeliverSM
		w.net.swallow = func(d *smpp.DeliverSM) bool {
			heard = append(heard, d)
			return false
		}
		f := w.card(rsaKey)
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(2 * time.Second)
		w.taken(heard[0])
		pass(time.Minute)
		w.taken(heard[len(heard)-1])
		receipt := (&smpp.Receipt{MessageID: "m1", State: smpp.StateDelivered}).Deliver((&group.Style{}).Dest(f.msisdn[1:]), service)
		w.taken(receipt)
		var got []string
		for _, e := range w.events {
			if e.MSISDN != f.msisdn {
				t.Errorf("%s of %s", e.Op, e.MSISDN)
			}
			got = append(got, fmt.Sprintf("%s %s %s", e.Op, e.Label(), e.TransID))
		}
		want := []string{
			"proof ok _1", "proof no_effect _1", "deliver incomplete ", "deliver incomplete ", "reply ok _1",
			"deliver incomplete ", "receipt unmatched ",
		}
		if !slices.Equal(got, want) {
			t.Errorf("events:\n%q, want\n%q", got, want)
		}
	})
}

// A failure of the service is the event's cause, and the message is postponed.
func TestEventsOfFailures(t *testing.T) {
	for name, breaks := range map[string]func(w *world){
		"store":  func(w *world) { w.store.setFail(errStore) },
		"engine": func(w *world) { w.engine.failing(1, errStore) },
		"keys":   func(w *world) { w.store.change("+41780000001", func(c *mssp.Card) { c.KIc = nil }) },
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(w *world) {
				f := w.card(ecKey)
				w.ask(w.request(f, mssp.OpSign, "_1", text))
				pass(time.Second)
				breaks(w)
				p := f.packet(&applet.Reply{Op: applet.Sign, ID: applet.TransactionID("_1"), Result: applet.UserCancel})
				if st := w.deliver(from(f, single(0x70, p))); st != smpp.StatusRxTempError {
					t.Errorf("answered with %s", st)
				}
				e := w.event()
				if e.Cause == nil || e.Reason != "" || name != "keys" && !errors.Is(e.Cause, errStore) {
					t.Errorf("cause %v, reason %q", e.Cause, e.Reason)
				}
			})
		})
	}
}

// Proofs of receipt that anybody can make in any number do not count as having
// an effect, so that the log does not get a line for each.
func TestEventsOfForgedProofs(t *testing.T) {
	run(t, func(w *world) {
		f := w.card(ecKey)
		f.think = 30 * time.Second
		f.deaf = true
		w.ask(w.request(f, mssp.OpSign, "_1", text))
		pass(time.Second)
		for range 1000 {
			p, err := (&scp80.Response{TAR: applet.TAR, Status: scp80.CipherError}).Unsecured()
			if err != nil {
				t.Fatal(err)
			}
			w.taken(from(f, single(0x71, p)))
		}
		effects := 0
		for _, e := range w.events {
			if e.Reason == "" {
				effects++
			}
		}
		if effects == 0 || effects > 20 {
			t.Errorf("%d proofs of 1000 had an effect", effects)
		}
	})
}

// docs/sim.md lists every operation and every reason of these events, and no
// others.
func TestEventsAreDocumented(t *testing.T) {
	want := map[string]bool{}
	for _, file := range []string{"event.go", "../smpp/event.go"} {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if v, ok := n.(*ast.ValueSpec); ok && (strings.HasPrefix(v.Names[0].Name, "op") || strings.HasPrefix(v.Names[0].Name, "reason")) {
				want[strings.Trim(v.Values[0].(*ast.BasicLit).Value, `"`)] = true
			}
			return true
		})
	}
	doc, err := os.ReadFile("../../docs/sim.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "\n## Events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	got := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\| [^|]").FindAllStringSubmatch(section, -1) {
		if m[1] != "op" && m[1] != "reason" {
			got[m[1]] = true
		}
	}
	if !maps.Equal(got, want) {
		t.Errorf("docs/sim.md has\n%v, the code\n%v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
}
