package softapp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"net/url"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum/internal/lab/person"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const msisdn = "+41791234567"

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []any `asn1:"set"`
}

// signedAttrs is made apart from internal/cms, which the Apps read with.
func signedAttrs(text string) []byte {
	digest := sha256.Sum256([]byte(text))
	der, err := asn1.MarshalWithParams([]attribute{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}, []any{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}}},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}, []any{digest[:]}},
	}, "set")
	if err != nil {
		panic(err)
	}
	return der
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func authURI(token string) string {
	return "mobileid://auth?mobile_auth_redirect_uri=bank%3A%2F%2Fback&session_token=" + url.QueryEscape(token) + "&user_id=%2B41790000000"
}

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
