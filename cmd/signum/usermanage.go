package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
)

const usersPath = "users"

func userPath(msisdn string) string { return usersPath + "/" + url.PathEscape(withPlus(msisdn)) }

const userSettingsHelp = `
An operator sets only --state active or suspended. The rest is for the users of a
sandbox, whose phones are simulated.

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
	if !withLab {
		fl.StringVar(&s.state, "state", "", "state of the account: active or suspended")
		return
	}
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
		state, err := parseState(s.state)
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
	var f adminFlags
	var s userSettings
	cmd := &cobra.Command{
		Use:   "add NUMBER",
		Short: "Add a user",
		Long: `Adds the user NUMBER. In a node the user gets an account without a phone: an App comes
with "signum user invite", a SIM with "signum user import". An account that exists stays
as it is.

In a sandbox the user gets account and phones, or is replaced. Without further flags the
user has a SIM and an App and signs at once. With --phones web the App is a person's: see
"signum user invite". Later runs with the directory keep the user.

A NUMBER that ends with an asterisk is a pattern: a number that begins so gets its user
when a party first asks for it. The longest pattern wins, and a user of exactly this
number wins over all. Patterns make at most 10000 users in one run.
` + userSettingsHelp + "\n" + controlExitCodes,
		Example: `  signum user add --config signum.yaml +41797895164
  signum user add --sandbox ./box +41797895164 --state pin-blocked
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
	var f adminFlags
	var s userSettings
	cmd := &cobra.Command{
		Use:   "set NUMBER",
		Short: "Change a user",
		Long: `Changes what the flags name of the user NUMBER; the rest stays. In a sandbox, an empty
value gives a setting its default again.

A user whose account is suspended cannot sign (403) and not log in to the self-care pages.
"--state active" ends a suspension, also one that the user or an objection caused.

Another method is another phone; the account keeps its serial number, by which parties
know the user. Another kind of key is another SIM card, and with a new card the account
gets another serial number, as with the real service. "--state active" repairs everything:
it unblocks PINs and replaces certificates, and the account keeps its serial number.
` + userSettingsHelp + "\n" + controlExitCodes,
		Example: `  signum user set --config signum.yaml +41791000001 --state suspended
  signum user set --sandbox ./box +41791000001 --state certificate-expired
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
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "remove NUMBER",
		Short: "Remove a user",
		Long: `Removes the user NUMBER with account and phones. Certificates are revoked, open requests
end, and the number is unknown (105) from now on. Its SIM card is retired for good.

In a sandbox: of a pattern, only the pattern is removed; a user that a
pattern made comes back with the next request, unless "user add" gives the number the
state no-account. The users of every sandbox can be removed, too.

` + controlExitCodes,
		Example: `  signum user remove --config signum.yaml +41797895164
  signum user remove --sandbox ./box +41797895164
  signum user remove --sandbox ./box '+4179001*'`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.call(cmd.Context(), http.MethodDelete, userPath(args[0]), nil, nil)
		},
	}
	f.register(cmd)
	return cmd
}
