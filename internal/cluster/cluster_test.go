package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/cluster/clustertest"
)

// member is a node of a test.
type member struct {
	*Cluster
	mu    sync.Mutex
	heard []string
	gaps  int
	lost  int
	stop  func()
}

func join(t *testing.T, db *clustertest.Database, name string) *member {
	t.Helper()
	return joinWith(t, db, name, func(*member) {})
}

// joinWith calls before with the node before it runs.
func joinWith(t *testing.T, db *clustertest.Database, name string, before func(*member)) *member {
	t.Helper()
	c, err := New(Config{Store: db, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	m := &member{Cluster: c}
	note := func(f func()) func() {
		return func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			f()
		}
	}
	c.Subscribe("word", func(from, data string) { note(func() { m.heard = append(m.heard, data) })() })
	c.OnGap(note(func() { m.gaps++ }))
	c.OnLost(note(func() { m.lost++ }))
	before(m)
	if err := c.Join(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { c.Run(ctx); close(ended) }()
	m.stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(m.stop)
	return m
}

func (m *member) words() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.heard)
}

func (m *member) counts() (gaps, lost int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.gaps, m.lost
}

func inBubble(t *testing.T, f func(t *testing.T, db *clustertest.Database)) {
	synctest.Test(t, func(t *testing.T) { f(t, clustertest.New()) })
}

func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

func TestNodesSeeEachOtherAtOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a := join(t, db, "a")
		b := join(t, db, "b")
		pass(100 * time.Millisecond)
		if a.Peers() != 1 || b.Peers() != 1 || a.Slot() == b.Slot() || a.ID() == b.ID() || !a.Holds() {
			t.Errorf("peers %d and %d, slots %d and %d", a.Peers(), b.Peers(), a.Slot(), b.Slot())
		}
		_, before := a.counts()
		b.stop()
		if err := b.Leave(t.Context()); err != nil {
			t.Fatal(err)
		}
		pass(100 * time.Millisecond)
		if _, lost := a.counts(); a.Peers() != 0 || lost == before || b.Holds() {
			t.Errorf("a node left: %d peers, told %d times, it holds its lease: %v", a.Peers(), lost-before, b.Holds())
		}
	})
}

func TestDeadNodeIsFenced(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a, b := join(t, db, "a"), join(t, db, "b")
		pass(20 * time.Second)
		_, before := a.counts()
		b.stop() // as if it were killed
		dead := b.ID()
		for began := time.Now(); b.Holds(); pass(100 * time.Millisecond) {
			if db.Fenced(dead) {
				t.Fatal("a node was fenced that still believed in its lease")
			}
			if time.Since(began) > time.Minute {
				t.Fatal("a lease does not end")
			}
		}
		pass(5 * time.Second)
		if _, lost := a.counts(); !db.Fenced(dead) || a.Peers() != 0 || lost == before {
			t.Errorf("fenced: %v, %d peers, told %d times", db.Fenced(dead), a.Peers(), lost-before)
		}
	})
}

// A process that starts in the place of another one shows that this has ended.
func TestRestartTakesItsPlaceOver(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a, b := join(t, db, "a"), join(t, db, "b")
		b.stop()
		again := join(t, db, "b")
		if !db.Fenced(b.ID()) || db.Fenced(again.ID()) || db.Fenced(a.ID()) {
			t.Error("the node before was not fenced, or another one was")
		}
	})
}

func TestPausedNodeJoinsAgain(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a := join(t, db, "a")
		was := a.ID()
		if err := db.Leave(t.Context(), was); err != nil { // as others fence it
			t.Fatal(err)
		}
		_, before := a.counts()
		pass(5 * time.Second)
		if _, lost := a.counts(); a.ID() == was || !a.Holds() || lost == before || a.Metrics().Fenced != 1 {
			t.Errorf("id %q was %q, holds %v, told %d times, %+v", a.ID(), was, a.Holds(), lost-before, a.Metrics())
		}
	})
}

// After an outage of the database, the first node that reaches it must not take the
// others for dead.
func TestOutageKillsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a, b := join(t, db, "a"), join(t, db, "b")
		pass(20 * time.Second)
		ids := []string{a.ID(), b.ID()}
		db.Fail(errors.New("no database"))
		pass(time.Minute)
		if a.Holds() || b.Holds() || a.Listening() {
			t.Error("a node holds its lease without a database, or hears")
		}
		db.Fail(nil)
		pass(30 * time.Second)
		if !slices.Equal(ids, []string{a.ID(), b.ID()}) || !a.Holds() || !b.Holds() || a.Metrics().Fenced+b.Metrics().Fenced > 0 {
			t.Errorf("ids %q were %q; %+v", []string{a.ID(), b.ID()}, ids, a.Metrics())
		}
		if !a.Listening() {
			t.Error("a node does not listen again")
		}
	})
}

func TestNotices(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a := join(t, db, "a")
		a.Publish("word", "to nobody")
		b := join(t, db, "b")
		pass(100 * time.Millisecond)
		var want []string
		for i := range 1000 {
			want = append(want, fmt.Sprintf("%d %s", i, strings.Repeat("x", i%900)))
			a.Publish("word", want[i])
		}
		a.Publish("other", "not subscribed")
		before := a.Metrics().Commits
		pass(100 * time.Millisecond)
		if got := b.words(); !slices.Equal(got, want) {
			t.Errorf("%d notices, want %d", len(got), len(want))
		}
		if m := a.Metrics(); m.Commits-before > 3 {
			t.Errorf("%d commits for 1,001 notices that came at once", m.Commits-before)
		}
		if got := a.words(); len(got) > 0 {
			t.Errorf("a node hears its own notices: %q", got)
		}
		a.Publish("word", strings.Repeat("x", MaxData+1))
		a.Publish("word", "a\nb")
		a.Publish("wo rd", "")
		pass(100 * time.Millisecond)
		if got := b.words(); len(got) > len(want) {
			t.Errorf("notices of a wrong form: %q", got[len(want):])
		}
	})
}

