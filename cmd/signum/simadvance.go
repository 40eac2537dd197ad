package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"
)

// defaultAdvance is more than a card uses in years, and a 2^24th of what it has.
const defaultAdvance = 1 << 16

func newSimAdvanceCmd() *cobra.Command {
	var f adminFlags
	var a advance
	cmd := &cobra.Command{
		Use:   "advance [CARD] [COUNT]",
		Short: "Move the counters towards cards forward, after a restore",
		Long: `Moves the counter of messages to a card forward by COUNT (` + strconv.Itoa(defaultAdvance) + `), or with --all those of
all cards. CARD is an ICCID or the number of a user.

Cards accept only counters that are higher than those that they have seen. After a
restore of the database the service is behind them. "signum restore" moves the counters by
itself, and the service finds the counter of a card that tells, in a proof that only the card can
make, that a counter was too low. Use this command for cards that do not tell so, or that
are further ahead.

A counter never goes back, and ends at 1099511627775 (2^40-1): a counter that would pass it stays
as it is and is counted as refused. The output says how many counters the card with the
fewest has left. If the command is interrupted, some counters were moved; repeating it
moves them again, which does no harm.

` + controlExitCodes,
		Example: `  signum sim advance --sandbox ./box --dry-run --all
  signum sim advance --sandbox ./box --all 100000
  signum sim advance --sandbox ./box +41791000001`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.parse(args); err != nil {
				return err
			}
			return a.run(cmd.Context(), &f, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&a.all, "all", false, "move the counters of all cards")
	cmd.Flags().BoolVar(&a.dry, "dry-run", false, "only say what would be done")
	return cmd
}

// advance is what the command was asked to do.
type advance struct {
	all, dry bool
	card     string
	by       uint64
}

func (a *advance) parse(args []string) error {
	switch {
	case a.all && len(args) > 1:
		return errors.New("--all and a CARD: give one of them")
	case !a.all && len(args) == 0:
		return errors.New("which card? give an ICCID or a number, or --all")
	}
	a.by = defaultAdvance
	if !a.all {
		a.card, args = args[0], args[1:]
	}
	if len(args) == 0 {
		return nil
	}
	var err error
	if a.by, err = strconv.ParseUint(args[0], 10, 40); err != nil || a.by == 0 {
		return fmt.Errorf("%s: COUNT must be a number from 1 to 1099511627775", printable(args[0]))
	}
	return nil
}

type advanceRequest struct {
	Card   string `json:"card,omitempty"`
	By     uint64 `json:"by"`
	DryRun bool   `json:"dry_run,omitempty"`
	After  string `json:"after,omitempty"`
}

// advanced is the answer to a part of the cards.
type advanced struct {
	Moved   int    `json:"moved"`
	Refused int    `json:"refused"`
	Least   uint64 `json:"least"`
	Last    string `json:"last"`
}

// run moves the counters, some thousand cards at a time.
func (a *advance) run(ctx context.Context, f *adminFlags, stdout, stderr io.Writer) error {
	total := advanced{Least: 1<<40 - 1}
	for {
		var part advanced
		err := f.post(ctx, "sim/advance", advanceRequest{a.name(), a.by, a.dry, total.Last}, &part)
		if err != nil {
			if total.Moved > 0 {
				fmt.Fprintf(stderr, "%d counters were moved before that\n", total.Moved)
			}
			return err
		}
		total = advanced{total.Moved + part.Moved, total.Refused + part.Refused, min(total.Least, part.Least), part.Last}
		if part.Last == "" {
			return a.report(stdout, total)
		}
		fmt.Fprintf(stderr, "%d cards\n", total.Moved+total.Refused)
	}
}

// name is the card as the service knows it: numbers have a plus sign, ICCIDs have more digits.
func (a *advance) name() string {
	if len(a.card) < 18 {
		return withPlus(a.card)
	}
	return a.card
}

func (a *advance) report(w io.Writer, n advanced) error {
	what := "Moved"
	if a.dry {
		what = "Would move"
	}
	var t rows
	t.add(what, fmt.Sprintf("%d by %d", n.Moved, a.by))
	t.add("Refused", count(n.Refused))
	if n.Moved+n.Refused > 0 {
		t.add("Least left", strconv.FormatUint(n.Least, 10))
	}
	if _, err := io.WriteString(w, t.String()); err != nil {
		return err
	}
	if n.Refused > 0 {
		return &exitError{exitRefused, fmt.Errorf("%d cards have too few counters left: import them with another key set", n.Refused)}
	}
	return nil
}
