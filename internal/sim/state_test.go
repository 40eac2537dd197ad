package sim

import (
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/smpp"
	"github.com/signum-mssp/signum/internal/smpp/group"
)

// statesSection is the part of docs/sim.md that describes the states of a request.
func statesSection(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../../docs/sim.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(doc), "\n## States of a request\n")
	if !ok {
		t.Fatal("docs/sim.md does not describe the states of a request")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	return section
}

// drawnMoves are the arrows in the drawing between two states.
func drawnMoves(t *testing.T) (moves []string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^ +(\S+) --> (\S+)`).FindAllStringSubmatch(statesSection(t), -1) {
		if m[1] != "[*]" && m[2] != "[*]" {
			moves = append(moves, m[1]+" → "+m[2])
		}
	}
	return moves
}

// The document has the states and the flags of the code, and no others.
func TestStatesAreDocumented(t *testing.T) {
	section := statesSection(t)
	drawn := map[string]bool{}
	for _, m := range drawnMoves(t) {
		from, to, _ := strings.Cut(m, " → ")
		drawn[from], drawn[to] = true, true
	}
	var states []string
	for s := waiting; s <= ended; s++ {
		states = append(states, s.String())
		if !drawn[s.String()] {
			t.Errorf("%s is not drawn", s)
		}
		delete(drawn, s.String())
	}
	for s := range drawn {
		t.Errorf("%s is drawn, and is no state", s)
	}
	if header := "| event | " + strings.Join(states[:ended], " | ") + " |"; !strings.Contains(section, header) {
		t.Errorf("the table of events has no header %q", header)
	}
	var flagged []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(section, -1) {
		flagged = append(flagged, m[1])
	}
	if d := cmp.Diff(flagNames[:], flagged); d != "" {
		t.Errorf("flags, -code +document\n%s", d)
	}
	if all := flags(1<<len(flagNames) - 1); all.String() != strings.Join(flagNames[:], "+") || written != 1<<(len(flagNames)-1) {
		t.Errorf("flags: %s", all)
	}
}

// moves records how requests change their states.
type moves struct {
	mu   sync.Mutex
	seen map[string]bool
}

func (m *moves) note(from, to state) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if from != to {
		m.seen[from.String()+" → "+to.String()] = true
	}
}

// Requests take every arrow in the drawing and no other way.
func TestMovesAreDrawn(t *testing.T) {
	m := &moves{seen: map[string]bool{}}
	// hold is the time from the card's receipt of a message to the SMSC's answer.
	for name, play := range map[string]func(w *world, hold *atomic.Int64){
		"signed": func(w *world, _ *atomic.Int64) {
			w.ask(w.request(w.card(ecKey), mssp.OpSign, "_1", text))
		},
		"the card is faster than the SMSC": func(w *world, hold *atomic.Int64) {
			hold.Store(int64(time.Second))
			for i, op := range []mssp.DeviceOp{mssp.OpSign, mssp.OpActivate} {
				f := w.card(ecKey)
				f.think = 0
				w.ask(w.request(f, op, fmt.Sprint("_", i), text))
			}
		},
		"silence": func(w *world, _ *atomic.Int64) {
			f := w.card(ecKey)
			f.deaf = true
			w.ask(w.request(f, mssp.OpSign, "_1", text))
		},
		"cancelled while it is sent": func(w *world, hold *atomic.Int64) {
			hold.Store(int64(lifetime))
			f := w.card(ecKey)
			f.deaf = true
			w.ask(w.request(f, mssp.OpSign, "_1", text))
			pass(time.Second)
			w.ch.Cancel(ctx, withdrawal(f.device, "_1"))
		},
		"never to be reached": func(w *world, _ *atomic.Int64) {
			w.net.fails(smpp.StatusInvalidDst)
			w.ask(w.request(w.card(ecKey), mssp.OpSign, "_1", text))
		},
		"no worker is free": func(w *world, hold *atomic.Int64) {
			busy, gone := w.card(ecKey), w.card(ecKey)
			busy.think = 0
			busy.result = func(*applet.Request) applet.Result { return applet.Busy }
			w.ask(w.request(busy, mssp.OpSign, "_1", text)) // reached, and later queued
			pass(100 * time.Millisecond)
			hold.Store(int64(time.Hour))
			long := w.request(w.card(ecKey), mssp.OpSign, "_2", text)
			long.Expires = long.Created.Add(10 * lifetime)
			w.ask(long)
			pass(100 * time.Millisecond)
			w.ask(w.request(w.card(ecKey), mssp.OpSign, "_3", text)) // queued, and never sent
			w.ask(w.request(gone, mssp.OpSign, "_4", text))
			w.ch.Cancel(ctx, withdrawal(gone.device, "_4"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			var hold atomic.Int64
			run(t, func(w *world) {
				w.ch.moved = m.note
				play(w, &hold)
				pass(20 * lifetime)
				w.empty()
			}, func(c *Config) {
				send := c.Send
				c.Submits, c.SubmitTimeout = 1, time.Hour
				c.Send = func(ctx context.Context, f func(*group.Route) error) error {
					return send(ctx, func(r *group.Route) error {
						slow := *r
						slow.Submit = func(ctx context.Context, sm *smpp.SubmitSM) (string, error) {
							id, err := r.Submit(ctx, sm)
							if d := time.Duration(hold.Load()); d > 0 {
								select {
								case <-time.After(d):
								case <-ctx.Done():
								}
							}
							return id, err
						}
						return f(&slow)
					})
				}
			})
		})
	}
	if d := cmp.Diff(slices.Sorted(slices.Values(drawnMoves(t))), slices.Sorted(maps.Keys(m.seen))); d != "" {
		t.Errorf("-drawn +taken\n%s", d)
	}
}
