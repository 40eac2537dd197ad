package phonetest_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/cms"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	anna = "+41791000001"
	text = "Example: log in?"
)

// engine takes what phones answer, and what they report before.
type engine struct {
	mu      sync.Mutex
	answers []mssp.DeviceAnswer
	reports []string
	refuses error
}

func (e *engine) Answer(_ context.Context, a mssp.DeviceAnswer) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.refuses != nil {
		return e.refuses
	}
	e.answers = append(e.answers, a)
	return nil
}

func (e *engine) report(what string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.reports = append(e.reports, what)
}

// took waits until all phones are idle, and returns what they answered since the
// last call.
func (e *engine) took() []mssp.DeviceAnswer {
	synctest.Wait()
	e.mu.Lock()
	defer e.mu.Unlock()
	got := e.answers
	e.answers = nil
	return got
}

// setup is a SIM and an App of one user. It must be called in a synctest bubble.
func setup(t *testing.T) (*phonetest.Phones, *engine) {
	t.Helper()
	e := new(engine)
	p := phonetest.New(phonetest.Config{
		Shown:     func(r mssp.DeviceRequest) { e.report("shown " + r.TransID) },
		Activated: func(id string) { e.report("activated " + id) },
		Text:      func(m mssp.TextMessage) { e.report("text " + m.MSISDN) },
	})
	p.Connect(e)
	add(t, p, phonetest.Spec{ID: "sim", MSISDN: anna, Method: signum.SIM})
	add(t, p, phonetest.Spec{ID: "app", MSISDN: anna, Method: signum.App})
	return p, e
}

func add(t *testing.T, p *phonetest.Phones, s phonetest.Spec) *phonetest.Device {
	t.Helper()
	d, err := p.Add(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// request is one that the engine would send, for 80 seconds.
func request(op mssp.DeviceOp, id string, m signum.Method, changes ...func(*mssp.DeviceRequest)) mssp.DeviceRequest {
	now := time.Now()
	r := mssp.DeviceRequest{
		Op: op, TransID: id, MSISDN: anna, DeviceID: "sim", Method: m, Lang: "en",
		MimeType: signum.MimeText, Text: text, Created: now, Expires: now.Add(80 * time.Second),
	}
	if m == signum.App {
		r.DeviceID = "app"
	}
	if op == mssp.OpSign {
		r.SignedAttrs = cms.RebuildAttributes([]byte(text), now, [sha256.Size]byte{})
	}
	for _, c := range changes {
		c(&r)
	}
	return r
}

func send(t *testing.T, p *phonetest.Phones, r mssp.DeviceRequest) {
	t.Helper()
	if err := p.Send(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// one is the only answer.
func one(t *testing.T, e *engine) mssp.DeviceAnswer {
	t.Helper()
	got := e.took()
	if len(got) != 1 {
		t.Fatalf("%d answers, want 1: %+v", len(got), got)
	}
	return got[0]
}

func code(a mssp.DeviceAnswer) signum.Code {
	if a.Fault == nil {
		return 0
	}
	return a.Fault.Code
}

// verifies reports whether a signature is of the message, by the key.
func verifies(key crypto.PublicKey, message, signature []byte) bool {
	sum := sha256.Sum256(message)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		return ecdsa.VerifyASN1(key, sum[:], signature)
	case *rsa.PublicKey:
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

func unreachable(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, mssp.ErrUnreachable) {
		t.Errorf("got %v, want %v", err, mssp.ErrUnreachable)
	}
}

func withdrawal(device, id string) mssp.Withdrawal {
	return mssp.Withdrawal{TransID: id, MSISDN: anna, DeviceID: device, Reason: mssp.EndWithdrawn}
}
