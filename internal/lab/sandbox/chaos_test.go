package sandbox

import (
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
)

// TestBadNetwork: 1,000 signatures by Apps whose connections are all cut in the middle of a
// transfer. Each request is shown exactly once, and none is lost.
func TestBadNetwork(t *testing.T) {
	t.Parallel()
	const users, each = 100, 10
	f := newFixture(t)
	network := newBadNetwork(t, strings.TrimPrefix(f.WebURL(), "http://localhost"))
	var mu sync.Mutex
	shown := make(map[string]int)
	apps, err := softapp.New(softapp.Config{
		Base: "http://" + network.Addr().String() + softapp.Path, FastKDF: true,
		Observe: func(e person.Event) {
			if e.Kind == person.Shown {
				mu.Lock()
				defer mu.Unlock()
				shown[e.TransID]++
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	go func() { running <- apps.Run(t.Context()) }()
	t.Cleanup(func() {
		apps.Close()
		if err := <-running; err != nil {
			t.Error(err)
		}
	})
	var done sync.Map
	g, ctx := errgroup.WithContext(t.Context())
	for u := range users {
		msisdn := fmt.Sprintf("+4179%07d", 6000000+u)
		i, err := f.Invite(ctx, msisdn)
		if err != nil {
			t.Fatal(err)
		}
		g.Go(func() error {
			if _, err := apps.Enrol(ctx, i.Code, softapp.EnrolOptions{}); err != nil {
				return err
			}
			for range each {
				resp, err := f.clients["rest"].Sign(ctx, client.SignRequest{
					MSISDN: msisdn, Text: DTBDPrefix + "Hello", Lang: "en", Profile: signum.ProfileDevice,
					Timeout: 300 * time.Second, // a slow machine loses nothing
				})
				if err != nil {
					return err
				}
				done.Store(resp.TransID, true)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	n := 0
	for range done.Range {
		n++
	}
	if n != users*each || len(shown) != n {
		t.Errorf("%d signatures, %d requests shown, want %d", n, len(shown), users*each)
	}
	for id, times := range shown {
		if _, ok := done.Load(id); !ok || times != 1 {
			t.Errorf("%s: shown %d times, signed: %v", id, times, ok)
		}
	}
	if network.cuts.Load() < users {
		t.Errorf("only %d connections were cut", network.cuts.Load())
	}
	t.Logf("%d connections were cut", network.cuts.Load())
}

// badNetwork forwards bytes, and cuts each connection after some of them. It also cuts some
// connections after a time, even idle ones. It does not do so with all connections, because
// nothing would get through on a slow machine.
type badNetwork struct {
	net.Listener
	target string
	cuts   atomic.Int64
	conns  sync.WaitGroup
}

func newBadNetwork(t *testing.T, port string) *badNetwork {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n := &badNetwork{Listener: l, target: "127.0.0.1" + port}
	n.conns.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n.conns.Go(func() { n.carry(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		n.conns.Wait()
	})
	return n
}

func (n *badNetwork) carry(phone net.Conn) {
	defer phone.Close()
	service, err := net.Dial("tcp", n.target)
	if err != nil {
		return
	}
	defer service.Close()
	cut := sync.OnceFunc(func() {
		n.cuts.Add(1)
		phone.Close()
		service.Close()
	})
	if rand.IntN(10) == 0 {
		defer time.AfterFunc(time.Duration(20+rand.IntN(1500))*time.Millisecond, cut).Stop()
	}
	left := new(atomic.Int64)
	left.Store(100 + rand.Int64N(30_000))
	var both sync.WaitGroup
	both.Go(func() { pass(service, phone, left, cut); service.Close() })
	pass(phone, service, left, cut)
	phone.Close()
	both.Wait()
}

// pass copies bytes until the end, or until none are left of the connection's allowance.
func pass(to io.Writer, from io.Reader, left *atomic.Int64, cut func()) {
	buf := make([]byte, 4096)
	for {
		n, err := from.Read(buf)
		if over := -left.Add(-int64(n)); over > 0 {
			to.Write(buf[:max(int64(n)-over, 0)])
			cut()
			return
		}
		if _, werr := to.Write(buf[:n]); err != nil || werr != nil {
			return
		}
	}
}
