package main

import (
	"cmp"
	"os"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/daemon"
)

// The configuration of a node, for the commands of operators.
const (
	defaultConfig = "/etc/signum/signum.yaml"
	envConfig     = "SIGNUM_CONFIG"
)

// configFlag adds --config to a command.
func configFlag(cmd *cobra.Command, file *string) {
	cmd.Flags().StringVar(file, "config", "", "configuration of the node; default $"+envConfig+", or\n"+defaultConfig)
}

// configFile is the file that the flag, the variable or nothing names.
func configFile(flag string) string { return cmp.Or(flag, os.Getenv(envConfig), defaultConfig) }

// installedConfig is the file that the variable names, or the default one if it exists; else
// empty. It is for commands that know other services, too.
func installedConfig() string {
	file := os.Getenv(envConfig)
	if _, err := os.Stat(defaultConfig); file == "" && err == nil {
		file = defaultConfig
	}
	return file
}

func newServeCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a node of the service",
		Long: `Runs one node of the service with a configuration file, until it is told to stop.
"signum config example" prints a complete file, "signum config check" checks one.
The log goes to standard error.

Signals:

  SIGTERM, SIGINT  stop: requests that wait get their time (drain in the file)
  the second one   end at once; requests go on when a node starts again
  SIGHUP           read the configuration again; a file with a fault changes nothing

serve speaks the protocols of systemd: it says when it is ready, stops or reloads
(Type=notify-reload), answers the watchdog, and takes over sockets (LISTEN_FDS) that
are named mss, web, pki or ops, or have the address of a listener. It works without
systemd, too.

Exit codes:
  0  stopped by a signal
  1  the configuration is wrong, or does not fit the database
  2  an address cannot be bound, or the store failed: it may work later
A second signal ends the process by that signal (143 and 130 in a shell).`,
		Example: `  signum serve --config signum.yaml
  SIGNUM_CONFIG=/etc/signum/signum.yaml signum serve`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			tuneMemory()
			err := daemon.Serve(cmd.Context(), daemon.Options{
				File: configFile(file), Environ: os.Environ(), Stderr: cmd.ErrOrStderr(), Version: build().version,
			})
			if err != nil {
				return &exitError{code: daemon.ExitCode(err), err: err}
			}
			return nil
		},
	}
	configFlag(cmd, &file)
	return cmd
}
