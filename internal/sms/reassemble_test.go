package sms

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2026, 11, 24, 16, 10, 15, 0, time.UTC)

func splitOf(t testing.TB, packet []byte, ref byte) [][]byte {
	t.Helper()
	parts, err := SplitPacket(packet, IEICommand, ref)
	if err != nil {
		t.Fatal(err)
	}
	return parts
}

// add adds a part that must be accepted.
func add(t testing.TB, r *Reassembler, now time.Time, source string, ud []byte) (Message, bool) {
	t.Helper()
	m, ok, err := r.Add(now, source, ud)
	if err != nil {
		t.Fatal(err)
	}
	return m, ok
}

func checkEmpty(t testing.TB, r *Reassembler) {
	t.Helper()
	if r.Len() != 0 || r.held != 0 || len(r.byKey) != 0 || len(r.sources) != 0 || r.ages.Len() != 0 {
		t.Errorf("left behind: %d waiting, %d held, %d messages, %d sources, %d ages",
			r.Len(), r.held, len(r.byKey), len(r.sources), r.ages.Len())
	}
}

// Three parts, each twice, give the same message in any order.
func TestReassembleOrders(t *testing.T) {
	packet := packetOf(370)
	parts := splitOf(t, packet, 9)
	for _, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		for _, again := range []int{0, 1, 2} {
			r := NewReassembler(time.Minute, 10)
			var got []Message
			for _, i := range append(slices.Insert(slices.Clone(order), again, order[0]), order...) {
				if m, ok := add(t, r, start, "41790000001", parts[i]); ok {
					got = append(got, m)
				}
			}
			if len(got) != 1 || got[0].IEI != IEICommand || !bytes.Equal(got[0].Packet, packet) {
				t.Errorf("order %v: %d messages", order, len(got))
			}
			if r.Len() != 0 {
				t.Errorf("order %v: %d parts are waiting", order, r.Len())
			}
			if lost := r.Sweep(start.Add(time.Minute)); lost != 0 {
				t.Errorf("%d messages are lost", lost)
			}
			checkEmpty(t, r)
		}
	}
}

// Messages of two sources with the same reference never mix, in any order.
func TestReassembleSources(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := NewReassembler(time.Minute, 255)
		type sent struct {
			source string
			ud     []byte
		}
		var all []sent
		want := make(map[string][]byte)
		for i := range rapid.IntRange(2, 4).Draw(rt, "sources") {
			source := fmt.Sprint(4179000000 + i)
			packet := rapid.SliceOfN(rapid.Byte(), 138, 900).Draw(rt, "packet")
			want[source] = packet
			for _, ud := range splitOf(t, packet, 7) {
				all = append(all, sent{source, ud})
				if rapid.Bool().Draw(rt, "twice") {
					all = append(all, sent{source, ud})
				}
			}
		}
		got := make(map[string]int)
		for _, s := range rapid.Permutation(all).Draw(rt, "order") {
			m, ok, err := r.Add(start, s.source, s.ud)
			if err != nil {
				rt.Fatal(err)
			}
			if ok {
				got[s.source]++
				if !bytes.Equal(m.Packet, want[s.source]) {
					rt.Errorf("%s: another packet", s.source)
				}
			}
		}
		for source := range want {
			if got[source] != 1 {
				rt.Errorf("%s: %d messages", source, got[source])
			}
		}
	})
}

func TestReassembleExpiry(t *testing.T) {
	const lifetime = 5 * time.Minute
	parts := splitOf(t, packetOf(370), 9)
	r := NewReassembler(lifetime, 10)
	add(t, r, start, "1", parts[0])
	add(t, r, start.Add(time.Minute), "1", parts[1])
	if n := r.Sweep(start.Add(lifetime - 1)); n != 0 || r.Len() != 2 {
		t.Errorf("%d lost too early, %d waiting", n, r.Len())
	}
	if n := r.Sweep(start.Add(lifetime)); n != 1 {
		t.Errorf("%d lost", n)
	}
	checkEmpty(t, r)

	// The late part begins a new message, with and without a Sweep.
	if _, ok := add(t, r, start.Add(lifetime), "1", parts[2]); ok || r.Len() != 1 {
		t.Error("the late part completes a message that has expired")
	}
	if _, ok := add(t, r, start.Add(3*lifetime), "2", parts[0]); ok || r.Len() != 1 {
		t.Errorf("Add keeps %d parts", r.Len())
	}
}

