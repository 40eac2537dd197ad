package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
)

// trace is the answer about a card.
type trace struct {
	Text      string          `json:"text"`
	Exchanges json.RawMessage `json:"exchanges"`
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}

func newSimTraceCmd() *cobra.Command {
	var f adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "trace MSISDN",
		Short: "Show the last exchanges with a SIM card, layer by layer",
		Long: `Shows the exchanges between the service and the SIM card of MSISDN, oldest first: the
last 40 short messages and the events between them. Each message is decoded as far
as the service can read it:

  SMPP     addresses, esm_class, protocol id and data coding; the SMSC's answer
  UDH      the kind of message, and which part of how many it is
  SCP80    the secured packet: security parameters, keys by their number, TAR,
           counter, status, and whether the checksum was right
  applet   the request to the card or its answer, and the PIN tries left

Times are UTC. Texts, PINs, keys and signatures are left out; their sizes are shown.
Traces are kept in memory, for the most recently used cards, until the service stops.
Several nodes are asked together; each message says which node had it, and a node that
does not answer within 2 s is named.

With --json the output is an array with one object for each exchange.

` + controlExitCodes,
		Example: `  signum sim trace --sandbox ./box +41791000001
  signum sim trace --sandbox ./box --json +41791000001 | jq '.[] | select(.packet.status)'`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			var t trace
			if err := f.post(cmd.Context(), "sim/trace", map[string]string{"msisdn": withPlus(args[0])}, &t); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			switch {
			case asJSON:
				return printJSON(out, t.Exchanges)
			case t.Text == "":
				_, err := fmt.Fprintln(cmd.ErrOrStderr(), "no exchange since the service started")
				return err
			}
			_, err := io.WriteString(out, printableLines(t.Text))
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON array, for scripts")
	return cmd
}
