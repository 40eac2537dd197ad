package sandbox

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

const pollInterval = 100 * time.Millisecond

// Example requests two signatures from the running sandbox, as a party would with
// the files of the directory: a synchronous one over REST and an asynchronous one
// over SOAP. It returns nil only if both verify.
func (b *Sandbox) Example(ctx context.Context, n *Narrator) error {
	box, err := client.LoadSandbox(b.Dir)
	if err != nil {
		return err
	}
	sim, app := b.approver(signum.SIM), b.approver(signum.App)
	if sim == "" || app == "" {
		return errors.New("example: it needs a user with a SIM and a user with an App whose behaviour is not set")
	}
	n.begin("Example 1: synchronous over REST, signed by a SIM", sim)
	err = b.example(ctx, n, box, false, client.SignRequest{
		MSISDN: sim, Text: DTBDPrefix + "Log in to example.com?", Lang: "en", Profile: signum.ProfileSTK,
	})
	if err == nil {
		n.begin("Example 2: asynchronous over SOAP, signed by an App", app)
		err = b.example(ctx, n, box, true, client.SignRequest{
			MSISDN: app, Text: DTBDPrefix + "Pay 12.50 € to Bäckerei Zürich?", Lang: "de", Async: true, Profile: signum.ProfileDevice,
		})
	}
	n.end()
	return err
}

// approver returns the first user with the method whose behaviour was not set.
func (b *Sandbox) approver(m signum.Method) string {
	for _, u := range b.Info.Users {
		if _, set := b.cfg.Behaviours[u.MSISDN]; !set && u.State == "" && slices.Contains(u.Methods, m) {
			return u.MSISDN
		}
	}
	return ""
}

func (b *Sandbox) example(ctx context.Context, n *Narrator, box *client.Sandbox, soap bool, r client.SignRequest) error {
	cfg := box.Config
	// The names by which others reach the sandbox need not resolve here.
	cfg.BaseURL = "https://" + b.MSSAddr()
	cfg.TLS.ServerName = localhost
	cfg.SOAP = soap
	c, err := client.New(cfg)
	if err != nil {
		return err
	}
	defer c.Close()
	n.step("AP", "asks %s: %q", r.MSISDN, r.Text)
	ask := func() (*signum.SignatureResponse, error) { return c.Sign(ctx, r) }
	if r.Async {
		ask = func() (*signum.SignatureResponse, error) { return c.SignAndWait(ctx, r, pollInterval, progress(n)) }
	}
	resp, err := ask()
	if err != nil {
		return fmt.Errorf("example: %w", err)
	}
	n.step("MSSP", "%d %s, a CMS of %d bytes", int(resp.Status), resp.Status, len(resp.Signature))
	sig, err := client.Verify(resp.Signature, box.UserRoots)
	if err != nil {
		return fmt.Errorf("example: the signature does not verify: %w", err)
	}
	if sig.Text != r.Text {
		return fmt.Errorf("example: %q was signed instead of %q", sig.Text, r.Text)
	}
	n.step("AP", "VERIFIED: %q", sig.Text)
	n.more("signed by %s", sig.Chain[0].Subject.CommonName)
	if len(sig.Chain) > 1 {
		n.more("issued by %s", sig.Chain[1].Subject.CommonName)
	}
	return nil
}

func progress(n *Narrator) func(client.Progress) {
	said := signum.Code(0)
	return func(p client.Progress) {
		if p.Status != said {
			said = p.Status
			n.step("MSSP", "%d %s, transaction %s", int(p.Status), p.Status, p.TransID)
		}
	}
}
