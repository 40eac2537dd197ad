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
any service that speaks it. verify checks a signature and needs no service.

serve runs the service with a configuration file.` + labHelp + `

Every command exits with 0 if it did its work. The other exit codes are in its help.`,
		Version:       build().line(),
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	addGroup(cmd, &cobra.Group{ID: "party", Title: "For application providers:"},
		newSignCmd(), newStatusCmd(), newReceiptCmd(), newProfileCmd(), newVerifyCmd())
	addGroup(cmd, &cobra.Group{ID: "operator", Title: "For operators:"}, newServeCmd(), newConfigCmd(), newCACmd(),
		newMigrateCmd(), newBackupCmd(), newRestoreCmd(), newCheckCmd(), newPartyCmd(), newUserCmd(), newSimCmd())
	if lab := labCommands(); len(lab) > 0 {
		addGroup(cmd, &cobra.Group{ID: "sandbox", Title: "Sandbox:"}, lab...)
	}
	cmd.AddCommand(newHealthCmd(), newVersionCmd())
	refuseUnknown(cmd)
	fitHelp(cmd)
	return cmd
}

func addGroup(cmd *cobra.Command, g *cobra.Group, members ...*cobra.Command) {
	cmd.AddGroup(g)
	for _, m := range members {
		m.GroupID = g.ID
		cmd.AddCommand(m)
	}
}
