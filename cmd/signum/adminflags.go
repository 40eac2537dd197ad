package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/config"
)

const envSocket = "SIGNUM_SOCKET"

// adminFlags name the running service to administer: a node by its socket, or a sandbox.
type adminFlags struct {
	config, socket string
	controlFlags
}

func (f *adminFlags) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.config, "config", "", "configuration of a running node, which names its socket; default $"+envConfig+",\nor "+defaultConfig+" if it exists")
	fl.StringVar(&f.socket, "socket", "", "the socket of a running node; default $"+envSocket)
	f.choose = f.node
	if withLab {
		f.controlFlags.register(cmd)
		cmd.MarkFlagsMutuallyExclusive("config", "socket", "sandbox")
	}
}

// node returns the node that the flags or the environment name; nil if they name a sandbox.
// A flag takes precedence over the environment.
func (f *adminFlags) node() (*target, error) {
	file, socket := f.config, f.socket
	if file == "" && socket == "" && f.sandbox == "" && f.url == "" && os.Getenv(envSandbox) == "" {
		socket, file = os.Getenv(envSocket), installedConfig()
	}
	if socket == "" && file == "" {
		if withLab {
			return nil, nil
		}
		return nil, errors.New("which node? give its configuration with --config FILE, or its socket with --socket PATH")
	}
	if socket == "" {
		listen, err := config.Listeners(file, os.Environ())
		if err != nil {
			return nil, config.Advise(err)
		}
		socket = listen.Admin.Socket
	}
	if socket == "" {
		return nil, fmt.Errorf("%s: listen.admin.socket is not set, so the node has no administration; set it, and start the node again", file)
	}
	return nodeTarget(socket), nil
}

// nodeTarget is a node with an administration socket.
func nodeTarget(socket string) *target {
	t := &target{kind: nodeKind, base: "http://" + socketHost, place: "/admin/v1/", shown: socket}
	t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return t
}

// socketHost stands for the host in addresses of calls over a socket.
const socketHost = "signum"

// unreachable says what to do about a node that cannot be called.
func (t *target) unreachable(err error) error {
	switch {
	case t.kind != nodeKind:
		return nil
	case errors.Is(err, os.ErrPermission):
		return &exitError{exitUnreachable, fmt.Errorf("%s: permission denied; only root and the user of the node may administer it", t.shown)}
	case errors.Is(err, os.ErrNotExist):
		return &exitError{exitUnreachable, fmt.Errorf("%s does not exist: the node is not running, or has another socket (listen.admin.socket)", t.shown)}
	}
	return &exitError{exitUnreachable, fmt.Errorf("%s: %w; is the node running?", t.shown, cmp.Or(errors.Unwrap(err), err))}
}

var _ http.RoundTripper = (*target)(nil)
