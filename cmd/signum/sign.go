package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

type signFlags struct {
	partyFlags
	prefixFlags
	geofenceFlags
	lang, profile, out, txn, app2app        string
	async, json, subscriber, validate, code bool
	timeout, interval                       time.Duration
}

func newSignCmd() *cobra.Command {
	var f signFlags
	cmd := &cobra.Command{
		Use:   "sign MSISDN {TEXT | --txn FILE}",
		Short: "Ask a mobile user for a signature",
		Long: `Asks the phone of MSISDN to show TEXT, waits until the user has signed it, and
verifies the signature if the root of the users' certificates is known (from the
sandbox, or --user-ca). "Verified" means that the user's key signed exactly this
text and that its certificate chains to that root. The service checks revocation.

` + partyHelp + `

TEXT must start with the prefix that the party and the service have agreed on. The
sandbox's prefix is added unless TEXT starts with it.

With --txn an App shows rows instead of a text, read from a JSON file:

  {"type":"Pay","dtbd":[{"key":"To","value":"Eve"},{"key":"CHF","value":"9"}]}

The prefix goes before the value of the first row. The title ("type") is shown but
not signed; the user signs {"format_version":1,"content_string":"…"} with the rows.

--profile is a URI, or one of` + profilesHelp() + `

A one-time password ends with status 100 and without a signature.

--geofence asks where the phone is. The other --geofence flags do so too, and set a
policy for this request: users outside the fence are refused (450).

--app2app lets an app of yours and the signing app on the same phone call each
other. The request is asynchronous, and the line "auth_uri URI" appears on standard
error at once. The user is asked when your app opens that URI (in a sandbox: signum
phone open URI). The signing app then calls the URI of --app2app.

--verification-code makes the request asynchronous too, and prints the line
"verification_code CODE" at once. Show the code on your page: the user must choose
it on the phone, which proves that the person who approves also sees the page.

The party must be subscribed to the services that it asks for (otherwise 104).

` + jsonHelp + `

` + exitCodesHelp,
		Example: `  signum sign --sandbox ./box +41791000001 "Login to example.com?"
  signum sign --sandbox ./box --soap --async +41791000003 "Pay 10 francs?"
  signum sign --sandbox ./box --json +41791000001 Hello | jq -r .signer
  signum sign --sandbox ./box --txn payment.json +41791000002
  signum sign --sandbox ./box --profile geo --geofence-allow CH,LI +41791000002 "Open the safe?"
  signum sign --sandbox ./box --app2app myapp://done +41791000002 "Pay 10 francs?"

  # a public service: certificates from the contract; the CMS is stored
  signum sign --url https://mobileid.swisscom.com --ap-id mid://example.com \
      --cert ap.crt --key ap.key --user-ca swisscom-root.pem \
      --out login.der +41791234567 "Example: Login?"`,
		Args: func(cmd *cobra.Command, args []string) error {
			if f.txn != "" {
				return checkArguments(cmd, args, []string{"MSISDN"}, nil)
			}
			return checkArguments(cmd, args, []string{"MSISDN", "TEXT"}, nil)
		},
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.partyFlags.register(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.lang, "lang", client.DefaultLang, "language of the phone's dialogue: en, de, fr or it")
	fl.StringVar(&f.profile, "profile", "", "signature profile; default any, and device with --txn, --app2app and\n--verification-code")
	fl.DurationVar(&f.timeout, "timeout", client.DefaultTransactionTimeout, "how long the user has to answer, 15s to 300s")
	fl.StringVar(&f.txn, "txn", "", "file with a transaction approval to sign (JSON); - is standard input")
	f.prefixFlags.register(cmd)
	fl.BoolVar(&f.async, "async", false, "ask asynchronously, and poll for the outcome")
	fl.DurationVar(&f.interval, "interval", client.DefaultPollInterval, "how often to poll with --async")
	f.geofenceFlags.register(cmd)
	fl.StringVar(&f.app2app, "app2app", "", "URI with which the signing app calls your app back; implies --async")
	fl.BoolVar(&f.code, "verification-code", false, "make the user choose the code that is printed here; implies --async")
	fl.BoolVar(&f.subscriber, "subscriber-info", false, "ask for the mobile network of the user's SIM")
	fl.BoolVar(&f.validate, "validate", false, "have the service validate the signature: status 502 instead of 500")
	fl.StringVar(&f.out, "out", "", "file to store the CMS in (DER)")
	fl.BoolVar(&f.json, "json", false, "print one JSON object, for scripts")
	return cmd
}

// request returns the request and the content that the user must sign.
func (f *signFlags) request(cmd *cobra.Command, p *party, args []string) (client.SignRequest, string, error) {
	r := client.SignRequest{
		MSISDN: args[0], Lang: f.lang, Timeout: f.timeout,
		Locate: f.locate, App2App: f.app2app, VerificationCode: f.code, SubscriberInfo: f.subscriber, Validate: f.validate,
	}
	profile := "any"
	if f.txn != "" || f.app2app != "" || f.code {
		profile = "device" // only an App can do these
	}
	profile = cmp.Or(f.profile, profile)
	var content string
	var err error
	if f.txn != "" {
		if r.Txn, err = readTxn(cmd.InOrStdin(), f.txn); err != nil {
			return r, "", err
		}
		first := &r.Txn.Rows[0].Value
		*first = f.start(p, *first)
		content = r.Txn.SignedContent()
	} else {
		r.Text = f.start(p, args[1])
		content = r.Text
	}
	if r.Profile, err = profileURI(profile); err != nil {
		return r, "", err
	}
	if f.out != "" && signum.IsOTP(r.Profile) {
		return r, "", errors.New("--out: a one-time password leaves no signature to store")
	}
	r.Geofencing, err = f.policy(cmd)
	return r, content, err
}

func (f *signFlags) run(cmd *cobra.Command, args []string) error {
	p, c, err := f.connect()
	if err != nil {
		return err
	}
	defer c.Close()
	req, content, err := f.request(cmd, p, args)
	if err != nil {
		return err
	}
	r := result{MSISDN: req.MSISDN}
	start := time.Now()
	resp, err := f.ask(cmd.Context(), c, cmd.ErrOrStderr(), req, &r)
	r.ElapsedMS = time.Since(start).Milliseconds()
	if err != nil {
		return failed(cmd, r, f.json, err)
	}
	r.Status, r.Reason, r.TransID, r.MSISDN = int(resp.Status), resp.Status.String(), resp.TransID, resp.MSISDN
	r.Profile, r.CMS = resp.Profile, resp.Signature
	r.services(resp.Services)
	if len(r.CMS) == 0 { // a one-time password
		return r.print(cmd.OutOrStdout(), f.json)
	}
	return finish(cmd, &r, p.trust, &content, f.out, f.json)
}

// ask waits for the answer. What arrives earlier, the address of App2App and the
// verification code, is printed at once and kept in r.
func (f *signFlags) ask(ctx context.Context, c *client.Client, stderr io.Writer, req client.SignRequest, r *result) (*signum.SignatureResponse, error) {
	p := newProgress(stderr)
	p.begin(req.MSISDN, req.Timeout)
	defer p.done()
	if !f.async && f.app2app == "" && !f.code {
		return c.Sign(ctx, req)
	}
	return c.SignAndWait(ctx, req, f.interval, func(u client.Progress) {
		if uri := client.AuthURI(u.Services); uri != "" && r.AuthURI == "" {
			r.AuthURI = uri
			p.done()
			fmt.Fprintln(stderr, "auth_uri", printable(uri))
		}
		if code := client.VerificationCode(u.Services); code != "" && r.Code == "" {
			r.Code = code
			p.done()
			fmt.Fprintln(stderr, "verification_code", printable(code))
		}
		p.update(u)
	})
}

// finish stores, verifies and prints a signature. It prints the signature even if
// it does not verify or cannot be stored.
func finish(cmd *cobra.Command, r *result, t trust, text *string, out string, asJSON bool) error {
	stored := r.store(out)
	verified := r.verify(r.CMS, client.VerifyOptions{}, t, text)
	if err := r.print(cmd.OutOrStdout(), asJSON); err != nil {
		return err
	}
	if verified != nil {
		return verified
	}
	return stored
}
