package daemon

import (
	"fmt"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/coreos/go-systemd/v22/activation"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/node"
)

// Inherit takes over the sockets that the service manager passed to this process
// (LISTEN_FDS), by the name of the listener that each is for. LISTEN_FDNAMES names them:
// mss, web, pki, ops. One without a name of its own is for the listener that is configured
// with its address. A socket that nobody would serve is an error, because its clients
// would wait forever.
func Inherit(l config.Listen) (map[string]net.Listener, error) {
	found := make(map[string]net.Listener)
	for _, f := range activation.Files(true) {
		if err := inheritOne(found, f, l); err != nil {
			for _, other := range found {
				other.Close()
			}
			return nil, err
		}
	}
	return found, nil
}

func inheritOne(found map[string]net.Listener, f *os.File, l config.Listen) error {
	defer f.Close() // FileListener duplicates it
	listener, err := net.FileListener(f)
	if err != nil {
		return &config.Problem{Text: fmt.Sprintf("the inherited descriptor %q is no socket that listens: %v", f.Name(), err), Err: err}
	}
	name := f.Name()
	if unnamed(name) {
		name = configuredFor(listener.Addr(), l)
	}
	refused := ""
	switch other := found[name]; {
	case name == "":
		refused = fmt.Sprintf("has the address of no listener; give it that of one, or its name (FileDescriptorName=): %s", strings.Join(node.ListenerNames, ", "))
	case !slices.Contains(node.ListenerNames, name):
		refused = fmt.Sprintf("is for no listener; its name (FileDescriptorName=) must be one of %s", strings.Join(node.ListenerNames, ", "))
	case other != nil:
		refused = fmt.Sprintf("is the second one for the listener %s, after %s; keep one", name, other.Addr())
	default:
		found[name] = listener
		return nil
	}
	listener.Close()
	return &config.Problem{Text: fmt.Sprintf("the inherited socket %q (%s) %s", f.Name(), listener.Addr(), refused)}
}

// unnamed reports whether a name is one that a socket gets without being given one: none, that of
// its unit, or that of a descriptor which was stored without a name.
func unnamed(name string) bool {
	return strings.HasPrefix(name, "LISTEN_FD_") || name == "unknown" || name == "stored" || strings.HasSuffix(name, ".socket")
}

// configuredFor names the listener that is configured with an address; empty if there is none.
func configuredFor(a net.Addr, l config.Listen) string {
	socket, ok := a.(*net.TCPAddr)
	if !ok {
		return ""
	}
	for _, c := range []struct {
		name    string
		address config.Address
	}{{"mss", l.MSS.Address}, {"web", l.Web.Address}, {"pki", l.PKI.Address}, {"ops", l.Ops.Address}} {
		tcp, err := net.ResolveTCPAddr("tcp", string(c.address))
		if c.address == "" || err != nil || tcp.Port != socket.Port {
			continue
		}
		if everywhere(tcp.IP) && everywhere(socket.IP) || tcp.IP.Equal(socket.IP) {
			return c.name
		}
	}
	return ""
}

func everywhere(ip net.IP) bool { return len(ip) == 0 || ip.IsUnspecified() }
