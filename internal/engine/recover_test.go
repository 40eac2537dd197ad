package engine

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// slowTexts sends a text only when the test lets it.
type slowTexts struct {
	sent atomic.Int32
	let  chan struct{}
}

func (s *slowTexts) SendText(context.Context, mssp.TextMessage) error {
	s.sent.Add(1)
	<-s.let
	return nil
}

// slowStore lets something happen after recovery has read what is outstanding.
type slowStore struct {
	mssp.Store
	meanwhile func()
}

func (s *slowStore) OutstandingTransactions(ctx context.Context, now time.Time, after string, limit int) ([]*mssp.Transaction, error) {
	ts, err := s.Store.OutstandingTransactions(ctx, now, after, limit)
	s.meanwhile()
	return ts, err
}

// TestRecoveryOfTexts: a node serves while it recovers. It must not mistake a
// new request for one that an earlier run left behind: a one-time password that
// is on its way must not be sent again.
func TestRecoveryOfTexts(t *testing.T) {
	t.Parallel()
	onStores(t, func(t *testing.T, url string) {
		w := newWorld(t, url, nil)
		for _, ends := range []bool{false, true} { // the sending, while recovery looks
			texts := &slowTexts{let: make(chan struct{})}
			st := &slowStore{Store: w.store, meanwhile: func() {}}
			e, err := New(Config{Store: st, Chains: w.ca, Clock: w.clock, Channels: map[signum.Method]mssp.Channel{signum.SIM: w.phones}, Texts: texts, ServiceName: "Signum", MSSPURI: "mid://test"})
			if err != nil {
				t.Fatal(err)
			}
			signed, recovered := make(chan error, 1), make(chan error, 1)
			go func() {
				_, err := e.Sign(context.Background(), &mssp.Caller{Pin: testPin}, w.request(&mssp.Subscriber{MSISDN: "+41791234567"}, profile(signum.ProfileOTPText), async))
				signed <- err
			}()
			for texts.sent.Load() == 0 {
				time.Sleep(time.Millisecond)
			}
			if ends {
				st.meanwhile = func() {
					close(texts.let)
					if err := <-signed; err != nil {
						t.Error(err)
					}
				}
			}
			go func() { recovered <- e.recover(context.Background()) }()
			if !ends {
				for deadline := time.Now().Add(200 * time.Millisecond); time.Now().Before(deadline) && texts.sent.Load() < 2 && len(recovered) == 0; {
					time.Sleep(time.Millisecond)
				}
				close(texts.let)
				if err := <-signed; err != nil {
					t.Error(err)
				}
			}
			if err := <-recovered; err != nil {
				t.Error(err)
			}
			if n := texts.sent.Load(); n != 1 {
				t.Errorf("ended meanwhile %v: the text was sent %d times", ends, n)
			}
		}
	})
}
