package sandbox

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/signum-mssp/signum/internal/config"
)

// OptionError is a wrong value of a Config.
type OptionError struct {
	Option string // the field, such as WebURL
	Err    error
}

// Error implements error.
func (e *OptionError) Error() string { return e.Option + ": " + e.Err.Error() }

// Unwrap returns the cause.
func (e *OptionError) Unwrap() error { return e.Err }

// optionOf names the field of a Config behind a key of the node's configuration:
// a developer has never seen the key.
var optionOf = []struct{ key, option string }{
	{"listen.host", "Hosts"},
	{"listen.mss.", "Addr"},
	{"listen.pki.url", "PublicURL"},
	{"listen.pki.", "PKIAddr"},
	{"listen.web.url", "WebURL"},
	{"listen.web.hosts", "Hosts"},
	{"listen.web.", "WebAddr"},
	{"listen.ops.", "OpsAddr"},
	{"store.", "Store"},
	{"ca.profile", "CAProfile"},
	{"service.auth_uri", "AuthURI"},
	{"sim.smscs.", "SMSC"},
	{"engine.min_timeout", "MinTimeout"},
}

// options turns the first fault of a node's configuration into an OptionError. One
// is enough: a second is often a consequence of it. Other errors stay.
func options(err error) error {
	problem, ok := errors.AsType[*config.Problem](err)
	if !ok {
		return err
	}
	for _, o := range optionOf {
		if strings.HasPrefix(problem.Path, o.key) {
			return &OptionError{o.option, hint(problem)}
		}
	}
	return err
}

// hint adds what to do about the most common problem.
func hint(p *config.Problem) error {
	if op, ok := errors.AsType[*net.OpError](p.Err); ok && op.Op == "listen" {
		return fmt.Errorf("%w; another sandbox may be running: choose another address, port 0 for a free one", p.Err)
	}
	if p.Err != nil {
		return p.Err
	}
	return errors.New(p.Text)
}
