package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

type signFlags struct {
	partyFlags
	lang, profile, prefix, out string
	noPrefix, async, json      bool
	timeout, interval          time.Duration
}

func newSignCmd() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign MSISDN TEXT",
		Short: "Ask a mobile user for a signature",
		Long: `Asks the phone of MSISDN to show TEXT, waits until the user has signed it, and
verifies the signature if the root of the users' certificates is known (from the
sandbox, or --user-ca). Verified means: the user's key signed this very text, and
its certificate leads to that root. Revocation is checked by the service.

` + partyHelp + `

TEXT must start with the prefix the party agreed on with the service. That of
the sandbox is put before it, unless it stands there already.

` + jsonHelp + `

` + exitCodesHelp,
		Example: `  signum sign --sandbox ./box +41791000001 "Login to example.com?"
  signum sign --sandbox ./box --soap --async +41791000003 "Pay 10 francs?"
  signum sign --sandbox ./box --json +41791000001 Hello | jq -r .signer

  # the public service: certificates from the contract, CMS kept for the archive
  signum sign --url https://mobileid.swisscom.com --ap-id mid://example.com \
      --cert ap.crt --key ap.key --user-ca swisscom-root.pem \
      --out login.der +41791234567 "Example: Login?"`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0], args[1]) },
	}
	f.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.lang, "lang", client.DefaultLang, "language of the phone's dialogue: en, de, fr or it")
	fl.StringVar(&f.profile, "profile", client.DefaultProfile, "signature profile")
	fl.DurationVar(&f.timeout, "timeout", client.DefaultTransactionTimeout, "how long the user has, 15s to 300s")
	fl.StringVar(&f.prefix, "prefix", "", "prefix to put before the text; default the sandbox's")
	fl.BoolVar(&f.noPrefix, "no-prefix", false, "send the text as it is")
	fl.BoolVar(&f.async, "async", false, "ask asynchronously, and poll for the outcome")
	fl.DurationVar(&f.interval, "interval", client.DefaultPollInterval, "how often to poll with --async")
	fl.StringVar(&f.out, "out", "", "file to store the CMS in (DER)")
	fl.BoolVar(&f.json, "json", false, "print one JSON object, for scripts")
	cmd.MarkFlagsMutuallyExclusive("prefix", "no-prefix")
	return cmd
}

// text is what to send: TEXT after the prefix.
func (f *signFlags) text(p *party, text string) string {
	prefix := p.prefix
	if f.prefix != "" {
		prefix = f.prefix
	}
	if f.noPrefix || strings.HasPrefix(text, prefix) {
		return text
	}
	return prefix + text
}

func (f *signFlags) run(cmd *cobra.Command, msisdn, text string) error {
	p, err := f.load()
	if err != nil {
		return err
	}
	c, err := client.New(p.config)
	if err != nil {
		return err
	}
	defer c.Close()
	text = f.text(p, text)

	start := time.Now()
	resp, err := f.ask(cmd.Context(), c, newProgress(cmd.ErrOrStderr()), client.SignRequest{
		MSISDN: msisdn, Text: text, Lang: f.lang, Profile: f.profile, Timeout: f.timeout,
	})
	elapsed := time.Since(start).Milliseconds()
	if err != nil {
		return f.failed(cmd, msisdn, elapsed, err)
	}
	r := result{
		Status: int(resp.Status), Reason: resp.Status.String(), TransID: resp.TransID, MSISDN: resp.MSISDN,
		Profile: resp.Profile, CMS: resp.Signature, ElapsedMS: elapsed,
	}
	return finish(cmd, &r, p.trust, &text, f.out, f.json)
}

func (f *signFlags) ask(ctx context.Context, c *client.Client, p *progress, r client.SignRequest) (*signum.SignatureResponse, error) {
	p.begin(r.MSISDN, r.Timeout)
	defer p.done()
	if f.async {
		return c.SignAndWait(ctx, r, f.interval, p.update)
	}
	return c.Sign(ctx, r)
}

func (f *signFlags) failed(cmd *cobra.Command, msisdn string, elapsed int64, err error) error {
	if r, ok := faultResult(err); ok && f.json {
		r.MSISDN, r.ElapsedMS = msisdn, elapsed
		if err := r.print(cmd.OutOrStdout(), true); err != nil {
			return err
		}
	}
	return explain(err)
}

// finish stores, verifies and prints a signature. What was made is printed
// also when it does not verify or cannot be stored.
func finish(cmd *cobra.Command, r *result, t trust, text *string, out string, asJSON bool) error {
	stored := r.store(out)
	verified := r.verify(t, text)
	if err := r.print(cmd.OutOrStdout(), asJSON); err != nil {
		return err
	}
	if verified != nil {
		return verified
	}
	return stored
}
