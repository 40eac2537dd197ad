//go:build !nolab

package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

func newPhoneCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "phone",
		Short: "Control a simulated phone of a running sandbox",
		Long: `Commands for the phones of a running sandbox. A service with real users has no such
commands.`,
	}
	cmd.AddCommand(newPhoneOpenCmd(), newPhoneSetCmd(), newPhoneCancelCmd(), newPhoneAwaitCmd(), newPhoneAnswerCmd(), newPhoneRequestsCmd(), newPhoneScriptCmd())
	return cmd
}

func newPhoneOpenCmd() *cobra.Command {
	var f controlFlags
	cmd := &cobra.Command{
		Use:   "open AUTH_URI",
		Short: "Open a pending App2App request on its phone",
		Long: `Does what the party's app does on a real phone: it opens AUTH_URI, the address in
the first answer to an App2App request (signum sign --app2app prints it). The user is
then asked and behaves as usual. The command prints the URI with which the signing app
calls back, if there is one.

` + controlExitCodes,
		Example: `  # in one terminal; it prints "auth_uri mobileid://auth?…" and waits
  signum sign --sandbox ./box --app2app myapp://done +41791000002 "Pay 10 francs?"
  # in another; it prints myapp://done, and the first continues
  signum phone open --sandbox ./box "mobileid://auth?…"`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer struct {
				RedirectURI string `json:"redirect_uri"`
			}
			err := f.post(cmd.Context(), "open", map[string]string{"auth_uri": args[0]}, &answer)
			if err != nil || answer.RedirectURI == "" {
				return err
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), printable(answer.RedirectURI))
			return err
		},
	}
	f.register(cmd)
	return cmd
}

func newPhoneSetCmd() *cobra.Command {
	var f controlFlags
	var location string
	cmd := &cobra.Command{
		Use:   "set MSISDN [BEHAVIOUR]",
		Short: "Set what the user of a phone does from now on, and where the phone is",
		Long: `Sets what the user of MSISDN does with requests from now on and, with --location,
where the phone is. BEHAVIOUR is one of
` + behaviours() + `,
optionally with its own delay, such as cancel:5s. A location is a country (CH),
optionally with values other than the defaults (DE,accuracy=500,age=3h), an error code
of geofencing (error=103), or none.

` + controlExitCodes,
		Example: `  signum phone set --sandbox ./box +41791000001 cancel:5s
  signum phone set --sandbox ./box +41791000002 approve --location DE
  signum phone set --sandbox ./box +41791000002 --location CH`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"msisdn": withPlus(args[0])}
			if len(args) == 2 {
				body["behaviour"] = args[1]
			}
			if location != "" {
				body["location"] = location
			}
			if len(body) == 1 {
				return errors.New("nothing to set: give a BEHAVIOUR, --location, or both")
			}
			return f.post(cmd.Context(), "phone", body, nil)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&location, "location", "", "where the phone is: CH, DE,age=3h, error=103, none")
	return cmd
}
