//go:build !nolab

package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// phoneRequest is a request as a phone shows it.
type phoneRequest struct {
	ID        string `json:"id"`
	MSISDN    string `json:"msisdn"`
	Operation string `json:"operation"`
	Method    string `json:"method"`
	APID      string `json:"ap_id"`
	Party     string `json:"party"`
	Text      string `json:"text"`
	Title     string `json:"title"`
	Rows      []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"rows"`
	Choices []string `json:"choices"`
	Shown   bool     `json:"shown"`
	Held    bool     `json:"held"`
}

// print writes what the user sees.
func (r *phoneRequest) print(out io.Writer) error {
	lines := []string{
		"id        " + printable(r.ID), "number    " + printable(r.MSISDN), "kind      " + printable(r.Operation) + ", " + printable(r.Method),
		"from      " + printable(cmp.Or(r.Party, r.APID)),
	}
	if r.Title != "" {
		lines = append(lines, "title     "+printable(r.Title))
	}
	for _, row := range r.Rows {
		lines = append(lines, "row       "+printable(row.Key)+": "+printable(row.Value))
	}
	if len(r.Rows) == 0 {
		lines = append(lines, "text      "+printable(r.Text))
	}
	if len(r.Choices) > 0 {
		lines = append(lines, "choices   "+printable(strings.Join(r.Choices, " ")))
	}
	_, err := fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

func newPhoneAwaitCmd() *cobra.Command {
	var f controlFlags
	var timeout time.Duration
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "await NUMBER",
		Short: "Wait for the next request to a phone, and hold it",
		Long: `Waits until a phone of NUMBER shows a request, prints it, and holds it: the user does
nothing until "signum phone answer" says what. A request that is on the screen already
counts, unless an earlier await has printed it. A user who approves at once can be
faster: begin to wait first, or give the user the behaviour hold.

` + controlExitCodes,
		Example: `  signum phone set --sandbox ./box +41791000001 hold
  signum phone await --sandbox ./box +41791000001 --timeout 1m`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			c := controlCall{
				path:        "phones/" + url.PathEscape(withPlus(args[0])) + "/await?timeout=" + timeout.String(),
				contentType: "application/json", body: http.NoBody, timeout: timeout + 10*time.Second, limit: maxControlAnswer,
			}
			var raw json.RawMessage
			if err := f.send(cmd.Context(), c, &raw); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), raw)
			}
			var r phoneRequest
			if err := json.Unmarshal(raw, &r); err != nil {
				return err
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	f.register(cmd)
	cmd.Flags().DurationVar(&timeout, "timeout", 30*time.Second, "how long to wait, up to 5m")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func newPhoneRequestsCmd() *cobra.Command {
	var f controlFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "requests",
		Short: "List the requests that phones have now",
		Long: `Lists what the phones of a sandbox are asked for now, oldest first.

` + controlExitCodes,
		Example: `  signum phone requests --sandbox ./box`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Requests []json.RawMessage `json:"requests"`
			}
			if err := f.call(cmd.Context(), http.MethodGet, "requests", nil, &answer); err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return printJSON(out, answer)
			}
			if len(answer.Requests) == 0 {
				_, err := fmt.Fprintln(out, "no phone has a request")
				return err
			}
			for i, raw := range answer.Requests {
				var r phoneRequest
				err := json.Unmarshal(raw, &r)
				if i > 0 && err == nil {
					_, err = fmt.Fprintln(out)
				}
				if err == nil {
					err = r.print(out)
				}
				if err != nil {
					return err
				}
			}
			return nil
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func newPhoneAnswerCmd() *cobra.Command {
	var f controlFlags
	var times int
	var location string
	cmd := &cobra.Command{
		Use:   "answer ID ACT",
		Short: "Let the user of a phone act on a request",
		Long: `Lets the user do ACT with the request ID, which "signum phone await" and "signum phone
requests" print. ACT is approve, cancel, report, wrong-pin, bad-signature, silent, hold,
or release, which is what the user usually does, optionally with a delay, such as
approve:2s. --times is how many wrong PINs come before the right one.

` + controlExitCodes,
		Example: `  signum phone answer --sandbox ./box h4kq7 approve`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			do, after := cutAct(args[1])
			body := make(map[string]any)
			if after != "" {
				body["after"] = after
			}
			if times != 0 {
				body["times"] = times
			}
			if location != "" {
				body["location"] = location
			}
			return f.post(cmd.Context(), "requests/"+url.PathEscape(args[0])+"/"+url.PathEscape(do), body, nil)
		},
	}
	f.register(cmd)
	cmd.Flags().IntVar(&times, "times", 0, "wrong PINs before the right one, 1 or 2; default until the PIN is blocked")
	cmd.Flags().StringVar(&location, "location", "", "where the user is from then on")
	return cmd
}

// cutAct separates an act from its delay.
func cutAct(act string) (do, after string) {
	do, after, _ = strings.Cut(act, ":")
	return do, after
}

func newPhoneScriptCmd() *cobra.Command {
	var f controlFlags
	var number string
	var drop bool
	cmd := &cobra.Command{
		Use:   "script [ACT...]",
		Short: "Say what phones do with the next requests, one after the other",
		Long: `Sets what happens to the next requests: the first ACT to the next one, and so on. After
that, users do what they usually do. With --number, only the phones of that number are
meant. Without an ACT, the command prints what is left; --drop drops it. ACT is
a behaviour (see "signum phone set"), or one of

  wrong-key    the signature is by another key: 503
  other-text   the phone shows and signs another text: 503
  twice        the answer comes twice
  late         the answer comes when it is too late: 208

optionally with a delay, such as cancel:2s. Steps that match only some requests are set
over HTTP: see docs/control.md.

` + controlExitCodes,
		Example: `  signum phone script --sandbox ./box --number +41791000001 cancel wrong-pin approve:2s`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			path := "script"
			if number != "" {
				path = "phones/" + url.PathEscape(withPlus(number)) + "/script"
			}
			switch {
			case drop && len(args) > 0:
				return errors.New("--drop drops the script: give no ACT")
			case drop:
				return f.call(cmd.Context(), http.MethodDelete, path, nil, nil)
			}
			var left struct {
				Steps json.RawMessage `json:"steps"`
			}
			method, body := http.MethodGet, any(nil)
			if len(args) > 0 {
				steps := []any{}
				for _, a := range args {
					steps = append(steps, stepOf(a))
				}
				method, body = http.MethodPut, map[string]any{"steps": steps}
			}
			if err := f.call(cmd.Context(), method, path, body, &left); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), left)
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&number, "number", "", "only the phones of this number")
	cmd.Flags().BoolVar(&drop, "drop", false, "drop what is left")
	return cmd
}

// stepOf is a step of a script from an act of the command line, such as cancel:2s.
func stepOf(act string) map[string]any {
	do, after := cutAct(act)
	a := map[string]any{"do": do}
	if after != "" {
		a["after"] = after
	}
	return map[string]any{"act": a}
}
