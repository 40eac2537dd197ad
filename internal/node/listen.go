package node

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/signum-mssp/signum/internal/config"
)

// listeners are the bound addresses of a node.
type listeners struct{ mss, web, pki, ops net.Listener } // ops may be nil

// ListenerNames are the names of the listeners, as in the configuration and Deps.Listeners.
var ListenerNames = []string{"mss", "web", "pki", "ops"}

func (n *Node) listen(context.Context) error {
	if err := n.checkInherited(); err != nil {
		return err
	}
	for _, l := range []struct {
		name    string
		address config.Address
		bound   *net.Listener
	}{
		{"mss", n.cfg.Listen.MSS.Address, &n.listeners.mss},
		{"web", n.cfg.Listen.Web.Address, &n.listeners.web},
		{"pki", n.cfg.Listen.PKI.Address, &n.listeners.pki},
		{"ops", n.cfg.Listen.Ops.Address, &n.listeners.ops},
	} {
		if l.address == "" { // only ops may be without one
			continue
		}
		bound, err := n.inheritOrBind(l.name, l.address)
		if err != nil {
			return err
		}
		n.metrics.AcceptErrors(l.name, 0)
		*l.bound = bound
		n.onClose(func() error {
			if err := bound.Close(); !errors.Is(err, net.ErrClosed) { // a server that ran has closed it
				return err
			}
			return nil
		})
	}
	return nil
}

// checkInherited refuses sockets that would not be served, or not as the configuration
// demands. What it refuses is not closed: it belongs to the caller until New succeeds.
func (n *Node) checkInherited() error {
	for name, l := range n.deps.Listeners {
		tcp, ok := l.Addr().(*net.TCPAddr)
		refuse := func(path, format string, args ...any) error {
			return &config.Problem{Path: path, Text: fmt.Sprintf("the inherited socket %s (%s) ", name, l.Addr()) + fmt.Sprintf(format, args...)}
		}
		switch {
		case !slices.Contains(ListenerNames, name):
			return refuse("", "serves nothing: a node has %s", strings.Join(ListenerNames, ", "))
		case !ok:
			return refuse("listen."+name+".address", "is not a TCP socket")
		case name == "ops" && n.cfg.Listen.Ops.Address == "":
			return refuse("listen.ops.address", "would not be served, because the address is empty")
		case name == "web" && n.cfg.Listen.Web.TLS.IsZero() && !tcp.IP.IsLoopback():
			return refuse("listen.web.tls.certificate_file", "would serve the pages without TLS: give them a certificate, or the socket an address on loopback")
		}
	}
	return nil
}

// inheritOrBind returns the listener that the process inherited, or binds the address.
func (n *Node) inheritOrBind(name string, address config.Address) (net.Listener, error) {
	if l, ok := n.deps.Listeners[name]; ok {
		return l, nil
	}
	l, err := net.Listen("tcp", string(address))
	if err != nil {
		return nil, &UnavailableError{Err: &config.Problem{Path: "listen." + name + ".address", Text: err.Error() + adviceOn(err), Err: err}}
	}
	return l, nil
}

// adviceOn says what to do about an address that cannot be bound.
func adviceOn(err error) string {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return "; stop the program that listens there, or choose another address"
	case errors.Is(err, syscall.EACCES):
		return "; ports below 1024 need the capability CAP_NET_BIND_SERVICE, or a socket that the process inherits"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "; this machine does not have the address"
	}
	return ""
}

// UnavailableError says that something outside of the configuration keeps a node from
// starting or running: an address, or the store. Starting again later may help.
type UnavailableError struct{ Err error }

func (e *UnavailableError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }

// reachable is the address of a listener for those on this machine: one that
// listens on all addresses is reached on loopback.
func reachable(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() {
		return a.String()
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(tcp.Port))
}

// public is the address of a listener for everybody: with the configured host name, if
// there is one.
func (n *Node) public(a net.Addr) string {
	tcp, ok := a.(*net.TCPAddr)
	if host := string(n.cfg.Listen.Host); ok && host != "" {
		return net.JoinHostPort(host, strconv.Itoa(tcp.Port))
	}
	return reachable(a)
}

// webScheme is the scheme with its slashes.
func (n *Node) webScheme() string {
	if n.cfg.Listen.Web.TLS.IsZero() {
		return "http://"
	}
	return "https://"
}

// origin is that of the pages if no other is configured. On loopback it has the
// name localhost, because passkeys need a name.
func (n *Node) origin(a *net.TCPAddr) string {
	if n.cfg.Listen.Host == "" && (a.IP.IsLoopback() || a.IP.IsUnspecified()) {
		return n.webScheme() + net.JoinHostPort("localhost", strconv.Itoa(a.Port))
	}
	return n.webScheme() + n.public(a)
}
