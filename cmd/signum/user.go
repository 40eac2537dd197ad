package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"rsc.io/qr"
)

func newUserCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Manage the mobile users of a running node or sandbox",
	}
	cmd.AddCommand(newUserAddCmd(), newUserSetCmd(), newUserRemoveCmd(), newUserListCmd(), newUserShowCmd(), newUserRemoveAppCmd(), newUserInviteCmd(), newUserImportCmd())
	return cmd
}

// invitation is the answer to an invite.
type invitation struct {
	MSISDN  string    `json:"msisdn"`
	Code    string    `json:"code"`
	URL     string    `json:"url"`
	Expires time.Time `json:"expires"`
}

func newUserInviteCmd() *cobra.Command {
	var f adminFlags
	var asJSON, asQR, trusted bool
	cmd := &cobra.Command{
		Use:   "invite MSISDN",
		Short: "Make an activation code with which a person enrols an App",
		Long: `Makes an activation code for MSISDN and prints it with the address of the phone page.
Open the address in a browser, or scan it with --qr: the page makes keys, asks for a
passcode, and is then a phone of that user. A code works once and for 15 minutes; a
new code replaces earlier ones. A number without an account gets one.

If the account has been used before, the page asks for the recovery code. Without it
the user gets a new serial number, which no party knows, and the other phones of the
account are switched off. With --trusted the account stays as it is, as if the user
had requested the code on the self-care page.

With --json the output is {"msisdn": …, "code": …, "url": …, "expires": …}.

` + controlExitCodes,
		Example: `  signum user invite --config signum.yaml +41791000002
  signum user invite --sandbox ./box --json +41791234567 | jq -r .url`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			var i invitation
			err := f.post(cmd.Context(), "invite", map[string]any{"msisdn": withPlus(args[0]), "trusted": trusted}, &i)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, i)
			}
			var t rows
			t.add("Number", i.MSISDN)
			t.add("Code", i.Code)
			t.add("Open", i.URL)
			t.add("Valid until", i.Expires.Local().Format(time.DateTime))
			if _, err := io.WriteString(out, t.String()); err != nil || !asQR {
				return err
			}
			picture, err := terminalQR(i.URL)
			if err != nil {
				return err
			}
			_, err = io.WriteString(out, "\n"+picture)
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	cmd.Flags().BoolVar(&trusted, "trusted", false, "keep the serial number without a recovery code")
	cmd.Flags().BoolVar(&asQR, "qr", false, "print a QR code as well, to scan from the terminal")
	return cmd
}

// quietZone is the margin around a QR code, in modules (ISO/IEC 18004, 6.3.8).
const quietZone = 4

// terminalQR draws a QR code with half blocks, dark on light: two rows of
// modules in a line.
func terminalQR(text string) (string, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return "", fmt.Errorf("drawing the QR code: %w", err)
	}
	var b strings.Builder
	for y := -quietZone; y < code.Size+quietZone; y += 2 {
		b.WriteString("\x1b[30;107m")
		for x := -quietZone; x < code.Size+quietZone; x++ {
			b.WriteString(halves[code.Black(x, y)][code.Black(x, y+1)])
		}
		b.WriteString("\x1b[0m\n")
	}
	return b.String(), nil
}

// halves maps the upper and the lower module to a character.
var halves = map[bool]map[bool]string{
	true:  {true: "█", false: "▀"},
	false: {true: "▄", false: " "},
}
