//go:build !nolab

package main

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/scenario"
)

const usersPath = "/sandbox/v1/users"

func userPath(msisdn string) string { return usersPath + "/" + url.PathEscape(withPlus(msisdn)) }

const userSettingsHelp = `
--methods is SIM, App, SIM,App or none. A SIM has a key of --key EC or RSA; the protocol
of Apps knows EC only. --state is one of

  active               signs
  no-account           the number is unknown: 105
  registered           the SIM waits for activation by a request, or 404;
                       no App is enrolled
  inactive             switched off: 105
  no-key               there is no key: 404
  pin-blocked          402
  certificate-expired  422
  certificate-revoked  501; profile queries get 404
  suspended            403

--network is the MCC and MNC of the SIM; only SIMs of 22801 can be located. --location
and --behaviour are as in "signum phone set", and stay in later runs.
`

// userSettings are the flags of a user.
type userSettings struct{ methods, key, state, network, location, behaviour string }

func (s *userSettings) register(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&s.methods, "methods", "", "SIM, App, SIM,App or none; default SIM,App")
	fl.StringVar(&s.key, "key", "", "kind of the SIM's key, EC or RSA; default EC")
	fl.StringVar(&s.state, "state", "", "state of the account and all its phones; default active")
	fl.StringVar(&s.network, "network", "", "MCC and MNC of the SIM; default 22801")
	fl.StringVar(&s.location, "location", "", "where the user is; default CH")
	fl.StringVar(&s.behaviour, "behaviour", "", "what the user does; default approve")
}

// body returns the JSON members of the flags that were given.
func (s *userSettings) body(cmd *cobra.Command) (map[string]any, error) {
	body := make(map[string]any)
	for _, f := range []struct{ flag, member, value string }{
		{"key", "key_type", strings.ToUpper(s.key)}, {"network", "network", s.network}, {"location", "location", s.location}, {"behaviour", "behaviour", s.behaviour},
	} {
		if cmd.Flags().Changed(f.flag) {
			body[f.member] = f.value
		}
	}
	for flag, value := range map[string]string{"state": s.state, "methods": s.methods} {
		if cmd.Flags().Changed(flag) && value == "" {
			body[flag] = nil // its default
		}
	}
	if s.state != "" {
		state, err := scenario.ParseState(s.state)
		if err != nil {
			return nil, fmt.Errorf("--%w", err)
		}
		body["state"] = state
	}
	if s.methods != "" {
		methods, err := parseMethods(s.methods)
		if err != nil {
			return nil, err
		}
		body["methods"] = methods
	}
	return body, nil
}

func parseMethods(text string) ([]signum.Method, error) {
	methods := []signum.Method{}
	if text == "none" {
		return methods, nil
	}
	for word := range strings.SplitSeq(text, ",") {
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "sim":
			methods = append(methods, signum.SIM)
		case "app":
			methods = append(methods, signum.App)
		default:
			return nil, fmt.Errorf("--methods %s: not one of SIM, App, SIM,App, none", text)
		}
	}
	return methods, nil
}

func newUserAddCmd() *cobra.Command {
	var f controlFlags
	var s userSettings
	cmd := &cobra.Command{
		Use:   "add NUMBER",
		Short: "Add a user, or replace one",
		Long: `Adds the user NUMBER with account and phones, or replaces the user. Without further
flags the user has a SIM and an App and signs at once. With --phones web the App is a
person's: see "signum user invite". Later runs with the directory keep the user.

A NUMBER that ends with an asterisk is a pattern: a number that begins so gets its user
when a party first asks for it. The longest pattern wins, and a user of exactly this
number wins over all. Patterns make at most 10000 users in one run.
` + userSettingsHelp + "\n" + controlExitCodes,
		Example: `  signum user add --sandbox ./box +41797895164 --state pin-blocked
  signum user add --sandbox ./box +41791234567 --methods App --behaviour cancel
  signum user add --sandbox ./box '+4179001*' --methods SIM`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := s.body(cmd)
			if err != nil {
				return err
			}
			return f.call(cmd.Context(), http.MethodPut, userPath(args[0]), body, nil)
		},
	}
	f.register(cmd)
	s.register(cmd)
	return cmd
}

func newUserSetCmd() *cobra.Command {
	var f controlFlags
	var s userSettings
	cmd := &cobra.Command{
		Use:   "set NUMBER",
		Short: "Change a user",
		Long: `Changes what the flags name of the user NUMBER; the rest stays. An empty value gives a
setting its default again.

Another method is another phone; the account keeps its serial number, by which parties
know the user. Another kind of key is another SIM card, and with a new card the account
gets another serial number, as with the real service. "--state active" repairs everything:
it unblocks PINs and replaces certificates, and the account keeps its serial number.
` + userSettingsHelp + "\n" + controlExitCodes,
		Example: `  signum user set --sandbox ./box +41791000001 --state certificate-expired
  signum user set --sandbox ./box +41791000001 --state active
  signum user set --sandbox ./box +41791000001 --network 26201 --location DE`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := s.body(cmd)
			if err != nil {
				return err
			}
			if len(body) == 0 {
				return fmt.Errorf("nothing to change; see %s --help", cmd.CommandPath())
			}
			return f.call(cmd.Context(), http.MethodPatch, userPath(args[0]), body, nil)
		},
	}
	f.register(cmd)
	s.register(cmd)
	return cmd
}

func newUserRemoveCmd() *cobra.Command {
	var f controlFlags
	cmd := &cobra.Command{
		Use:   "remove NUMBER",
		Short: "Remove a user",
		Long: `Removes the user NUMBER with account and phones. Open requests end, and the number is
unknown (105) from now on. Of a pattern, only the pattern is removed; a user that a
pattern made comes back with the next request, unless "user add" gives the number the
state no-account. The users of every sandbox can be removed, too.

` + controlExitCodes,
		Example: `  signum user remove --sandbox ./box +41797895164
  signum user remove --sandbox ./box '+4179001*'`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.call(cmd.Context(), http.MethodDelete, userPath(args[0]), nil, nil)
		},
	}
	f.register(cmd)
	return cmd
}

func newUserListCmd() *cobra.Command {
	var f controlFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Long: `Lists the users as they are now, with those that patterns made, then the patterns.
A PIN that was blocked by wrong entries shows as the state pin-blocked.

` + controlExitCodes,
		Example: `  signum user list --sandbox ./box
  signum user list --sandbox ./box --json`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var all struct {
				Users []scenario.User `json:"users"`
			}
			if err := f.call(cmd.Context(), http.MethodGet, usersPath, nil, &all); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), all)
			}
			return printUsers(cmd.OutOrStdout(), all.Users)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func printUsers(w io.Writer, users []scenario.User) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NUMBER\tMETHODS\tKEY\tSTATE\tNETWORK\tLOCATION\tBEHAVIOUR")
	for _, u := range users {
		var methods []string
		for _, m := range u.Methods {
			methods = append(methods, string(m))
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", printable(u.MSISDN), cmp.Or(printable(strings.Join(methods, ",")), "none"), printable(string(u.KeyType)),
			printable(u.State.Flag()), cmp.Or(printable(u.Network), "-"), cmp.Or(printable(u.Location), "-"), cmp.Or(printable(u.Behaviour), "-"))
	}
	return t.Flush()
}
