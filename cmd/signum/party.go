package main

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/client"
)

// Environment variables, for flags that are tedious to repeat or should not be visible.
const (
	envSandbox  = "SIGNUM_SANDBOX"
	envPassword = "SIGNUM_AP_PASSWORD"
)

const partyHelp = `The service and the party come from a sandbox's directory (--sandbox, or the
environment variable ` + envSandbox + `), or from --url, --ap-id and --cert. A flag
takes precedence over the sandbox. Without --sandbox, the variables SIGNUM_URL,
SIGNUM_AP_ID, SIGNUM_CERT, SIGNUM_KEY, SIGNUM_SERVER_CA and SIGNUM_USER_CA set the flags
of these names.`

// partyFlags name the service to call and the party that calls it.
type partyFlags struct {
	sandbox, party, url, apID, apPassword string
	cert, key, serverCA, userCA           string
	soap                                  bool
}

func (f *partyFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	f.registerTrust(cmd)
	fl.StringVar(&f.url, "url", "", "address of the service before /rest or /soap, such as https://mobileid.example.com")
	fl.StringVar(&f.party, "party", "", "a party of the sandbox: its AP_ID, or the last part of it, such as open; default its first")
	fl.StringVar(&f.apID, "ap-id", "", "AP_ID of the party")
	fl.StringVar(&f.apPassword, "ap-password", "", "AP_PWD, if the party has one; safer in the environment variable "+envPassword)
	fl.StringVar(&f.cert, "cert", "", "TLS certificate of the party (PEM)")
	fl.StringVar(&f.key, "key", "", "its key (PEM); default in the file of --cert")
	fl.StringVar(&f.serverCA, "server-ca", "", "root certificates to trust the service by (PEM); default the system's")
	fl.BoolVar(&f.soap, "soap", false, "speak SOAP instead of REST")
	cmd.MarkFlagsMutuallyExclusive("party", "ap-id")
}

// partyVariables are the flags that the environment can set, unless --sandbox is given: a
// directory is meant as a whole.
var partyVariables = []string{"url", "ap-id", "cert", "key", "server-ca", "user-ca"}

func (f *partyFlags) registerTrust(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.sandbox, "sandbox", "", "directory of a sandbox; default $"+envSandbox)
	fl.StringVar(&f.userCA, "user-ca", "", "root certificates to verify users' signatures by (PEM)")
	withEnvironment(cmd, partyVariables...)
}

// prefixFlags set the prefix of a text.
type prefixFlags struct {
	prefix   string
	noPrefix bool
}

func (f *prefixFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.prefix, "prefix", "", "prefix to put before the text; default the sandbox's")
	fl.BoolVar(&f.noPrefix, "no-prefix", false, "send the text as it is")
	cmd.MarkFlagsMutuallyExclusive("prefix", "no-prefix")
}

// start puts the prefix before the text, unless it is there already.
func (f *prefixFlags) start(p *party, text string) string {
	prefix := cmp.Or(f.prefix, p.prefix)
	if f.noPrefix || strings.HasPrefix(text, prefix) {
		return text
	}
	return prefix + text
}

// party is the result of the flags.
type party struct {
	config client.Config
	prefix string
	trust
}

// trust is what signatures are verified against.
type trust struct {
	roots *x509.CertPool // nil if nothing is known
	file  string         // where they come from
}

// sandboxDir is the directory of the sandbox to use; empty if none. With --url the
// environment is ignored: its certificates belong to another service.
func (f *partyFlags) sandboxDir() string {
	if f.sandbox == "" && f.url == "" {
		return os.Getenv(envSandbox)
	}
	return f.sandbox
}

func loadSandbox(dir string) (*client.Sandbox, error) {
	sb, err := client.LoadSandbox(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s is not a sandbox's directory: %w; make one with: signum sandbox --dir %[1]s", dir, err)
	}
	return sb, err
}

// connect makes the client that the flags describe.
func (f *partyFlags) connect() (*party, *client.Client, error) {
	p, err := f.load()
	if err != nil {
		return nil, nil, err
	}
	c, err := client.New(p.config)
	return p, c, err
}

