package main

import (
	"github.com/spf13/cobra"
)

func newSimEndCmd() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "end MSISDN",
		Short: "End the SIM of a user",
		Long: `Revokes the certificate of the user's SIM and makes the SIM inactive. Requests are answered
as if the user had no SIM: with 105, or by the user's App if there is one. No request
activates the SIM again, also not for a party with auto activation, until "signum sim
reopen" or until its owner asks for it on the self-care pages.

` + controlExitCodes,
		Example: `  signum sim end --sandbox ./box +41791000001`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.post(cmd.Context(), "sim/end", map[string]string{"msisdn": withPlus(args[0])}, nil)
		},
	}
	f.register(cmd)
	return cmd
}

func newSimReopenCmd() *cobra.Command {
	var f adminFlags
	var keep bool
	cmd := &cobra.Command{
		Use:   "reopen MSISDN",
		Short: "Let a SIM that has ended be activated again",
		Long: `Makes the user's SIM REGISTERED again. The next request of a party with auto activation
activates it: the user chooses a PIN, and the SIM makes a new key. The account then gets
another serial number and its Apps end, unless its owner consents or you use
--keep-serial. Use that flag only if you have checked that the card is in the hands of
the owner of the account; it counts for 90 days.

` + controlExitCodes,
		Example: `  signum sim reopen --sandbox ./box --keep-serial +41791000001`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.post(cmd.Context(), "sim/reopen", reopenRequest{withPlus(args[0]), keep}, nil)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&keep, "keep-serial", false, "keep the serial number and the Apps of the account")
	return cmd
}

type reopenRequest struct {
	MSISDN string `json:"msisdn"`
	Keep   bool   `json:"keep_serial,omitempty"`
}
