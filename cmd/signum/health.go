package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const (
	healthTimeout  = 5 * time.Second        // of one question
	healthInterval = 200 * time.Millisecond // between two
)

type healthFlags struct {
	sandbox, url, config, serverCA string
	wait                           time.Duration
}

func newHealthCmd() *cobra.Command {
	var f healthFlags
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Say whether a sandbox or a node is ready",
		Long: `Asks a sandbox or a node whether it is ready, and exits with 0 if it is. It needs no
certificate of a party, no shell and no curl, so that it can be the health check of a
container: HEALTHCHECK CMD ["/signum", "health"].

It asks the first of these that is given:

  --sandbox DIR   the sandbox in this directory; also $SIGNUM_SANDBOX or $SIGNUM_DIR
  --url URL       with https, a sandbox at /sandbox/health; with http, the ops listener
                  of a node or sandbox at /readyz; a URL with a path is asked as it is;
                  also $SIGNUM_URL, which takes precedence over the other variables
  --config FILE   the node with this configuration, at listen.ops; also $SIGNUM_CONFIG,
                  or ` + defaultConfig + ` if it exists
  nothing         the sandbox of this machine, at the port of $SIGNUM_ADDR or at 8443

The directory names the sandbox's address and has its CA. If the name in this address
is not known here, as in the sandbox's own container, loopback is asked.

Exit codes:
  0  ready
  1  not ready, not reachable, or wrong usage`,
		Example: `  signum health --sandbox ./box
  signum health --wait 30s --sandbox ./box
  signum health --wait 30s --url https://signum:8443 --server-ca server-ca.pem
  signum health --config signum.yaml
  signum health --url http://127.0.0.1:9464`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.sandbox, "sandbox", "", "directory of a sandbox")
	fl.StringVar(&f.url, "url", "", "address of a sandbox (https) or of a node's ops listener (http)")
	fl.StringVar(&f.config, "config", "", "configuration of a node on this machine")
	fl.StringVar(&f.serverCA, "server-ca", "", "root certificates to trust the address by (PEM); default the system's")
	fl.DurationVar(&f.wait, "wait", 0, "ask again until it is ready, for this long at most, such as 30s")
	cmd.MarkFlagsMutuallyExclusive("sandbox", "url", "config")
	withEnvironment(cmd, "url", "server-ca")
	return cmd
}

func (f *healthFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if f.wait < 0 {
		return errors.New("--wait must not be negative")
	}
	limited := ctx
	if f.wait > 0 {
		var stop func()
		limited, stop = context.WithTimeout(ctx, f.wait)
		defer stop()
	}
	var last error
	for {
		target, err := f.ask(limited)
		switch {
		case err == nil:
			fmt.Fprintf(stdout, "ready %s\n", target)
			return nil
		case ctx.Err() != nil:
			return errors.New("interrupted")
		case limited.Err() != nil && last != nil:
			err = last // that the time is over is not the reason
		}
		if _, settled := errors.AsType[*settledError](err); settled || f.wait == 0 {
			return err
		}
		if last == nil {
			fmt.Fprintf(stderr, "waiting up to %s: %s\n", f.wait, printable(err.Error()))
		}
		last = err
		pause := time.NewTimer(healthInterval)
		select {
		case <-pause.C:
		case <-limited.Done():
			pause.Stop()
			if ctx.Err() == nil {
				return fmt.Errorf("not ready after %s: %w", f.wait, last)
			}
		}
	}
}

// settledError does not go away by waiting.
type settledError struct{ error }

// ask asks once. The address is for people.
func (f *healthFlags) ask(ctx context.Context) (address string, err error) {
	q, err := f.question()
	if err != nil {
		return "", err
	}
	ctx, stop := context.WithTimeout(ctx, healthTimeout)
	defer stop()
	return q.address, q.ask(ctx)
}

// question finds out whom to ask.
func (f *healthFlags) question() (*question, error) {
	if dir := f.directory(); dir != "" {
		return questionOfDir(dir)
	}
	if f.url != "" {
		return questionOfURL(f.url, f.serverCA)
	}
	if file := cmp.Or(f.config, installedConfig()); file != "" {
		return questionOfNode(file)
	}
	_, port, err := net.SplitHostPort(os.Getenv(variable("addr")))
	if err != nil || port == "0" {
		port = defaultPort
	}
	return questionOfThisMachine(port), nil
}

// defaultPort is that of the sandbox.
const defaultPort = "8443"

func (f *healthFlags) directory() string {
	switch {
	case f.sandbox != "":
		return f.sandbox
	case f.url != "", f.config != "":
		return ""
	}
	for _, name := range []string{envSandbox, variable("dir")} {
		if dir := strings.TrimSpace(os.Getenv(name)); dir != "" {
			return dir
		}
	}
	return ""
}
