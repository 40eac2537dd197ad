package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// listedUser is a user in the list of a sandbox or a node.
type listedUser struct {
	MSISDN    string   `json:"msisdn"`
	Methods   []string `json:"methods"`
	KeyType   string   `json:"key_type"`
	State     string   `json:"state"`
	Network   string   `json:"network"`
	Location  string   `json:"location"`
	Behaviour string   `json:"behaviour"`
}

func newUserListCmd() *cobra.Command {
	var f adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Long: `Lists the users as they are now, in the order of their numbers. In a sandbox those that
patterns made are among them, and the patterns follow; a PIN that was blocked by wrong
entries shows as the state pin-blocked.

` + controlExitCodes,
		Example: `  signum user list --config signum.yaml
  signum user list --sandbox ./box --json`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
			all := []json.RawMessage{}
			simulated, err := f.simulated()
			if err != nil {
				return err
			}
			if simulated {
				fmt.Fprintln(t, "NUMBER\tMETHODS\tKEY\tSTATE\tNETWORK\tLOCATION\tBEHAVIOUR")
			} else {
				fmt.Fprintln(t, "NUMBER\tMETHODS\tSTATE")
			}
			err = f.eachUser(cmd.Context(), func(page []json.RawMessage) error {
				if asJSON {
					all = append(all, page...)
					return nil
				}
				return printUsers(t, page, simulated)
			})
			if err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), map[string]any{"users": all})
			}
			return t.Flush()
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

// eachUser calls do with the pages of a list.
func (f *adminFlags) eachUser(ctx context.Context, do func([]json.RawMessage) error) error {
	for after := ""; ; {
		path := usersPath
		if after != "" {
			path += "?after=" + url.QueryEscape(after)
		}
		var page struct {
			Users []json.RawMessage `json:"users"`
			Next  string            `json:"next"`
		}
		if err := f.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return err
		}
		if err := do(page.Users); err != nil {
			return err
		}
		if after = page.Next; after == "" {
			return nil
		}
	}
}

// simulated reports whether the service is a sandbox.
func (f *adminFlags) simulated() (bool, error) {
	t, err := f.target()
	return err == nil && t.kind == sandboxKind, err
}

func printUsers(w io.Writer, users []json.RawMessage, simulated bool) error {
	for _, data := range users {
		var u listedUser
		if err := json.Unmarshal(data, &u); err != nil {
			return err
		}
		state := strings.ToLower(strings.ReplaceAll(u.State, "_", "-"))
		columns := []string{printable(u.MSISDN), cmp.Or(printable(strings.Join(u.Methods, ",")), "none"), printable(state)}
		if simulated {
			columns = slices.Insert(append(columns, dash(u.Network), dash(u.Location), dash(u.Behaviour)), 2, dash(u.KeyType))
		}
		fmt.Fprintln(w, strings.Join(columns, "\t"))
	}
	return nil
}

// dash stands for a value that is absent.
func dash(s string) string { return cmp.Or(printable(s), "-") }

// shownUser is a user of a node with all phones.
type shownUser struct {
	MSISDN string `json:"msisdn"`
	Serial string `json:"serial"`
	State  string `json:"state"`
	Phones []struct {
		ID          string           `json:"id"`
		Name        string           `json:"name"`
		Method      string           `json:"method"`
		State       string           `json:"state"`
		Ended       string           `json:"ended"`
		KeyType     string           `json:"key_type"`
		PINBlocked  bool             `json:"pin_blocked"`
		Certificate *certificateInfo `json:"certificate"`
	} `json:"phones"`
}

func newUserShowCmd() *cobra.Command {
	var f adminFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show NUMBER",
		Short: "Show a user with all phones",
		Long: `Shows the account of NUMBER: its state, and each SIM and App with its state, its
certificate, and its id for "signum user remove-app".

` + controlExitCodes,
		Example: `  signum user show --config signum.yaml +41791000001
  signum user show --config signum.yaml +41791000001 --json`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			var data json.RawMessage
			if err := f.call(cmd.Context(), http.MethodGet, userPath(args[0]), nil, &data); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), data)
			}
			var u shownUser
			if err := json.Unmarshal(data, &u); err != nil {
				return err
			}
			_, err := io.WriteString(cmd.OutOrStdout(), u.text())
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (u *shownUser) text() string {
	var t rows
	t.add("Number", u.MSISDN)
	t.add("Serial", u.Serial)
	t.add("State", strings.ToLower(u.State))
	for _, p := range u.Phones {
		state := strings.TrimSpace(p.State + " " + p.KeyType)
		if p.Ended != "" {
			state += ", ended by " + p.Ended
		}
		if p.PINBlocked {
			state += ", PIN blocked"
		}
		t.add(p.Method, strings.TrimSpace(p.ID+" "+p.Name)+": "+state)
		if c := p.Certificate; c != nil {
			t.add("Certificate", c.State+" "+c.Serial+", until "+c.NotAfter.Local().Format(time.DateTime))
		}
	}
	return t.String()
}

func newUserRemoveAppCmd() *cobra.Command {
	var f adminFlags
	cmd := &cobra.Command{
		Use:   "remove-app NUMBER ID",
		Short: "Remove an App, such as that of a phone that is lost",
		Long: `Removes the App ID from the account of NUMBER in a node and revokes its certificate. The
other phones of the user stay, and are told. "signum user show" lists the ids.

` + controlExitCodes,
		Example: `  signum user remove-app --config signum.yaml +41791000001 D4Q7K2M9XJ`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.call(cmd.Context(), http.MethodDelete, userPath(args[0])+"/apps/"+url.PathEscape(args[1]), nil, nil)
		},
	}
	f.register(cmd)
	return cmd
}
