package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newRootCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "signum",
		Short: "A Mobile Signature Service Provider (ETSI TS 102 204)",
		Long: `Signum asks a mobile user's phone to show a text and to sign it, and gives the
application that asked a CMS signature. It speaks ETSI TS 102 204 over REST and
SOAP in the dialect of Swisscom Mobile ID.

Start with the sandbox, then sign in another terminal:

  signum sandbox --dir ./box
  signum sign --sandbox ./box +41791000001 "Login to example.com?"

sign, status, receipt and profile are the calls of the interface, for any
service that speaks it; verify needs no service; phone makes the simulated
phones of a sandbox do things; user invites a person with a browser, and imports
SIM cards; sim moves, blocks and shows them.`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(newSandboxCmd(), newSignCmd(), newStatusCmd(), newReceiptCmd(), newProfileCmd(),
		newVerifyCmd(), newPhoneCmd(), newUserCmd(), newSimCmd())
	return cmd
}

func version() string {
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "(devel)"
}
