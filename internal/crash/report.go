//go:build linux

package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
)

// report prints the figures of a run as a table, and then what is wrong.
func (r *run) report(w io.Writer) {
	engine := "PostgreSQL"
	if r.pg == nil {
		engine = "SQLite"
	}
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "\n| %s, seed %d | %s |\n|---|---|\n", engine, r.seed, r.length)
	row("kills survived (of them while starting)", "%d (%d)", r.kills, r.early)
	for _, name := range slices.Sorted(maps.Keys(r.others)) {
		row(name, "%d", r.others[name])
	}
	row("calls sent", "%d", r.sent)
	row("signatures", "%d", r.signed)
	if r.nodes > 1 {
		row("calls that were sent to two nodes at the same time", "%d", r.load.twice.Load())
		row("requests that phones with a SIM showed", "%d", r.shown)
		row("one-time passwords accepted (sent twice)", "%d (%d)", r.otps, r.otpTwice)
	}
	row("transactions in the database at the end", "%d", r.rows)
	row("outcomes checked by status query at the end (and between)", "%d (+%d)", r.asked, r.askedBetween)
	row("calls whose answer was lost, repeated: in the database, refused with 101 / not in it", "%d / %d", r.lostInserted, r.lostNot)
	row("calls whose fate the party did not learn", "%d", r.unknown)
	row("repetitions of answered calls refused", "%d", r.replays)
	row("receipts taken / refused as second ones", "%d / %d", r.receipts, r.secondReceipts)
	row("answers 900", "%d", r.unavailable)
	row("transactions that the service could not hand over, ended with 900", "%d", r.notAsked)
	row("208 and 209 of users who answer and have a minute", "%d", r.lateEnds)
	row("looks at the counters of all cards", "%d", r.looks)
	row("users who sign at the end", "%d", r.signAtTheEnd)
	row("start to ready, mean / max", "%s / %s", mean(r.starts), slices.Max(r.starts).Round(10*time.Millisecond))
	row("lost, doubled, changed, damaged", "%d", len(r.wrong))
	if len(r.wrong) > 0 {
		fmt.Fprintf(w, "\nwrong:\n  %s\n", strings.Join(r.wrong, "\n  "))
	}
}

func mean(all []time.Duration) time.Duration {
	var sum time.Duration
	for _, d := range all {
		sum += d
	}
	return (sum / time.Duration(len(all))).Round(10 * time.Millisecond)
}
