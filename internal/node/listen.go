package node

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/signum-mssp/signum/internal/config"
)

// listeners are the bound addresses of a node.
type listeners struct{ mss, web, pki, ops net.Listener } // ops may be nil

func (n *Node) listen(context.Context) error {
	for _, l := range []struct {
		name    string
		address string
		bound   *net.Listener
	}{
		{"mss", string(n.cfg.Listen.MSS.Address), &n.listeners.mss},
		{"web", string(n.cfg.Listen.Web.Address), &n.listeners.web},
		{"pki", string(n.cfg.Listen.PKI.Address), &n.listeners.pki},
		{"ops", string(n.cfg.Listen.Ops.Address), &n.listeners.ops},
	} {
		if l.address == "" && l.bound == &n.listeners.ops {
			continue
		}
		bound, err := net.Listen("tcp", l.address)
		if err != nil {
			return &config.Problem{Path: "listen." + l.name + ".address", Text: err.Error(), Err: err}
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