// load reads the files that the flags name.
func (f *partyFlags) load() (*party, error) {
	p := &party{}
	if dir := f.sandboxDir(); dir != "" {
		sb, err := loadSandbox(dir)
		if err != nil {
			return nil, err
		}
		p.config, p.prefix = sb.Config, sb.DTBDPrefix
		if err := f.choose(p, sb); err != nil {
			return nil, err
		}
		if sb.UserRoots != nil {
			p.trust = trust{sb.UserRoots, filepath.Join(dir, client.SandboxUserCA)}
		}
	}
	if f.party != "" && f.sandboxDir() == "" {
		return nil, errors.New("--party without a sandbox; give --sandbox DIR, or --ap-id in place of --party")
	}
	if p.config.TLS == nil {
		p.config.TLS = &tls.Config{}
	}
	c := &p.config
	c.BaseURL = cmp.Or(f.url, c.BaseURL)
	c.APID = cmp.Or(f.apID, c.APID)
	c.APPassword = cmp.Or(f.apPassword, os.Getenv(envPassword))
	c.SOAP = f.soap
	if f.cert != "" {
		cert, err := tls.LoadX509KeyPair(f.cert, cmp.Or(f.key, f.cert))
		if err != nil {
			return nil, fmt.Errorf("--cert and --key: %w", err)
		}
		c.TLS.Certificates = []tls.Certificate{cert}
	} else if f.key != "" {
		return nil, errors.New("--key without --cert")
	}
	if f.serverCA != "" {
		roots, err := client.LoadRoots(f.serverCA)
		if err != nil {
			return nil, fmt.Errorf("--server-ca: %w", err)
		}
		c.TLS.RootCAs = roots
	}
	if err := f.loadUserCA(&p.trust); err != nil {
		return nil, err
	}
	return p, f.complete(p)
}

// choose takes the party of the sandbox that the flags name, with its prefix. An AP_ID
// that the sandbox does not list is sent with the prefix of its first party.
func (f *partyFlags) choose(p *party, sb *client.Sandbox) error {
	chosen := sb.Party(cmp.Or(f.party, f.apID))
	if f.apID != "" && chosen != nil && chosen.APID != f.apID {
		chosen = nil // an AP_ID is sent as it is
	}
	if chosen == nil && f.party != "" {
		var known []string
		for _, p := range sb.Parties {
			known = append(known, p.APID)
		}
		return fmt.Errorf("--party %s: the sandbox has the parties %s", f.party, strings.Join(known, ", "))
	}
	if chosen != nil {
		p.config.APID, p.prefix = chosen.APID, chosen.DTBDPrefix
	}
	return nil
}

// complete reports everything that is missing at once.
func (f *partyFlags) complete(p *party) error {
	var missing []string
	if p.config.BaseURL == "" {
		missing = append(missing, "--url")
	}
	if p.config.APID == "" {
		missing = append(missing, "--ap-id")
	}
	if len(p.config.TLS.Certificates) == 0 && !strings.HasPrefix(p.config.BaseURL, "http:") {
		missing = append(missing, "--cert")
	}
	if len(missing) != 0 {
		return fmt.Errorf("%s missing; give it, or a sandbox with --sandbox DIR", strings.Join(missing, ", "))
	}
	return nil
}

func (f *partyFlags) loadUserCA(t *trust) error {
	if f.userCA == "" {
		return nil
	}
	roots, err := client.LoadRoots(f.userCA)
	if err != nil {
		return fmt.Errorf("--user-ca: %w", err)
	}
	*t = trust{roots, f.userCA}
	return nil
}

// loadTrust serves commands that need only the root certificates.
func (f *partyFlags) loadTrust() (trust, error) {
	var t trust
	if f.userCA == "" && f.sandboxDir() != "" {
		file := filepath.Join(f.sandboxDir(), client.SandboxUserCA)
		roots, err := client.LoadRoots(file)
		if err != nil {
			return t, err
		}
		t = trust{roots, file}
	}
	if err := f.loadUserCA(&t); err != nil {
		return t, err
	}
	if t.roots == nil {
		return t, errors.New("nothing to verify by: give the roots of the users' certificates with --user-ca FILE, or --sandbox DIR")
	}
	return t, nil
}
