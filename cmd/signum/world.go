//go:build !nolab

package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
)

// worldInfo is a world of a sandbox.
type worldInfo struct {
	Name        string    `json:"name"`
	BaseURL     string    `json:"base_url"`
	PKIURL      string    `json:"pki_url"`
	APID        string    `json:"ap_id"`
	DTBDPrefix  string    `json:"dtbd_prefix"`
	Created     time.Time `json:"created"`
	Certificate string    `json:"certificate"`
	Key         string    `json:"key,omitempty"`
	ServerCA    string    `json:"server_ca,omitempty"`
	UserCA      string    `json:"user_ca,omitempty"`
}

func newWorldCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "world",
		Short: "Make and drop worlds of a running sandbox",
		Long: `A world has parties, numbers, phones and scripts of its own, and the CA of the sandbox.
Tests that run at the same time do not see each other if each has a world. A world is
gone when it is dropped or the sandbox ends.`,
	}
	cmd.AddCommand(newWorldAddCmd(), newWorldListCmd(), newWorldRemoveCmd())
	return cmd
}

func newWorldAddCmd() *cobra.Command {
	var f controlFlags
	var dir, behaviour string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "add [NAME]",
		Short: "Make a world",
		Long: `Makes a world with the users of every sandbox, which come when they are first asked for.
With --dir, the command writes the files for clients there, and the directory stands for
the world wherever a command takes --sandbox.

` + controlExitCodes,
		Example: `  signum world add t1 --sandbox ./box --dir ./t1
  signum sign --sandbox ./t1 +41791000001 "Log in to example.com?"
  signum user set --sandbox ./t1 +41791000001 --behaviour cancel`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			body := make(map[string]any)
			if len(args) > 0 {
				body["name"] = args[0]
			}
			if behaviour != "" {
				body["behaviour"] = behaviour
			}
			var w worldInfo
			if err := f.call(cmd.Context(), http.MethodPost, "worlds", body, &w); err != nil {
				return err
			}
			if dir != "" {
				if err := f.saveWorld(cmd, &w, dir); err != nil {
					return err
				}
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), w)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "name      %s\nbase_url  %s\nap_id     %s\n", printable(w.Name), printable(w.BaseURL), printable(w.APID))
			return err
		},
	}
	f.register(cmd)
	cmd.Flags().StringVar(&dir, "dir", "", "directory for the files of the world; it is made if it does not exist")
	cmd.Flags().StringVar(&behaviour, "behaviour", "", "what its users do, such as hold; default approve")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, with certificate and key")
	return cmd
}

// worldFiles are those that the directory of a world has. sandbox.json is the last one.
var worldFiles = []string{"server-ca.pem", "user-ca.pem", "issuing-ca.pem", "user-ca-chain.pem", "truststore.p12", "ap.crt", "ap.key", "ap.p12", "sandbox.json"}

// saveWorld writes the files of a world to a directory.
func (f *controlFlags) saveWorld(cmd *cobra.Command, w *worldInfo, dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, name := range worldFiles {
		var data []byte
		c := controlCall{
			method: http.MethodGet, place: "/w/" + url.PathEscape(w.Name) + "/sandbox/", path: "files/" + name, body: http.NoBody, limit: maxControlAnswer,
		}
		if err := f.send(cmd.Context(), c, &data); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func newWorldListCmd() *cobra.Command {
	var f controlFlags
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the worlds, oldest first",
		Long: `Lists the worlds besides that of the directory, oldest first.

` + controlExitCodes,
		Example: `  signum world list --sandbox ./box`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var answer struct {
				Worlds []worldInfo `json:"worlds"`
			}
			if err := f.call(cmd.Context(), http.MethodGet, "worlds", nil, &answer); err != nil {
				return err
			}
			if asJSON {
				return printJSON(cmd.OutOrStdout(), answer)
			}
			return printWorlds(cmd.OutOrStdout(), answer.Worlds)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func printWorlds(out io.Writer, list []worldInfo) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(out, "there is no world besides that of the directory")
		return err
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var errs []error
	for _, w := range list {
		_, err := fmt.Fprintf(t, "%s\t%s\t%s\n", printable(w.Name), printable(w.APID), w.Created.Local().Format(time.DateTime))
		errs = append(errs, err)
	}
	return errors.Join(append(errs, t.Flush())...)
}

func newWorldRemoveCmd() *cobra.Command {
	var f controlFlags
	cmd := &cobra.Command{
		Use:   "remove NAME",
		Short: "Drop a world",
		Long: `Drops a world: what is open in it ends, and nothing of it stays.

` + controlExitCodes,
		Example: `  signum world remove --sandbox ./box t1`,
		Args:    argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.call(cmd.Context(), http.MethodDelete, "worlds/"+url.PathEscape(args[0]), nil, nil)
		},
	}
	f.register(cmd)
	return cmd
}
