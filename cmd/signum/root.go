package main

import "github.com/spf13/cobra"

func newRootCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "signum",
		Short: "A Mobile Signature Service Provider (ETSI TS 102 204)",
		Long: `Signum asks a mobile user's phone to show a text and to sign it, and gives the
application that asked a CMS signature. It speaks ETSI TS 102 204 over REST and
SOAP in the dialect of Swisscom Mobile ID.

sign, status, receipt and profile are the calls of the interface. They work with
any service that speaks it. verify checks a signature and needs no service.` + labHelp,
		Version:       build().version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	cmd.AddCommand(newSignCmd(), newStatusCmd(), newReceiptCmd(), newProfileCmd(), newVerifyCmd(), newVersionCmd())
	cmd.AddCommand(labCommands()...)
	return cmd
}