func TestGaps(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a, b := join(t, db, "a"), join(t, db, "b")
		pass(100 * time.Millisecond)
		before, _ := b.counts()
		db.BreakListeners()
		pass(time.Second)
		if gaps, _ := b.counts(); gaps != before+1 {
			t.Errorf("%d gaps after a lost connection", gaps-before)
		}
		before, _ = b.counts()
		a.out.add(notice{topic: topicGap})
		pass(time.Second)
		if gaps, _ := b.counts(); gaps != before+1 {
			t.Errorf("%d gaps after too many notices", gaps-before)
		}
		before, _ = b.counts()
		db.LoseNotices(errors.New("no connection"))
		a.Publish("word", "lost")
		pass(10 * time.Second)
		db.LoseNotices(nil)
		pass(2 * afterLoss)
		if gaps, _ := b.counts(); gaps != before+1 {
			t.Errorf("%d gaps after a notice could not be sent", gaps-before)
		}
	})
	o := newOutbox()
	for range maxWaiting + 1 {
		o.add(notice{topic: "word"})
	}
	if list := o.take(); len(list) != 2 || list[0].topic != topicGap || list[1].topic != "word" {
		t.Errorf("%d notices wait: %v …", len(list), list[:2])
	}
}

func TestLeases(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		a, b := join(t, db, "a"), join(t, db, "b")
		take := func(m *member, want bool) {
			t.Helper()
			if got, err := m.Lease(t.Context(), "crl", time.Minute); err != nil || got != want {
				t.Errorf("lease: %v, %v; want %v", got, err, want)
			}
		}
		take(a, true)
		take(b, false)
		take(a, true)
		pass(time.Minute + time.Second)
		take(b, true)
		take(a, false)
	})
}

func TestAlone(t *testing.T) {
	var c *Cluster
	c.Subscribe("word", nil)
	c.OnGap(nil)
	c.OnLost(nil)
	c.Publish("word", "")
	held, err := c.Lease(t.Context(), "crl", time.Minute)
	if c.Peers() != 0 || c.ID() != "" || c.Slot() != 0 || !c.Holds() || !held || err != nil || c.Listening() || c.Others() != nil || c.Metrics().Nodes != 1 ||
		time.Since(c.Now()).Abs() > time.Minute || c.Leave(t.Context()) != nil {
		t.Error("a node alone is not alone")
	}
}

func TestConfig(t *testing.T) {
	for _, c := range []Config{{}, {Store: clustertest.New()}, {Name: "a"}, {Store: clustertest.New(), Name: "a", DeadAfter: 5 * time.Second}} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
}

func TestClockOfTheDatabase(t *testing.T) {
	inBubble(t, func(t *testing.T, db *clustertest.Database) {
		db.SetAhead(3 * time.Second)
		a := join(t, db, "a")
		check := func(want time.Duration) {
			t.Helper()
			if got := time.Until(a.Now()); got != want || a.Metrics().Offset != -want {
				t.Errorf("the database is %s ahead, or %s; want %s", got, -a.Metrics().Offset, want)
			}
		}
		check(3 * time.Second)
		pass(time.Minute)
		check(3 * time.Second)
		db.SetAhead(-time.Hour)
		pass(5 * time.Second)
		check(-time.Hour)
	})
}

// A beat tells the time only within the bounds of when it began and ended.
func TestClockBounds(t *testing.T) {
	began := time.Now()
	said := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	var c clock
	if c.at(began).Sub(began).Abs() > time.Minute {
		t.Error("the clock of an unknown database is not that of the machine")
	}
	learn := func(after, took time.Duration, what time.Duration, want time.Duration) {
		t.Helper()
		start := began.Add(after)
		c.learn(start, start.Add(took), said.Add(after+what))
		if got := c.at(began.Add(after + took)).Sub(said.Add(after + took)); got != want {
			t.Errorf("after %s: off by %s, want %s", after, got, want)
		}
	}
	learn(0, 2*time.Millisecond, time.Millisecond, 0)                    // in the middle
	learn(2*time.Second, 4*time.Second, time.Millisecond, 0)             // slow, and consistent
	learn(8*time.Second, 2*time.Millisecond, 5*time.Millisecond, 3e6)    // it is ahead by 3 ms at least
	learn(10*time.Second, 2*time.Millisecond, time.Minute, 60e9-2*1e6)   // it was set
	learn(12*time.Second, 2*time.Millisecond, -time.Hour, -3600*1e9)     // and again
	learn(14*time.Second, 10*time.Second, time.Second-time.Hour, -36e11) // slow again
}

func FuzzUnpack(f *testing.F) {
	f.Add(pack("n-1", []notice{{"ended", "h1 SIM"}, {"word", ""}})[0])
	f.Add("")
	f.Add("\n \n x\nword \n")
	f.Fuzz(func(t *testing.T, payload string) {
		from, list := unpack(payload)
		for _, n := range list {
			if n.topic == "" || strings.ContainsAny(n.topic, " \n") || strings.Contains(n.data, "\n") {
				t.Errorf("%q", n)
			}
		}
		if len(list) == 0 || len(payload) > maxPayload || strings.Contains(from, "\n") {
			return
		}
		again, same := unpack(pack(from, list)[0])
		if again != from || !slices.Equal(same, list) {
			t.Errorf("%q %q becomes %q %q", from, list, again, same)
		}
	})
}