// For the lifetime after its completion, a message that is sent again with its
// reference is recognised; after that it is a new message.
func TestReassembleAgain(t *testing.T) {
	const lifetime = 5 * time.Minute
	parts := splitOf(t, packetOf(200), 9)
	r := NewReassembler(lifetime, 10)
	all := func(now time.Time) (complete bool) {
		for _, part := range parts {
			if _, ok := add(t, r, now, "1", part); ok {
				complete = true
			}
		}
		return complete
	}
	for _, step := range []struct {
		at       time.Duration
		complete bool
	}{{0, true}, {1, false}, {lifetime - 1, false}, {lifetime, true}} {
		if got := all(start.Add(step.at)); got != step.complete {
			t.Errorf("after %v: complete %t", step.at, got)
		}
	}
}

// References wrap around: a part that differs belongs to another message.
func TestReassembleContradiction(t *testing.T) {
	a, b := packetOf(370), bytes.Repeat([]byte{0xee}, 370)
	pa, pb := splitOf(t, a, 9), splitOf(t, b, 9)
	t.Run("incomplete", func(t *testing.T) {
		r := NewReassembler(time.Minute, 10)
		add(t, r, start, "1", pa[0])
		add(t, r, start, "1", pa[1])
		add(t, r, start, "1", pb[0])
		if r.Len() != 1 {
			t.Errorf("%d parts are waiting", r.Len())
		}
		add(t, r, start, "1", pb[2])
		if m, ok := add(t, r, start, "1", pb[1]); !ok || !bytes.Equal(m.Packet, b) {
			t.Errorf("%t %x", ok, m.Packet)
		}
	})
	t.Run("complete", func(t *testing.T) {
		r := NewReassembler(time.Minute, 10)
		for _, parts := range [][][]byte{pa, pb} {
			var got []byte
			for _, part := range parts {
				if m, ok := add(t, r, start, "1", part); ok {
					got = m.Packet
				}
			}
			if want := map[bool][]byte{true: a, false: b}[&parts[0][0] == &pa[0][0]]; !bytes.Equal(got, want) {
				t.Errorf("%x", got)
			}
		}
	})
	t.Run("totals", func(t *testing.T) {
		two := splitOf(t, packetOf(200), 9)
		r := NewReassembler(time.Minute, 10)
		add(t, r, start, "1", pa[0])
		add(t, r, start, "1", two[0])
		add(t, r, start, "1", pa[1])
		if m, ok := add(t, r, start, "1", two[1]); !ok || !bytes.Equal(m.Packet, packetOf(200)) {
			t.Errorf("of two: %t %x", ok, m.Packet)
		}
		if m, ok := add(t, r, start, "1", pa[2]); !ok || !bytes.Equal(m.Packet, a) {
			t.Errorf("of three: %t %x", ok, m.Packet)
		}
	})
	t.Run("wide and narrow", func(t *testing.T) {
		wide := append(Header{Concat{Ref: 9, Wide: true, Total: 3, Seq: 3}.Element()}.Append(nil), 1, 2, 3)
		r := NewReassembler(time.Minute, 10)
		add(t, r, start, "1", pa[0])
		add(t, r, start, "1", pa[1])
		if _, ok := add(t, r, start, "1", wide); ok {
			t.Error("references of different widths mix")
		}
	})
}

func TestReassembleWide(t *testing.T) {
	r := NewReassembler(time.Minute, 10)
	part := func(seq byte, rest string) []byte {
		h := Header{Concat{Ref: 0xbeef, Wide: true, Total: 2, Seq: seq}.Element()}
		if seq == 1 {
			h = append(h, Element{ID: IEIResponse})
		}
		return append(h.Append(nil), rest...)
	}
	add(t, r, start, "1", part(2, "world"))
	if m, ok := add(t, r, start, "1", part(1, "hello ")); !ok || m.IEI != IEIResponse || string(m.Packet) != "hello world" {
		t.Errorf("%t %+v", ok, m)
	}
}

