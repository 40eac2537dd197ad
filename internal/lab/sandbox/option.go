package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"strings"
	"syscall"

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
	if problem, ok := errors.AsType[*config.Problem](err); ok {
		if wrong := optionError(problem); wrong != nil {
			return wrong
		}
	}
	return err
}

// optionError returns nil if no option is behind the problem.
func optionError(p *config.Problem) error {
	for _, o := range optionOf {
		if strings.HasPrefix(p.Path, o.key) {
			err := errors.New(p.Text)
			if op, ok := errors.AsType[*net.OpError](p.Err); ok && op.Op == "listen" {
				err = listenError(p.Err)
			}
			return &OptionError{o.option, err}
		}
	}
	return nil
}

// windowsInUse is what Windows says instead of EADDRINUSE.
const windowsInUse = syscall.Errno(10048)

// listenError adds to the error of a listener what to do about it.
func listenError(err error) error {
	advice := "choose an address of this machine"
	switch {
	case errors.Is(err, syscall.EADDRINUSE), errors.Is(err, windowsInUse):
		advice = "another sandbox may be running: choose another address, port 0 for a free one"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		advice = "this machine does not have the address: choose one of its own, or 0.0.0.0 for all"
	case errors.Is(err, fs.ErrPermission):
		advice = "ports below 1024 may need privileges: choose a higher one"
	}
	return fmt.Errorf("%w; %s", err, advice)
}
