//go:build !nolab

package main

import (
	"net/http"

	"github.com/spf13/cobra"
)

func newSandboxResetCmd() *cobra.Command {
	var f controlFlags
	cmd := &cobra.Command{
		Use:   "reset",
		Short: "Take a running sandbox back to the state of its start",
		Long: `Takes a running sandbox back to what it was when it was ready, for the next test: it ends
open requests (401), forgets outcomes, removes users and parties that were added since,
and gives all others their state, PIN, behaviour and location of the start.

The CA, the serial numbers of accounts and the keys of their cards stay; but a SIM that
was activated since is a new card. Accounts that only a person or an import of cards made
stay, too.

` + controlExitCodes,
		Example: `  signum sandbox reset --sandbox ./box`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.call(cmd.Context(), http.MethodPost, "reset", nil, nil)
		},
	}
	f.register(cmd)
	return cmd
}
