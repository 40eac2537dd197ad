package handset_test

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/lab/person"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rsaKey is made once: none of these tests is one of key generation.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const msisdn = "+41791234567"

// diary keeps events.
type diary struct {
	mu     sync.Mutex
	events []person.Event
	also   func(person.Event) // if not nil
}

func (d *diary) note(e person.Event) {
	if d.also != nil {
		defer d.also(e)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) all() []person.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]person.Event(nil), d.events...)
}

func (d *diary) kinds() []person.Kind {
	var all []person.Kind
	for _, e := range d.all() {
		all = append(all, e.Kind)
	}
	return all
}
