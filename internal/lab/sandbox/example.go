package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/phone"
)

// Teller tells a person what happens, step by step: what the application
// provider (AP), the provider (MSSP) and the phone do.
type Teller struct {
	mu    sync.Mutex
	out   io.Writer
	start time.Time
	on    bool
}

// NewTeller writes to out, while an example runs.
func NewTeller(out io.Writer) *Teller { return &Teller{out: out} }

// Phone is a phone.Config's Observe.
func (t *Teller) Phone(e phone.Event) {
	who := fmt.Sprintf("phone %s", e.Method)
	switch e.Kind {
	case phone.Text:
		t.text(e)
	case phone.Shown:
		t.step(who, "%s shows %q", e.MSISDN, e.Text)
	case phone.PINRight:
		t.step(who, "the text is what is to be signed; PIN entered")
	case phone.Signed:
		t.step(who, "signed with its own key")
	default:
		t.step(who, "%s %s", e.Kind, e.Reason)
	}
}

// text shows a text message, also when no example runs: there is no other
// phone on which to read it.
func (t *Teller) text(e phone.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	fmt.Fprintf(t.out, "text message to %s: %q\n", e.MSISDN, e.Text)
}

func (t *Teller) step(who, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.on {
		fmt.Fprintf(t.out, "  %4d ms  %-9s  %s\n", time.Since(t.start).Milliseconds(), who, fmt.Sprintf(format, args...))
	}
}

func (t *Teller) begin(title string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on, t.start = true, time.Now()
	fmt.Fprintf(t.out, "\n%s\n", title)
}

func (t *Teller) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.on = false
}

const pollInterval = 100 * time.Millisecond

// Example asks the served sandbox for two signatures, as a party would with
// the files of the directory: a synchronous one over REST and an asynchronous
// one over SOAP. It returns nil only if both verify.
func (b *Sandbox) Example(ctx context.Context, t *Teller) error {
	box, err := client.LoadSandbox(b.Dir)
	if err != nil {
		return err
	}
	sim, app := b.approver(signum.SIM), b.approver(signum.App)
	if sim == "" || app == "" {
		return errors.New("example: no user is left who approves, with a SIM and with an App")
	}
	t.begin("Example 1: synchronous over REST, signed by a SIM")
	err = b.example(ctx, t, box, false, client.SignRequest{
		MSISDN: sim, Text: DTBDPrefix + "Log in to example.com?", Lang: "en", Profile: signum.ProfileSTK,
	})
	if err == nil {
		t.begin("Example 2: asynchronous over SOAP, signed by an App")
		err = b.example(ctx, t, box, true, client.SignRequest{
			MSISDN: app, Text: DTBDPrefix + "Pay 12.50 € to Bäckerei Zürich?", Lang: "de", Async: true, Profile: signum.ProfileDevice,
		})
	}
	t.end()
	return err
}

// approver is the first user with the method whose behaviour nobody has set.
func (b *Sandbox) approver(m signum.Method) string {
	for _, u := range b.Info.Users {
		if _, set := b.behaviours[u.MSISDN]; !set && slices.Contains(u.Methods, m) {
			return u.MSISDN
		}
	}
	return ""
}

func (b *Sandbox) example(ctx context.Context, t *Teller, box *client.Sandbox, soap bool, r client.SignRequest) error {
	cfg := box.Config
	cfg.SOAP = soap
	c, err := client.New(cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	t.step("AP", "MSS_Signature to %s: %q", r.MSISDN, r.Text)
	ask := func() (*signum.SignatureResponse, error) { return c.Sign(ctx, r) }
	if r.Async {
		ask = func() (*signum.SignatureResponse, error) { return c.SignAndWait(ctx, r, pollInterval, progress(t)) }
	}
	resp, err := ask()
	if err != nil {
		return fmt.Errorf("example: %w", err)
	}
	t.step("MSSP", "verified the signature; %d %s, CMS of %d bytes, transaction %s", int(resp.Status), resp.Status, len(resp.Signature), resp.TransID)
	sig, err := client.Verify(resp.Signature, box.UserRoots)
	if err != nil {
		return fmt.Errorf("example: the signature does not verify: %w", err)
	}
	if sig.Text != r.Text {
		return fmt.Errorf("example: signed was %q instead of %q", sig.Text, r.Text)
	}
	t.step("AP", "VERIFIED: %q", sig.Text)
	t.step("", "signed by %s at %s", sig.Serial, sig.SigningTime.Format(time.RFC3339))
	for i, cert := range sig.Chain {
		t.step("", "%*s%s", 2*i, "", cert.Subject.CommonName)
	}
	return nil
}

func progress(t *Teller) func(client.Progress) {
	said := signum.Code(0)
	return func(p client.Progress) {
		if p.Status != said {
			said = p.Status
			t.step("MSSP", "%d %s, transaction %s", int(p.Status), p.Status, p.TransID)
		}
	}
}
