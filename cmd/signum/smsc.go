//go:build !nolab

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/phones"
	"github.com/signum-mssp/signum/internal/mssp"
)

type smscFlags struct {
	cfg          phones.Config
	replies, log string
	events       string // file
	behaviours   map[string]string
}

// To whom phones answer, for --replies.
const (
	repliesAny    = "any"
	repliesSender = "sender"
)

func newSmscCmd() *cobra.Command {
	var f smscFlags
	cmd := &cobra.Command{
		Use:   "smsc",
		Short: "Run an SMSC with phones and SIM cards, for nodes that share them",
		Long: `Runs the mobile network of a sandbox as a process of its own: an SMSC (SMPP 3.4), and
phones with SIM cards that answer by themselves. Nodes and sandboxes bind to it as to an
operator's SMSC, several at a time.

The first run with a directory makes the cards. They have no signing key yet, as those
of an operator: the first request of a party with auto activation makes it. Later runs keep
the cards with their keys, PINs and counters, and add those that are missing. DIR has

  cards.csv      the cards, for "signum user import"
  transport.key  the key that protects the keys in it (--kek-file)
  smsc.yaml      the SMSC, for the configuration of a node
  smsc.json      address, password, and the token of the control address
  keys.json      the keys of the cards, for this program
  cards          what is on the cards: keys, PINs, counters

Phones approve after --phone-delay. --phone NUMBER=BEHAVIOUR makes the user of a number
do something else, and "signum phone set --sandbox DIR" does so later. BEHAVIOUR is one of
` + behaviours() + `,
optionally with its own delay, such as cancel:5s.

With --replies any, an answer of a phone goes to any node that is bound, in turn, as with SMSCs
that route by number. With --replies sender, it goes to the --system-id that asked last.

--events FILE appends a line of JSON for each thing that a user saw or did: kind (shown,
signed, text and so on), msisdn, time, text, and on a phone what the card knows of the
transaction. So a test can tell what phones showed.

--faults and "signum smsc faults" say what goes wrong with messages, in both directions:
probabilities (loss=0.1, duplicate, reorder, throttle, disconnect) and times
(delay=500ms, jitter=2s).

The line "ready" says that nodes can bind. /readyz of the control address, which
"signum health --url" asks, has the number of sessions and counts of messages.

Exit codes:
  0  stopped by a signal
  1  wrong usage, an address in use, or the directory cannot be used`,
		Example: `  signum smsc --dir ./phones
  signum smsc --dir ./phones --users 1000 --rsa 100 --addr 0.0.0.0:2775
  signum smsc --dir ./phones --phone +41795000001=cancel --faults loss=0.05`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	fl := cmd.Flags()
	fl.StringVar(&f.cfg.Dir, "dir", "", "directory of the cards; it is made if it does not exist (required)")
	fl.StringVar(&f.cfg.Addr, "addr", phones.DefaultAddr, "address of the SMSC; port 0 picks a free one")
	fl.StringVar(&f.cfg.ControlAddr, "control-addr", "", "address of phone commands and health (http); default a free\nport on loopback, control in smsc.json")
	fl.StringSliceVar(&f.cfg.SystemIDs, "system-id", []string{phones.DefaultSystemID}, "name with which nodes bind; repeatable")
	fl.StringVar(&f.cfg.Password, "password", "", "with which they bind, at most 8 characters; default a random\none, which the directory keeps")
	fl.IntVar(&f.cfg.Users, "users", 100, "how many phones there are, with numbers from --first on")
	fl.StringVar(&f.cfg.First, "first", phones.DefaultFirst, "number of the first")
	fl.IntVar(&f.cfg.RSA, "rsa", 0, "how many of them, the last ones, have a card for RSA keys")
	fl.DurationVar(&f.cfg.Delay, "phone-delay", 200*time.Millisecond, "how long a user takes to approve")
	fl.StringToStringVar(&f.behaviours, "phone", nil, "what the user of a number does, NUMBER=BEHAVIOUR; repeatable")
	fl.StringVar(&f.replies, "replies", repliesAny, "to whom phones answer: any node, or the sender")
	fl.StringVar(&f.cfg.Faults, "faults", "", "what goes wrong with messages, such as loss=0.1,delay=1s")
	fl.StringVar(&f.events, "events", "", "file for what users saw and did, a line of JSON each")
	fl.StringVar(&f.log, "log", "warn", "log level on standard error: debug, info, warn, error")
	cmd.AddCommand(newSmscFaultsCmd())
	return cmd
}

func newSmscFaultsCmd() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "faults [FAULTS]",
		Short: "Set what goes wrong with messages of a running SMSC",
		Long: `Sets what goes wrong with messages of a running "signum smsc" from now on, in both
directions, such as loss=0.1,delay=1s. Without FAULTS, nothing goes wrong any more.

` + controlExitCodes,
		Example: `  signum smsc faults --dir ./phones loss=0.1,duplicate=0.1
  signum smsc faults --dir ./phones`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"faults": ""}
			if len(args) == 1 {
				body["faults"] = args[0]
			}
			return (&controlFlags{sandbox: dir}).post(cmd.Context(), "faults", body, nil)
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "directory of the SMSC (required)")
	return cmd
}

