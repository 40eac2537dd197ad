package door

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func TestSourceOf(t *testing.T) {
	for a, want := range map[string]string{
		"192.0.2.7": "192.0.2.7/32", "2001:db8::1": "2001:db8::/64", "2001:db8:0:0:ffff::": "2001:db8::/64",
	} {
		if got := sourceOf(netip.MustParseAddr(a)).String(); got != want {
			t.Errorf("%s: %s, want %s", a, got, want)
		}
	}
}

// TestCensus: whatever clients do, the limits hold, a connection of an address makes
// room only for one of its own or for one of an address that has no more, and an
// address below its limit is refused only if nothing is idle.
func TestCensus(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const most, each = 12, 4
		s := newCensus(most, each)
		type guest struct {
			*conn
			addr    int
			vouched bool
		}
		var open []guest
		count := func(addr int) (n int) {
			for _, g := range open {
				if g.addr == addr && !g.vouched {
					n++
				}
			}
			return n
		}
		drop := func(c *conn) (dropped guest) {
			for i, g := range open {
				if g.conn == c {
					open = append(open[:i:i], open[i+1:]...)
					return g
				}
			}
			t.Fatal("a connection made room that is not open")
			return dropped
		}
		t.Repeat(map[string]func(*rapid.T){
			"enter": func(t *rapid.T) {
				g := guest{conn: new(conn), addr: rapid.IntRange(1, 6).Draw(t, "address")}
				own, idle := count(g.addr), false
				for _, o := range open {
					idle = idle || o.home.idle && !o.vouched && (o.addr == g.addr || own < each)
				}
				victim, reason, ok := s.enter(g.conn, netip.AddrFrom4([4]byte{192, 0, 2, byte(g.addr)}), false)
				if victim != nil {
					wide := count(drop(victim).addr) + 1 // with the one that made room
					if reason == ReasonListener && wide < own {
						t.Fatalf("an address with %d connections made room for one with %d", wide, own)
					}
				}
				if ok {
					open = append(open, g)
				}
				if own < each && !ok && (s.count() < most || idle && own == 0) {
					t.Fatalf("refused (%s) with %d of its own and %d in all", reason, own, s.count())
				}
			},
			"exit": func(t *rapid.T) {
				if len(open) > 0 {
					c := open[rapid.IntRange(0, len(open)-1).Draw(t, "which")].conn
					s.exit(c)
					s.exit(c) // a second time changes nothing
					drop(c)
				}
			},
			"request": func(t *rapid.T) {
				if len(open) > 0 {
					s.rest(open[rapid.IntRange(0, len(open)-1).Draw(t, "which")].conn, rapid.Bool().Draw(t, "idle"))
				}
			},
			"vouch": func(t *rapid.T) {
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
					s.vouch(open[i].conn)
					open[i].vouched = true
				}
			},
			"": func(t *rapid.T) {
				if s.count() != len(open) || len(open) > most {
					t.Fatalf("%d are counted, %d are open, of at most %d", s.count(), len(open), most)
				}
				for addr := range 7 {
					if n := count(addr); n > each {
						t.Fatalf("address %d has %d connections", addr, n)
					}
				}
			},
		})
	})
}
