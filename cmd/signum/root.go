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
  signum sign --sandbox ./box +41791000001 "Login to example.com?"`,
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(newSandboxCmd(), newSignCmd(), newStatusCmd(), newVerifyCmd())
	return cmd
}

func version() string {
	if bi, ok := debug.ReadBuildInfo(); ok && bi.Main.Version != "" {
		return bi.Main.Version
	}
	return "(devel)"
}