// config completes the configuration from the flags.
func (f *smscFlags) config(stderr io.Writer) error {
	if f.cfg.Dir == "" {
		return fmt.Errorf("which directory? signum smsc keeps its cards in --dir DIR")
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.log)); err != nil {
		return fmt.Errorf("--log %s: not one of debug, info, warn, error", f.log)
	}
	f.cfg.Logger = slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
	if f.replies != repliesAny && f.replies != repliesSender {
		return fmt.Errorf("--replies %s: not one of %s, %s", f.replies, repliesAny, repliesSender)
	}
	f.cfg.AnswerSender = f.replies == repliesSender
	f.cfg.Behaviours = make(map[string]person.Behaviour)
	for msisdn, text := range f.behaviours {
		b, err := person.ParseBehaviour(text)
		if err != nil {
			return fmt.Errorf("--phone %s: %w", msisdn, err)
		}
		f.cfg.Behaviours[withPlus(msisdn)] = b
	}
	return nil
}

func (f *smscFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := f.config(stderr); err != nil {
		return err
	}
	if f.events != "" {
		file, err := os.OpenFile(f.events, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) // with full numbers and texts
		if err != nil {
			return err
		}
		defer file.Close()
		f.cfg.Observe = func(e person.Event) {
			if err := json.NewEncoder(file).Encode(eventLine(e)); err != nil {
				f.cfg.Logger.Error("event not written", "err", err)
			}
		}
	}
	n, err := phones.Open(f.cfg)
	if err != nil {
		return err
	}
	f.describe(stdout, n)
	if err := n.Run(ctx); err != nil {
		return err
	}
	fmt.Fprintln(stderr, errInterrupted)
	return nil
}

// phoneEvent is a line of --events.
type phoneEvent struct {
	Time    time.Time   `json:"time"`
	Kind    person.Kind `json:"kind"`
	MSISDN  string      `json:"msisdn"`
	Op      string      `json:"op,omitempty"`
	TransID string      `json:"trans_id,omitempty"`
	Party   string      `json:"party,omitempty"`
	Text    string      `json:"text,omitempty"`
	Code    signum.Code `json:"code,omitempty"`
	Reason  string      `json:"reason,omitempty"`
}

var opNames = map[mssp.DeviceOp]string{mssp.OpSign: "sign", mssp.OpActivate: "activate", mssp.OpDisplay: "display"}

func eventLine(e person.Event) phoneEvent {
	line := phoneEvent{Time: e.Time, Kind: e.Kind, MSISDN: e.MSISDN, TransID: e.TransID, Party: e.Party, Text: e.Text, Code: e.Code, Reason: e.Reason}
	if e.Kind != person.Text {
		line.Op = opNames[e.Op]
	}
	return line
}

// describe says what to do next.
func (f *smscFlags) describe(w io.Writer, n *phones.Network) {
	i, self := n.Info, selfProgram()
	file := func(name string) string { return quote(filepath.Join(f.cfg.Dir, name)) }
	fmt.Fprintf(w, "SMSC at %s with %d phones from %s on, of which %d are new.\n", i.Address, i.Users, i.First, n.Made)
	fmt.Fprintf(w, "\nFor a sandbox whose SIMs are these phones:\n\n")
	fmt.Fprintln(w, fold(self+" sandbox --dir ./box", fmt.Sprintf("--smsc smpp://%s:%s@%s", i.SystemIDs[0], i.Password, i.Address)))
	fmt.Fprintln(w, fold(self+" user import --sandbox ./box", fmt.Sprintf("--kek-file %s %s", file(phones.KEKFile), file(phones.CardsFile))))
	fmt.Fprintln(w, fold(self+" sign --sandbox ./box", i.First+" \"Login to example.com?\""))
	fmt.Fprintf(w, "\nA node takes %s into its configuration.\n", file(phones.YAMLFile))
	fmt.Fprintf(w, "To let a user do something else:\n\n")
	fmt.Fprintln(w, fold(self+" phone set --sandbox "+quote(f.cfg.Dir), i.First+" cancel"))
	fmt.Fprintf(w, "\nready smpp://%s\n", i.Address)
}

// labTarget is the network of phones in a directory; nil if there is none.
func labTarget(dir string) *target {
	i, err := phones.ReadInfo(dir)
	if err != nil {
		return nil
	}
	return &target{kind: "SMSC", base: i.Control, token: i.Token}
}
