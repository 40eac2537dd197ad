//go:build !nolab

package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

// cancelled is a request to a phone that has ended.
type cancelled struct {
	MSISDN    string `json:"msisdn"`
	APID      string `json:"ap_id,omitempty"`
	TransID   string `json:"mssp_trans_id"`
	Operation string `json:"operation"`
}

func newPhoneCancelCmd() *cobra.Command {
	var f controlFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "cancel NUMBER",
		Short: "End what the phones of a number are asked for",
		Long: `Ends open requests to the phones of NUMBER as if the user had pressed Cancel: the party
gets 401, whether it waits or asks for the outcome later. So a number that is busy (406),
because a program stopped in the middle of a request, can be asked again at once. Signatures,
activations and receipts end. The command prints what has ended.

` + controlExitCodes,
		Example: `  signum phone cancel --sandbox ./box +41791000001`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			var answer struct {
				Cancelled []cancelled `json:"cancelled"`
			}
			path := "phones/" + url.PathEscape(withPlus(args[0])) + "/cancel"
			if err := f.call(cmd.Context(), http.MethodPost, path, nil, &answer); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, answer)
			}
			if len(answer.Cancelled) == 0 {
				_, err := fmt.Fprintln(out, "nothing was open")
				return err
			}
			var errs []error
			for _, c := range answer.Cancelled {
				_, err := fmt.Fprintf(out, "cancelled: %s of %s, transaction %s\n", printable(c.Operation), printable(c.APID), printable(c.TransID))
				errs = append(errs, err)
			}
			return errors.Join(errs...)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}