// When a source is full, its oldest message is dropped, a complete one first; other
// sources lose nothing.
func TestReassembleCap(t *testing.T) {
	r := NewReassembler(time.Minute, 4)
	other := splitOf(t, packetOf(200), 200)
	add(t, r, start, "other", other[0])
	done := splitOf(t, packetOf(200), 1)
	for _, part := range done {
		add(t, r, start, "1", part)
	}
	old := splitOf(t, packetOf(370), 2)
	for _, part := range old[:2] {
		add(t, r, start.Add(time.Second), "1", part)
	}
	if r.sources["1"].parts != 4 {
		t.Fatalf("%d parts of the source", r.sources["1"].parts)
	}
	// Dropping the complete one makes room for two parts.
	for ref := range byte(2) {
		add(t, r, start.Add(2*time.Second), "1", splitOf(t, packetOf(370), 10+ref)[0])
	}
	if r.Len() != 1+4 {
		t.Fatalf("%d parts are waiting", r.Len())
	}
	// Then the oldest is dropped.
	add(t, r, start.Add(3*time.Second), "1", splitOf(t, packetOf(370), 20)[0])
	if _, ok := add(t, r, start.Add(3*time.Second), "1", old[2]); ok {
		t.Error("the oldest message is still there")
	}
	for ref := range 200 {
		add(t, r, start.Add(4*time.Second), "1", splitOf(t, packetOf(370), byte(ref))[ref%3])
		if n := r.sources["1"].parts; n > 4 {
			t.Fatalf("%d parts of the source", n)
		}
	}
	if _, ok := add(t, r, start.Add(5*time.Second), "other", other[1]); !ok {
		t.Error("the other source lost a part")
	}
	if _, _, err := r.Add(start, "1", splitOf(t, packetOf(800), 1)[0]); !errors.Is(err, ErrTooManyParts) {
		t.Errorf("more parts than a source may have: %v", err)
	}
}

// Any number of sources cannot fill the memory.
func TestReassembleBound(t *testing.T) {
	r := NewReassembler(time.Minute, 10)
	r.max = 100
	parts := splitOf(t, packetOf(370), 9)
	for i := range 1000 {
		add(t, r, start, fmt.Sprint(i), parts[i%3])
		if r.held > 100 || len(r.sources) > 100 {
			t.Fatalf("%d parts of %d sources", r.held, len(r.sources))
		}
	}
	add(t, r, start, "999", parts[1])
	if _, ok := add(t, r, start, "999", parts[2]); !ok {
		t.Error("the newest message is not complete")
	}
}

func TestReassembleRefuses(t *testing.T) {
	for name, ud := range map[string][]byte{
		"empty":             {},
		"header too long":   {5, 0, 3},
		"element too long":  {3, 0, 3, 1},
		"half an element":   {1, 0},
		"part 0":            {5, 0, 3, 9, 3, 0},
		"part 4 of 3":       {5, 0, 3, 9, 3, 4},
		"no parts":          {5, 0, 3, 9, 0, 0},
		"wide in 3 octets":  {5, 8, 3, 9, 3, 1},
		"narrow in 4":       {6, 0, 4, 0, 9, 3, 1},
		"more than an SMS":  make([]byte, 161),
		"last element rule": {10, 0, 3, 9, 3, 1, 0, 3, 9, 3, 4},
	} {
		if _, ok, err := NewReassembler(time.Minute, 10).Add(start, "1", ud); ok || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %t, %v", name, ok, err)
		}
	}
}

func TestReassembleConcurrently(t *testing.T) {
	r := NewReassembler(time.Minute, 255)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				packet := packetOf(140 + 10*g + i)
				parts := splitOf(t, packet, byte(i))
				for j, part := range parts {
					m, ok, err := r.Add(start, fmt.Sprint(g), part)
					if err != nil || ok != (j == len(parts)-1) || ok && !bytes.Equal(m.Packet, packet) {
						t.Errorf("source %d, message %d: %t, %v", g, i, ok, err)
					}
				}
				r.Sweep(start)
				r.Len()
			}
		})
	}
	wg.Wait()
	r.Sweep(start.Add(time.Minute))
	checkEmpty(t, r)
}
