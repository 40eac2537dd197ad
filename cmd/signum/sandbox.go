//go:build !nolab

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/daemon"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
)

type sandboxFlags struct {
	dir, addr, pkiAddr, webAddr, opsAddr, webURL, store, caProfile, logLevel string
	once                                                                     bool
	delay                                                                    time.Duration
	who                                                                      string
	phones                                                                   map[string]string
	parties, users, locations                                                []string
	authURI, smsc, token, scenario                                           string
	minTimeout                                                               time.Duration
	hosts                                                                    []string
	publicURL                                                                string
}

func newSandboxCmd() *cobra.Command {
	var f sandboxFlags
	cmd := &cobra.Command{
		Use:   "sandbox",
		Short: "Run a whole signature service for development, in one process",
		Long: `Runs a Mobile Signature Service with parties, users, and phones that answer by
themselves. It needs no network and no installation, and makes real signatures that
verify against DIR/user-ca.pem.

Clients find what they need in DIR:

  README.txt       addresses, files, parties and users, for people
  rest.sh soap.sh  ask for a signature with curl, and verify it with openssl
  sandbox.json     base_url, web_url, ops_url, parties, users
  ap.crt ap.key    the parties' TLS certificate and key (ap.p12: both)
  ap-rsa.crt …     the same with an RSA key
  server-ca.pem    to trust the server (truststore.p12: for Java)
  user-ca.pem      to verify signatures (user-ca-chain.pem: with issuing-ca.pem)
  java-client.properties   these settings for Swisscom's Java client

The password of the .p12 files is "` + sandbox.Password + `". A directory can be used again and
keeps its keys and data. The sandbox prints the line "ready URL" when it is ready.

Phones approve after --phone-delay. --phone NUMBER=BEHAVIOUR makes the user of a
number do something else. BEHAVIOUR is one of
` + behaviours() + `,
optionally with its own delay, such as cancel:5s. --location NUMBER=PLACE says where
a user is, for geofencing. PLACE is a country, optionally with values other than the
defaults (CH,accuracy=16,device=0.9,location=0.85,age=3h), an error code (error=103),
or none.
Both can be changed while the sandbox runs: see "signum phone set". Text messages,
such as one-time passwords, appear on standard output.

--party adds a party, for clients with an AP_ID, texts or a certificate of their own:
AP_ID, optionally with settings: the prefix that must start every text (prefix=TEXT,
none by default), the language of requests without one (lang=LANG, else they are
refused), whether receipts may start without the prefix (unprefixed-receipts), whether
X509SubjectName is in Base64 (base64-subjects), and a certificate besides those of the
directory (cert=FILE, PEM, with the extended key usage clientAuth). --user NUMBER adds a user with SIM and App, who signs at once, for clients
with a number of their own. Later runs with the directory keep both.

A person can be a user too. "signum user invite NUMBER" prints an activation code for
the phone page, which turns a browser into an App. With --phones web no App answers by
itself: users with an App wait for a person, and the Apps of an earlier run with the
directory are removed. SIMs still answer. The page /phone/sim is the handset of a SIM;
while it is open, the person in front of it answers. The self-care portal is at /me next to the phone page. Users log in to it
with their phone.

Requests to SIMs travel as in an operator's network: as secured short messages over
SMPP to an SMSC, and from there to an applet on a card. All of this is emulated, and
"signum sim trace NUMBER" shows it. With --smsc they go to another SMSC, and to the
cards that were imported with "signum user import".

Every text of the party ` + sandbox.APID + ` must start with "` + sandbox.DTBDPrefix + `". Two more parties have
the same certificates: ` + sandbox.OpenAPID + ` needs no prefix and no language, and
` + sandbox.BasicAPID + ` has few rights; use it to see refusals. The numbers
+41000092NNN return the fault NNN; +41700092501 and +41700092502 sign.

` + environmentHelp + `

Exit codes:
  0  stopped by a signal when it was ready; with --once: both signatures verified
  1  wrong usage, an address in use, interrupted before it was ready,
     or with --once: a signature failed`,
		Example: `  signum sandbox
  signum sandbox --dir ./box --phone +41791000001=cancel
  signum sandbox --dir ./box --user +41797895164 --phone +41797895164=cancel:5s
  signum sandbox --dir ./box --party 'mid://example.com,prefix=Bank: ,lang=de'
  signum sandbox --dir ./box --phones web       # be the phone, in a browser
  signum sandbox --once --addr 127.0.0.1:0      # in CI: exits 0 if it works`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for _, hint := range append(mistyped(cmd.Flags(), os.Environ()), wideWildcards(f.hosts)...) {
				fmt.Fprintln(cmd.ErrOrStderr(), "signum:", hint)
			}
			return runSandbox(cmd.Context(), f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.dir, "dir", "", "directory for keys, files and data; default a new temporary one")
	fl.StringVar(&f.addr, "addr", "127.0.0.1:8443", "address of the service; port 0 picks a free one")
	fl.StringSliceVar(&f.hosts, "host", nil, "name or IP address by which others reach the sandbox, in its\ncertificate; the first is in all addresses that it prints; a\nwildcard, *.signum.test, is only in the certificate; repeatable")
	fl.StringVar(&f.publicURL, "public-url", "", "base address of OCSP and CRL in the users' certificates, such as\nhttp://signum:8445; default that of their listener, with the\nfirst --host")
	fl.StringVar(&f.pkiAddr, "pki-addr", "", "address of OCSP and CRL (http); default a free port, which the directory keeps")
	fl.StringVar(&f.webAddr, "web-addr", "", "address of the phone page and the self-care portal; default the port after\n--addr's or a free one, which the directory keeps")
	fl.StringVar(&f.opsAddr, "ops-addr", "", "address of metrics and health (http, see docs/metrics.md); default a free port, ops_url\nin sandbox.json")
	fl.StringVar(&f.webURL, "web-url", "", "public origin of these pages, such as https://phones.example.com, if people reach them by a\nname or through a proxy; default the address of their listener")
	fl.BoolVar(&f.once, "once", false, "run the example and exit; the exit code is 0 only if its signatures verified")
	fl.DurationVar(&f.delay, "phone-delay", 200*time.Millisecond, "how long a user takes to approve")
	fl.DurationVar(&f.minTimeout, "min-timeout", 15*time.Second, "shortest TimeOut that a request may name; 1s for tests of time-outs")
	fl.StringVar(&f.who, "phones", phonesAuto, "who answers on Apps: auto (they do so by themselves) or web (a person in a browser)")
	fl.StringArrayVar(&f.parties, "party", nil, "a party to add with every right: AP_ID, with its settings after commas; the directory keeps it; repeatable")
	fl.StringArrayVar(&f.users, "user", nil, "number of a user to add, with SIM and App; the directory keeps the user; repeatable")
	fl.StringToStringVar(&f.phones, "phone", nil, "what the user of a number does, NUMBER=BEHAVIOUR; repeatable")
	fl.StringArrayVar(&f.locations, "location", nil, "where the user of a number is, NUMBER=PLACE; repeatable; default CH")
	fl.StringVar(&f.authURI, "auth-uri", "", "address that opens the signing app, in answers to App2App requests; default\n"+signum.DefaultAuthURI+", with --phones web the phone page")
	fl.StringVar(&f.smsc, "smsc", "", "SMSC to bind to, smpp://USER:PASSWORD@HOST:PORT or smpps: with TLS, and\n?binds=N&window=N&system_type=T; SIGNUM_SMSC keeps the password out of\nprocess lists; default the sandbox's own SMSC with phones")
	fl.StringVar(&f.scenario, "scenario", "", "file of users and parties (YAML, docs/control.md) that the sandbox has when it is ready; the directory\nkeeps them")
	fl.StringVar(&f.token, "token", "", "token for the control addresses (/sandbox/…), 16 characters at least; default a random one,\nwhich the directory keeps, in sandbox.json")
	fl.StringVar(&f.store, "store", "", "database: sqlite:PATH or postgres://…; default SQLite in the directory")
	fl.StringVar(&f.caProfile, "ca-profile", "ecdsa", "algorithms of the user CA of a new directory: ecdsa, or rsa-pss like the public service (slow to create)")
	fl.StringVar(&f.logLevel, "log", "", "log level on standard error: debug, info (one line a request), warn, error;\ndefault warn until the sandbox is ready, then info")
	withEnvironment(cmd)
	cmd.AddCommand(newSandboxExportCmd(), newSandboxApplyCmd(), newSandboxResetCmd())
	return cmd
}

// wideWildcards says which wildcards few clients take. Java and Go do; curl, OpenSSL, Python
// and Node.js want two labels behind the asterisk.
func wideWildcards(hosts []string) (hints []string) {
	for _, h := range hosts {
		if rest, ok := strings.CutPrefix(h, "*."); ok && rest != "" && !strings.Contains(rest, ".") {
			hints = append(hints, fmt.Sprintf("--host %s: curl, OpenSSL, Python and Node.js refuse this wildcard; *.signum.%s works, or each name by its own --host", h, rest))
		}
	}
	return hints
}

// Who answers on Apps, for --phones.
const (
	phonesAuto = "auto"
	phonesWeb  = "web"
)

func behaviours() string {
	var names []string
	for _, a := range person.Actions() {
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

func (f *sandboxFlags) config(narrator *sandbox.Narrator) (sandbox.Config, error) {
	switch {
	case f.who != phonesAuto && f.who != phonesWeb:
		return sandbox.Config{}, fmt.Errorf("--phones %s: not one of %s, %s", f.who, phonesAuto, phonesWeb)
	case f.smsc != "" && f.once:
		return sandbox.Config{}, errors.New("--once and --smsc: the example needs a SIM that answers by itself")
	case f.who == phonesWeb && f.once:
		return sandbox.Config{}, errors.New("--once and --phones web: the example needs an App that answers by itself")
	}
	cfg := sandbox.Config{
		Crowded: saveMemory,
		Dir:     f.dir, Addr: f.addr, PKIAddr: f.pkiAddr, WebAddr: f.webAddr, OpsAddr: f.opsAddr, WebURL: f.webURL, WebPhones: f.who == phonesWeb, Store: f.store, CAProfile: f.caProfile, PhoneDelay: f.delay, MinTimeout: f.minTimeout,
		Hosts: f.hosts, PublicURL: f.publicURL,
		Token: f.token, Users: f.users, Behaviours: make(map[string]person.Behaviour), Places: make(map[string]person.Place), AuthURI: f.authURI, SMSC: f.smsc,
		Observe: narrator.Phone, Version: build().version,
	}
	for _, msisdn := range slices.Sorted(maps.Keys(f.phones)) {
		b, err := person.ParseBehaviour(f.phones[msisdn])
		if err != nil {
			return cfg, fmt.Errorf("--phone %s: %w", msisdn, err)
		}
		cfg.Behaviours[msisdn] = b
	}
	for _, text := range f.parties {
		p, err := sandbox.ParseParty(text)
		if err != nil {
			return cfg, fmt.Errorf("--party %w", err)
		}
		cfg.Parties = append(cfg.Parties, p)
	}
	if f.scenario != "" {
		var err error
		if cfg.Scenario, err = readScenario(f.scenario); err != nil {
			return cfg, fmt.Errorf("--scenario: %w", err)
		}
	}
	for _, l := range f.locations {
		msisdn, place, ok := strings.Cut(l, "=")
		if !ok {
			return cfg, fmt.Errorf("--location %s: not of the form NUMBER=PLACE", l)
		}
		p, err := person.ParsePlace(place)
		if err != nil {
			return cfg, fmt.Errorf("--location %s: %w", msisdn, err)
		}
		cfg.Places[msisdn] = p
	}
	return cfg, nil
}

// flagOf names the flag of an option of the sandbox.
var flagOf = map[string]string{
	"Addr": "--addr", "PKIAddr": "--pki-addr", "WebAddr": "--web-addr", "OpsAddr": "--ops-addr", "WebURL": "--web-url",
	"Hosts": "--host", "PublicURL": "--public-url",
	"PhoneDelay": "--phone-delay", "Store": "--store", "CAProfile": "--ca-profile", "AuthURI": "--auth-uri", "MinTimeout": "--min-timeout", "SMSC": "--smsc", "Token": "--token", "Scenario": "--scenario",
	"Users": "--user", "Parties": "--party", "Behaviours": "--phone", "Places": "--location",
}

// flagError names the flag whose value the sandbox refused.
func flagError(err error) error {
	wrong, ok := errors.AsType[*sandbox.OptionError](err)
	if !ok {
		return err
	}
	err = fmt.Errorf("%s: %w", cmp.Or(flagOf[wrong.Option], wrong.Option), wrong.Err)
	if wrong.Option == "Behaviours" || wrong.Option == "Places" {
		err = fmt.Errorf("%w; --user adds a user", err)
	}
	return err
}

func runSandbox(ctx context.Context, f sandboxFlags, stdout, stderr io.Writer) (err error) {
	narrator := sandbox.NewNarrator(stdout)
	level, err := newLogLevel(ctx, f.logLevel)
	if err != nil {
		return err
	}
	cfg, err := f.config(narrator)
	if err != nil {
		return err
	}
	cfg.Logger, cfg.Announces = level.logger(stderr), true
	box, err := sandbox.Open(ctx, cfg)
	if err != nil {
		return unlessInterrupted(ctx, flagError(err))
	}
	defer func() {
		err = errors.Join(err, box.Close())
		if f.once && f.dir == "" { // nobody can use its files any more
			err = errors.Join(err, os.RemoveAll(box.Dir))
		}
	}()
	running, stop := context.WithCancel(ctx)
	defer stop()
	manager := daemon.NewManager(cfg.Logger)
	go func() {
		defer event.Rescue(cfg.Logger, "watchdog")
		manager.Watch(running, box.Progress)
	}()
	defer context.AfterFunc(ctx, func() {
		defer event.Rescue(cfg.Logger, "service manager")
		manager.Stopping("Stopping", stopMargin)
	})()
	served, err := box.Start(running)
	if err != nil {
		return unlessInterrupted(ctx, flagError(err))
	}
	fmt.Fprint(narrator, title)
	example := make(chan error, 1)
	go func() {
		if f.who == phonesWeb {
			example <- invite(running, narrator, box)
			return
		}
		example <- box.Example(running, narrator)
	}()
	if f.once {
		err := <-example
		stop()
		return unlessInterrupted(ctx, errors.Join(err, <-served))
	}
	announced, err := announce(ctx, example, served, stderr, func() {
		describe(narrator, box, &f)
		level.talk.Store(true)
		tuneMemory() // the start leaves little garbage behind if it is collected often
		box.Announce()
		fmt.Fprintf(narrator, "ready %s\n", box.Info.BaseURL)
		manager.Ready("Serving at " + box.Info.BaseURL)
	})
	switch {
	case ctx.Err() != nil && !announced:
		return errors.Join(errInterrupted, err)
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, errInterrupted)
	}
	return err
}

// announce calls ready once the example is over, because it uses users that a script
// may want; but phones may be slow while the service is ready. It returns when the
// service has ended, and reports whether it was announced.
func announce(ctx context.Context, example, served <-chan error, stderr io.Writer, ready func()) (announced bool, err error) {
	patience := time.NewTimer(examplePatience)
	defer patience.Stop()
	for {
		select {
		case err := <-example:
			if err != nil && ctx.Err() == nil {
				fmt.Fprintln(stderr, "signum:", err)
			}
			example = nil
		case <-patience.C:
		case err := <-served:
			return announced, err
		}
		if !announced && ctx.Err() == nil {
			announced = true
			ready()
		}
	}
}

// unlessInterrupted replaces what was made of a signal on its way.
func unlessInterrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errInterrupted
	}
	return err
}

const (
	examplePatience = 3 * time.Second
	stopMargin      = 15 * time.Second // what a stop may take
)
