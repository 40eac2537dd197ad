package main

import (
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

func newSimCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Move, block, end, show and trace the SIM cards of a running node or sandbox",
		Long: `Commands for the SIM cards of a running node or sandbox. "signum user import" adds cards. Each
has an ICCID, the 18 to 20 digits that are printed on it; the last is a check digit.`,
	}
	cmd.AddCommand(newSimSwapCmd(), newSimRenumberCmd(), newSimBlockCmd(), newSimUnblockCmd(), newSimEndCmd(), newSimReopenCmd(), newSimAdvanceCmd(), newSimShowCmd(), newSimTraceCmd())
	return cmd
}

func newSimSwapCmd() *cobra.Command {
	var f adminFlags
	var keep bool
	cmd := &cobra.Command{
		Use:   "swap MSISDN ICCID",
		Short: "Give a user another SIM card from stock",
		Long: `Gives the user of MSISDN the card ICCID, which must be in stock: imported with an
empty msisdn. The old card is retired for good: nothing is sent to it any more, and
the certificate of its key is revoked (cessationOfOperation). The new SIM makes its key
when it is activated; until then requests to it are answered with 404.

When the new SIM is activated, the account gets another serial number and its Apps
end: parties notice that the user has another SIM. The account keeps both if its owner
consents to the new SIM beforehand, or with --keep-serial. Use that flag only if you
have checked that the person who gets the card is the owner of the account; it counts
for 90 days.

A request that is on the old phone can no longer be answered and expires. Swapping to
the same card again changes nothing.

` + controlExitCodes,
		Example: `  signum sim swap --sandbox ./box +41791000001 89410123456789012342
  signum sim swap --sandbox ./box --keep-serial +41791000001 89410123456789012342`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.post(cmd.Context(), "sim/swap", swapRequest{withPlus(args[0]), args[1], keep}, nil)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&keep, "keep-serial", false, "keep the serial number and the Apps of the account")
	return cmd
}

type swapRequest struct {
	MSISDN string `json:"msisdn"`
	ICCID  string `json:"iccid"`
	Keep   bool   `json:"keep_serial,omitempty"`
}

func newSimRenumberCmd() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "renumber OLD NEW",
		Short: "Give a user another number",
		Long: `Moves the account of the number OLD, with its SIM card, its Apps and its
certificates, to the number NEW, which must have no account. The user need not
activate anything: a certificate names the account, not the number.

` + controlExitCodes,
		Example: `  signum sim renumber --sandbox ./box +41791000001 +41791000099`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.post(cmd.Context(), "sim/renumber", map[string]string{"from": withPlus(args[0]), "to": withPlus(args[1])}, nil)
		},
	}
	f.register(cmd)
	return cmd
}

func newSimBlockCmd() *cobra.Command {
	return newSimStateCmd("BLOCKED", &cobra.Command{
		Use:   "block ICCID",
		Short: "Block a SIM card that is lost or stolen",
		Long: `Blocks the card: from now on nothing is sent to it. Requests are answered as if the user
had no SIM: with 105, or by the user's App if there is one. Nothing is revoked: signum
sim unblock restores everything.

` + controlExitCodes,
		Example: `  signum sim block --sandbox ./box 89410123456789012342`,
	})
}

func newSimUnblockCmd() *cobra.Command {
	return newSimStateCmd("ACTIVE", &cobra.Command{
		Use:   "unblock ICCID",
		Short: "Unblock a blocked SIM card",
		Long: `Undoes signum sim block. The SIM still has its key. If the SIM has ended meanwhile, or its
certificate was revoked, it stays inactive.

` + controlExitCodes,
		Example: `  signum sim unblock --sandbox ./box 89410123456789012342`,
	})
}

func newSimStateCmd(state string, cmd *cobra.Command) *cobra.Command {
	var f adminFlags
	cmd.Args = argumentsOfUse
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return f.post(cmd.Context(), "sim/state", map[string]string{"iccid": args[0], "state": state}, nil)
	}
	f.register(cmd)
	return cmd
}

// cardInfo is the answer about a card.
type cardInfo struct {
	ICCID        string    `json:"iccid"`
	State        string    `json:"state"`
	MSISDN       string    `json:"msisdn,omitempty"`
	KeySet       int       `json:"key_set"`
	Algorithm    string    `json:"algorithm"`
	Profile      string    `json:"profile"`
	Counter      uint64    `json:"counter"`
	ReplyCounter uint64    `json:"reply_counter"`
	Created      time.Time `json:"created"`
	Changed      time.Time `json:"changed"`
	SIM          *simInfo  `json:"sim,omitempty"`
}

type simInfo struct {
	DeviceID     string           `json:"device_id"`
	Account      string           `json:"account"`
	AccountState string           `json:"account_state"`
	State        string           `json:"state"`
	KeyType      string           `json:"key_type,omitempty"`
	PINBlocked   bool             `json:"pin_blocked"`
	Certificate  *certificateInfo `json:"certificate,omitempty"`
}

type certificateInfo struct {
	Serial   string    `json:"serial"`
	State    string    `json:"state"`
	NotAfter time.Time `json:"not_after"`
}

func newSimShowCmd() *cobra.Command {
	var f adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show MSISDN|ICCID",
		Short: "Show a SIM card, without its keys",
		Long: `Shows the card ICCID, or the card of MSISDN: its state (ACTIVE, BLOCKED, RETIRED,
STOCK), its key set and profile, the last counter used in messages to it, the highest counter it
has used itself, and the SIM and account that it belongs to. Keys are never shown.

` + controlExitCodes,
		Example: `  signum sim show --sandbox ./box +41791000001
  signum sim show --sandbox ./box --json 89410123456789012342 | jq .sim.state`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			var c cardInfo
			if err := f.post(cmd.Context(), "sim/show", map[string]string{"card": args[0]}, &c); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), c)
			}
			return c.print(cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (c *cardInfo) print(w io.Writer) error {
	var t rows
	t.add("Card", c.ICCID)
	t.add("State", c.State)
	t.add("Number", c.MSISDN)
	t.add("Key set", fmt.Sprintf("%d, %s", c.KeySet, c.Algorithm))
	t.add("Profile", c.Profile)
	t.add("Counters", fmt.Sprintf("%d sent, %d received", c.Counter, c.ReplyCounter))
	if s := c.SIM; s != nil {
		t.add("Account", s.Account+" "+s.AccountState)
		state := s.State
		if s.KeyType != "" {
			state += ", " + s.KeyType
		}
		if s.PINBlocked {
			state += ", PIN blocked"
		}
		t.add("SIM", state)
		if x := s.Certificate; x != nil {
			t.add("Certificate", x.State+" "+x.Serial+", until "+x.NotAfter.Local().Format(time.DateTime))
		}
	}
	t.add("Imported", c.Created.Local().Format(time.DateTime))
	t.add("Changed", c.Changed.Local().Format(time.DateTime))
	_, err := io.WriteString(w, t.String())
	return err
}

// count formats a number for a row; zero omits the row.
func count(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}
