package group

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum/internal/smpp"
)

// change makes another list that of the group.
func change(t *testing.T, g *Group, list ...SMSC) {
	t.Helper()
	c, err := g.Change(list)
	if err != nil {
		t.Fatal(err)
	}
	c.Apply()
	synctest.Wait()
}

// serve starts SMSCs that are in no group yet. After that, the function stops them.
func serve(peers ...*peer) func() {
	for _, p := range peers {
		p.serve()
	}
	return func() {
		for _, p := range peers {
			close(p.conns)
			p.server.Close()
		}
	}
}

func sends(t *testing.T, g *Group, want string) {
	t.Helper()
	if by, err := text(within(t, time.Minute), g, "hello"); by != want || err != nil {
		t.Errorf("a message went by %s, %v, want %s", by, err, want)
	}
}

// TestChangeConnection: the SMSC of the list before gets messages until the new one is
// bound, and is unbound then.
func TestChangeConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &peer{name: "a", weight: 1}, &peer{name: "a", weight: 1, away: true}
		defer serve(fresh)()
		g, stop := start(t, old)
		defer stop()
		sends(t, g, "a")
		change(t, g, fresh.smsc("other"))
		sends(t, g, "a")
		if n := len(old.took()); n != 2 {
			t.Errorf("the old one took %d messages, want 2", n)
		}
		fresh.comeBack()
		time.Sleep(2 * time.Second) // its next try
		synctest.Wait()
		sends(t, g, "a")
		if n := len(fresh.took()); n != 1 {
			t.Errorf("the new one took %d messages, want 1", n)
		}
		if n := len(old.server.Sessions()); n != 0 {
			t.Errorf("the old one has %d sessions", n)
		}
		if s := g.Stats(); len(s) != 1 || s[0].Taken != 3 || s[0].Bound.Total() != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestChangeNeverBound: an SMSC that admits a second bind only when the first has ended
// must not keep the list before in use.
func TestChangeNeverBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &peer{name: "a", weight: 1}, &peer{name: "a", weight: 1, away: true}
		defer serve(fresh)()
		g, stop := start(t, old)
		defer stop()
		change(t, g, fresh.smsc("other"))
		time.Sleep(bindTime - time.Second)
		if n := len(old.server.Sessions()); n != 1 {
			t.Errorf("before the time is up the old one has %d sessions", n)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(old.server.Sessions()); n != 0 {
			t.Errorf("the old one has %d sessions", n)
		}
	})
}

// TestChangeOnTheWay: a message that has begun keeps its SMSC, although others are used
// for new ones.
func TestChangeOnTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &peer{name: "a", weight: 1}, &peer{name: "b", weight: 1}
		defer serve(fresh)()
		g, stop := start(t, old)
		defer stop()
		next, done := make(chan struct{}), make(chan error)
		go func() {
			done <- g.Send(context.Background(), func(r *Route) error {
				for _, part := range []string{"one", "two"} {
					if _, err := r.Submit(context.Background(), &smpp.SubmitSM{Dest: r.Style.Dest("41791234567"), ShortMessage: []byte(part)}); err != nil {
						return err
					}
					<-next
				}
				return nil
			})
		}()
		synctest.Wait()
		change(t, g, fresh.smsc(nil))
		sends(t, g, "b")
		next <- struct{}{}
		next <- struct{}{}
		if err := <-done; err != nil || len(old.took()) != 2 {
			t.Errorf("%v; the old one took %v", err, old.took())
		}
		synctest.Wait()
		if n := len(old.server.Sessions()); n != 0 {
			t.Errorf("the old one has %d sessions", n)
		}
	})
}

// TestChangeHangs: a message that does not end delays the end of its SMSC for a while
// only.
func TestChangeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		old, fresh := &peer{name: "a", weight: 1}, &peer{name: "b", weight: 1}
		defer serve(fresh)()
		g, stop := start(t, old)
		defer stop()
		hang := make(chan struct{})
		done := make(chan error)
		go func() {
			done <- g.Send(context.Background(), func(*Route) error {
				<-hang
				return nil
			})
		}()
		synctest.Wait()
		change(t, g, fresh.smsc(nil))
		time.Sleep(finishTime + time.Second)
		synctest.Wait()
		if n := len(old.server.Sessions()); n != 0 {
			t.Errorf("the old one has %d sessions", n)
		}
		close(hang)
		<-done
	})
}

// TestChangeWeights: what does not concern the connection keeps the sessions.
func TestChangeWeights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := &peer{name: "a", weight: 1}, &peer{name: "b"}
		g, stop := start(t, a, b)
		defer stop()
		sends(t, g, "a")
		before := a.server.Sessions()[0]
		a.weight, b.weight, b.style.ServiceType = 0, 1, "MID"
		change(t, g, a.smsc(nil), b.smsc(nil))
		sends(t, g, "b")
		if now := a.server.Sessions(); len(now) != 1 || now[0] != before {
			t.Errorf("its sessions are others now: %v", now)
		}
		if s := g.members[1].style.ServiceType; s != "MID" {
			t.Errorf("service type %q", s)
		}
		change(t, g, b.smsc(nil))
		if n := len(a.server.Sessions()); n != 0 {
			t.Errorf("an SMSC that is no longer in the list has %d sessions", n)
		}
		if n := g.Bound(); n != 1 {
			t.Errorf("%d sessions are bound", n)
		}
	})
}

// TestChangeTwice: a list that is replaced while its SMSCs bind.
func TestChangeTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, c := &peer{name: "a", weight: 1}, &peer{name: "b", weight: 1, away: true}, &peer{name: "c", weight: 1}
		defer serve(b, c)()
		g, stop := start(t, a)
		defer stop()
		change(t, g, b.smsc(nil))
		change(t, g, c.smsc(nil))
		time.Sleep(bindTime + time.Second)
		synctest.Wait()
		sends(t, g, "c")
		if a, b, c := len(a.server.Sessions()), len(b.server.Sessions()), len(c.server.Sessions()); a != 0 || b != 0 || c != 1 {
			t.Errorf("sessions: a %d, b %d, c %d", a, b, c)
		}
	})
}

// TestChangeRefused: a list that cannot be used changes nothing.
func TestChangeRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &peer{name: "a", weight: 1}
		g, stop := start(t, a)
		defer stop()
		bad := a.smsc("other")
		bad.Client.SystemID = "longer than fifteen characters"
		for name, list := range map[string][]SMSC{"none": nil, "bad": {bad}} {
			if _, err := g.Change(list); err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		sends(t, g, "a")
	})
}
