package worlds

import (
	"crypto/rand"
	"crypto/rsa"
	"log/slog"
	"sync"

	"github.com/signum-mssp/signum/internal/event"
)

// stock has RSA keys for cards. Making one takes about as long as ten signatures of a user, so
// it makes the next one ahead, and takes back those of worlds that were dropped: no two
// worlds have the same key at the same time.
type stock struct {
	log *slog.Logger

	mu     sync.Mutex
	keys   []*rsa.PrivateKey
	making bool
	closed bool
	work   sync.WaitGroup
}

// ahead is how many keys are made before they are needed.
const ahead = 2

func newStock(log *slog.Logger) *stock { return &stock{log: log} }

// take returns a key that nobody has.
func (s *stock) take() (*rsa.PrivateKey, error) {
	s.mu.Lock()
	var key *rsa.PrivateKey
	if n := len(s.keys); n > 0 {
		key = s.keys[n-1]
		s.keys = s.keys[:n-1]
	}
	s.refill()
	s.mu.Unlock()
	if key != nil {
		return key, nil
	}
	return rsa.GenerateKey(rand.Reader, 2048)
}

// giveBack returns keys that nobody uses any more.
func (s *stock) giveBack(keys []*rsa.PrivateKey) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append(s.keys, keys...)
}

// refill makes keys until there are enough. The lock must be held.
func (s *stock) refill() {
	if s.making || s.closed || len(s.keys) >= ahead {
		return
	}
	s.making = true
	s.work.Go(func() {
		defer event.Rescue(s.log, "stock of RSA keys")
		for {
			key, err := rsa.GenerateKey(rand.Reader, 2048)
			s.mu.Lock()
			if err == nil {
				s.keys = append(s.keys, key)
			}
			if err != nil || s.closed || len(s.keys) >= ahead {
				s.making = false
				s.mu.Unlock()
				return
			}
			s.mu.Unlock()
		}
	})
}

func (s *stock) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.work.Wait()
}
