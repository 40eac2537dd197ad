package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"
)

const partiesPath = "parties"

func partyPath(apID string) string { return partiesPath + "/" + url.PathEscape(apID) }

// newPartyCmd manages the parties of a service. partyFlags name the party that calls one.
func newPartyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "party",
		Short: "Manage the parties (application providers) of a running node or sandbox",
		Long: `Adds parties to a running node or sandbox, changes, removes and lists them. A change
counts within a second.`,
	}
	cmd.AddCommand(newPartyAddCmd(), newPartySetCmd(), newPartyRemoveCmd(), newPartyListCmd())
	return cmd
}

const partySettingsHelp = `
Profiles are URIs, or the short names of "signum sign --help". Services are
URIs, or what follows the # in them, such as subscriberInfo. "none" stands for
an empty list. A limit is max_open=N, or NAME=PER_MINUTE/BURST with one of the
names requests, statuses, profiles, unknown, per_number, otp and otp_number.
The geofence is checked when a request asks for geofencing.
`

func newPartyAddCmd() *cobra.Command {
	var f adminFlags
	var s partySettings
	cmd := &cobra.Command{
		Use:   "add AP_ID",
		Short: "Add a party, or replace one",
		Long: `Adds the party AP_ID, or replaces it. Its client certificates identify it, and no text
needs a prefix without --prefix. --new-cert FILE makes a key and a certificate, and
writes both to FILE.

In a node a party needs a certificate, and may do what the flags say: without
--profile it may use AuthProfile1 only. In a sandbox it may do everything unless the
flags say less, and the certificates of the directory (ap.crt, ap-rsa.crt) identify
it, too, unless --shared-certs=false.
` + partySettingsHelp + "\n" + controlExitCodes,
		Example: `  signum party add --config signum.yaml mid://bank.example --cert bank.crt \
    --name "Example Bank" --prefix "Bank: " --profile any --profile device
  signum party add --sandbox ./box mid://bank.example --prefix "Bank: "
  signum party add --sandbox ./box mid://shop.example --new-cert shop.pem \
    --shared-certs=false --profile any --service none`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.apID = args[0]
			body, err := s.body(cmd)
			if err != nil {
				return err
			}
			return s.send(cmd, &f, http.MethodPut, args[0], body)
		},
	}
	f.register(cmd)
	s.register(cmd)
	return cmd
}

func newPartySetCmd() *cobra.Command {
	var f adminFlags
	var s partySettings
	var unset []string
	cmd := &cobra.Command{
		Use:   "set AP_ID",
		Short: "Change a party",
		Long: `Changes what the flags name of the party AP_ID; the rest stays. --unset gives a
setting its default again: --unset prefix, --unset password, --unset limits. A
list replaces the former one; --cert too, while --add-cert leaves those that the
party has in a node, so that a certificate can be exchanged without a gap.
` + partySettingsHelp + "\n" + controlExitCodes,
		Example: `  signum party set --config signum.yaml mid://bank.example --logo bank.png
  signum party set --config signum.yaml mid://bank.example --add-cert new.crt
  signum party set --sandbox ./box mid://sandbox --lang en --unset prefix
  signum party set --sandbox ./box mid://bank.example --password-file ap_pwd
  signum party set --sandbox ./box mid://bank.example --limit requests=6/2`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			s.apID = args[0]
			body, err := s.body(cmd)
			if err == nil {
				err = s.forget(body, unset)
			}
			if err != nil {
				return err
			}
			if len(body) == 0 && s.image == nil && !s.removeLogo {
				return fmt.Errorf("nothing to change; see %s --help", cmd.CommandPath())
			}
			return s.send(cmd, &f, http.MethodPatch, args[0], body)
		},
	}
	f.register(cmd)
	s.register(cmd)
	s.registerAddCert(cmd)
	cmd.Flags().StringArrayVar(&unset, "unset", nil, "give a setting its default again; the names are those of the flags; repeatable")
	return cmd
}

// send sends the settings. A new certificate that nobody accepted is of no use.
func (s *partySettings) send(cmd *cobra.Command, f *adminFlags, method, apID string, body map[string]any) error {
	err := s.keepPins(cmd.Context(), f, apID, body)
	if err == nil && (len(body) > 0 || method == http.MethodPut) {
		err = f.call(cmd.Context(), method, partyPath(apID), body, nil)
	}
	if err == nil {
		err = s.sendLogo(cmd.Context(), f, apID)
	}
	if err != nil && s.newCert != "" {
		err = errors.Join(err, os.Remove(s.newCert))
	}
	return err
}

func newPartyRemoveCmd() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "remove AP_ID",
		Short: "Remove a party",
		Long: `Removes the party AP_ID. Its requests are refused (104) from now on; what it
asked for stays on the phones until it is answered or expires. The parties that
every sandbox has can be changed but not removed.

` + controlExitCodes,
		Example: `  signum party remove --config signum.yaml mid://bank.example`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.call(cmd.Context(), http.MethodDelete, partyPath(args[0]), nil, nil)
		},
	}
	f.register(cmd)
	return cmd
}

func newPartyListCmd() *cobra.Command {
	var f adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the parties",
		Long: `Lists the parties. With --json it prints all settings; those that are absent
have their default. Of a password there is only the hash, and in a node of a
certificate its SHA-256.

` + controlExitCodes,
		Example: `  signum party list --config signum.yaml
  signum party list --sandbox ./box --json`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if asJSON {
				var all any
				if err := f.call(cmd.Context(), http.MethodGet, partiesPath, nil, &all); err != nil {
					return err
				}
				return printJSON(cmd.OutOrStdout(), all)
			}
			var all struct{ Parties []listedParty }
			if err := f.call(cmd.Context(), http.MethodGet, partiesPath, nil, &all); err != nil {
				return err
			}
			return printParties(cmd.OutOrStdout(), all.Parties)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

// listedParty is what the list shows of a party.
type listedParty struct {
	APID         string   `json:"ap_id"`
	Name         string   `json:"name"`
	Prefix       string   `json:"dtbd_prefix"`
	DefaultLang  string   `json:"default_lang"`
	Hash         string   `json:"password_hash"`
	Certificates []string `json:"certificates"`
	Pins         []string `json:"pins"`
}

func printParties(w io.Writer, parties []listedParty) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AP_ID\tNAME\tPREFIX\tLANG\tNEEDS")
	for _, p := range parties {
		var needs []string
		if p.Hash != "" {
			needs = append(needs, "AP_PWD")
		}
		if len(p.Certificates)+len(p.Pins) > 0 {
			needs = append(needs, "a certificate of its own")
		}
		fmt.Fprintf(t, "%s\t%s\t%q\t%s\t%s\n", printable(p.APID), cmp.Or(printable(p.Name), "-"), p.Prefix, cmp.Or(p.DefaultLang, "-"),
			cmp.Or(strings.Join(needs, ", "), "-"))
	}
	return t.Flush()
}
