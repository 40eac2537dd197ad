package handset_test

import (
	"crypto/rand"
	"crypto/rsa"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rsaKey is generated once: none of these tests is about key generation.
var rsaKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

const msisdn = "+41791234567"

// diary records the events of the phones.
type diary struct{ testkit.Events[person.Event] }

func (d *diary) kinds() []person.Kind {
	var all []person.Kind
	for _, e := range d.All() {
		all = append(all, e.Kind)
	}
	return all
}
