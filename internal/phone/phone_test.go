package phone_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/asn1"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// rsaKey is made once: a test of a behaviour is not one of key generation.
var rsaKey *rsa.PrivateKey

func TestMain(m *testing.M) {
	var err error
	if rsaKey, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

const msisdn = "+41791234567"

type attribute struct {
	Type   asn1.ObjectIdentifier
	Values []any `asn1:"set"`
}

// signedAttrs is made apart from internal/cms, which the devices read with.
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

// request is one to a device, valid for a minute.
func request(d *phone.Device, transID, text string) mssp.DeviceRequest {
	return mssp.DeviceRequest{
		TransID: transID, MSISDN: d.MSISDN(), DeviceID: d.ID(), Method: d.Method(), Lang: "de",
		MimeType: signum.MimeText, Text: text, SignedAttrs: signedAttrs(text),
		KeyType: d.KeyType(), Expires: time.Now().Add(time.Minute),
	}
}

// activation and receipt are requests of the same transaction.
func activation(d *phone.Device, transID string) mssp.DeviceRequest {
	r := request(d, transID, "Activate?")
	r.Op, r.SignedAttrs = mssp.OpActivate, nil
	return r
}

func receipt(d *phone.Device, transID, text string) mssp.DeviceRequest {
	r := request(d, transID, text)
	r.Op, r.SignedAttrs, r.KeyType = mssp.OpDisplay, nil, ""
	r.Expires = time.Now().Add(signum.ReceiptWait)
	return r
}

// calledBy lets an app with this token call the one that signs.
func calledBy(r mssp.DeviceRequest, token string) mssp.DeviceRequest {
	r.App2App = &mssp.App2App{TokenHash: fmt.Sprintf("%x", sha256.Sum256([]byte(token))), RedirectURI: "bank://back/" + token}
	return r
}

func newECKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func verify(t testing.TB, d *phone.Device, attrs, signature []byte) bool {
	t.Helper()
	sum := sha256.Sum256(attrs)
	switch k := d.PublicKey().(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(k, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(k, crypto.SHA256, sum[:], signature) == nil
	default:
		t.Fatalf("public key of type %T", k)
		return false
	}
}

// countingKeys counts the signatures of all its keys.
type countingKeys struct {
	*phone.MemoryKeys
	mu   sync.Mutex
	made int
}

func newCountingKeys() *countingKeys { return &countingKeys{MemoryKeys: phone.NewMemoryKeys()} }

func (k *countingKeys) Key(id string) (crypto.Signer, error) {
	key, err := k.MemoryKeys.Key(id)
	return countedKey{key, k}, err
}

func (k *countingKeys) signatures() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.made
}

type countedKey struct {
	crypto.Signer
	k *countingKeys
}

func (c countedKey) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	c.k.mu.Lock()
	c.k.made++
	c.k.mu.Unlock()
	return c.Signer.Sign(r, digest, o)
}

// Decrypt is that of an RSA key; a device asks no other.
func (c countedKey) Decrypt(r io.Reader, text []byte, o crypto.DecrypterOpts) ([]byte, error) {
	return c.Signer.(crypto.Decrypter).Decrypt(r, text, o)
}

// withKey gives a device its key before it is added, so that it is counted and
// need not be generated.
func (k *countingKeys) withKey(t testing.TB, id string, kt signum.KeyType) {
	t.Helper()
	var key crypto.Signer = rsaKey
	if kt != signum.RSA {
		key = newECKey(t)
	}
	if err := k.PutKey(id, key); err != nil {
		t.Fatal(err)
	}
}

// answers takes answers and notes when they came.
type answers struct {
	mu       sync.Mutex
	answers  []mssp.DeviceAnswer
	times    []time.Time
	refuse   int // this many answers
	deadline []time.Time
}

func (m *answers) Answer(ctx context.Context, a mssp.DeviceAnswer) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	end, _ := ctx.Deadline()
	m.deadline = append(m.deadline, end)
	if m.refuse > 0 {
		m.refuse--
		return fmt.Errorf("the store is down")
	}
	m.answers = append(m.answers, a)
	m.times = append(m.times, time.Now())
	return nil
}

func (m *answers) got() []mssp.DeviceAnswer {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]mssp.DeviceAnswer(nil), m.answers...)
}

// only is the one answer there is.
func (m *answers) only(t testing.TB) mssp.DeviceAnswer {
	t.Helper()
	got := m.got()
	if len(got) != 1 {
		t.Fatalf("%d answers: %+v; want one", len(got), got)
	}
	return got[0]
}

// diary keeps events.
type diary struct {
	mu     sync.Mutex
	events []phone.Event
	also   func(phone.Event) // if not nil
}

func (d *diary) note(e phone.Event) {
	if d.also != nil {
		defer d.also(e)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, e)
}

func (d *diary) all() []phone.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]phone.Event(nil), d.events...)
}

func (d *diary) kinds() []phone.Kind {
	var all []phone.Kind
	for _, e := range d.all() {
		all = append(all, e.Kind)
	}
	return all
}

// lab is a network with one subscriber who has a SIM and an app.
type lab struct {
	*phone.Network
	keys     *countingKeys
	mssp     *answers
	diary    *diary
	sim, app *phone.Device
}

func (l *lab) device(m signum.Method) *phone.Device {
	if m == signum.App {
		return l.app
	}
	return l.sim
}

func newLab(t testing.TB, kt signum.KeyType, delay time.Duration) *lab {
	t.Helper()
	l := &lab{keys: newCountingKeys(), mssp: &answers{}, diary: &diary{}}
	l.Network = phone.New(phone.Config{Delay: delay, Keys: l.keys, Observe: l.diary.note})
	l.Connect(l.mssp)
	t.Cleanup(l.Close)
	for _, id := range []string{"sim", "app"} {
		l.keys.withKey(t, id, kt)
	}
	l.sim = l.add(t, phone.DeviceSpec{ID: "sim", MSISDN: msisdn, Method: signum.SIM, KeyType: kt})
	l.app = l.add(t, phone.DeviceSpec{ID: "app", MSISDN: msisdn, Method: signum.App, KeyType: kt, PIN: "pass phrase"})
	return l
}

func (l *lab) add(t testing.TB, s phone.DeviceSpec) *phone.Device {
	t.Helper()
	d, err := l.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (l *lab) send(t testing.TB, r mssp.DeviceRequest) {
	t.Helper()
	if err := l.Send(t.Context(), r); err != nil {
		t.Fatalf("Send: %v", err)
	}
}

func (l *lab) behave(t testing.TB, b phone.Behaviour, m ...signum.Method) {
	t.Helper()
	if err := l.Behave(msisdn, b, m...); err != nil {
		t.Fatal(err)
	}
}

func code(a mssp.DeviceAnswer) signum.Code {
	if a.Fault == nil {
		return 0
	}
	return a.Fault.Code
}
