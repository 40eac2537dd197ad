package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/backup"
	"github.com/signum-mssp/signum/internal/check"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
)

type checkCmd struct {
	file, backup string
	json         bool
}

func newCheckCmd() *cobra.Command {
	c := &checkCmd{}
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look for what is wrong with the database, its CA and its keys",
		Long: `Looks for what is wrong before somebody needs it, and changes nothing. Nodes may run
meanwhile. It checks the integrity of the database, its schema, whether the CA and
the master key belong to it, whether certificates verify, the keys and counters of
SIM cards, rows that cannot be read, requests that are open past their time, the
clock, settings of PostgreSQL that risk the data, and the disk of a file of SQLite. On
a large database it reads for minutes.

With --backup it verifies a file of signum backup instead: whether it is complete
and undamaged, how old it is, and whether it belongs to the CA and the master key.

Each finding is a line with what to do.

Exit codes:
  0  nothing is wrong; there may be warnings
  1  something is wrong, or could not be checked`,
		Example: `  signum check --config signum.yaml
  signum check --config signum.yaml --backup signum-backup.tar.gz`,
		Args: argumentsOfUse,
		RunE: c.run,
	}
	configFlag(cmd, &c.file)
	cmd.Flags().StringVar(&c.backup, "backup", "", "verify this file of signum backup")
	cmd.Flags().BoolVar(&c.json, "json", false, "print the findings as JSON")
	return cmd
}

func (c *checkCmd) run(cmd *cobra.Command, _ []string) error {
	cfg, err := loadConfig(cmd, c.file)
	if err != nil {
		return err
	}
	files, err := instance.FilesOf(cfg)
	if err != nil {
		return err
	}
	p := newRowProgress(cmd.ErrOrStderr(), "checked")
	var found []check.Finding
	if c.backup != "" {
		found, err = c.archive(cmd, files, p)
	} else {
		found, err = check.Run(cmd.Context(), check.Options{URL: cfg.Store.URL.Reveal(), Files: files, Progress: p.update})
	}
	p.done()
	if err != nil {
		return interruptedOr(cmd, err)
	}
	return c.print(cmd.OutOrStdout(), found)
}

// oldBackup is the age from which a backup is worth a warning.
const oldBackup = 7 * 24 * time.Hour

// aged warns of an old backup.
func aged(created, now time.Time) []check.Finding {
	age := now.Sub(created)
	if age < oldBackup {
		return nil
	}
	text := fmt.Sprintf("the backup is %d days old, and what happened since is not in it", age/(24*time.Hour))
	return []check.Finding{{Check: "backup", Level: check.Warning, Text: text, Do: "make one more often"}}
}

// archive verifies a backup.
func (c *checkCmd) archive(cmd *cobra.Command, files instance.Files, p *rowProgress) (found []check.Finding, err error) {
	f, err := os.Open(c.backup)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	wrong := func(do string, err error) {
		found = append(found, check.Finding{Check: "backup", Level: check.Error, Text: err.Error(), Do: do})
	}
	m, err := backup.Verify(cmd.Context(), f, p.update)
	if err != nil {
		wrong("use another backup, and look for the cause", fmt.Errorf("%s: %w", c.backup, err))
		return found, cmd.Context().Err()
	}
	found = append(found, aged(m.Created, time.Now())...)
	if m.Schema > store.NewestVersion() {
		wrong("use a newer program", fmt.Errorf("the backup is of version %d, this program knows versions up to %d", m.Schema, store.NewestVersion()))
	}
	if m.Instance != nil {
		if _, _, err := files.Match(mssp.Ties{Instance: m.Instance}, time.Now()); err != nil {
			wrong("put back the CA and the master key that belong to the backup", err)
		}
	}
	if !c.json {
		fmt.Fprintf(cmd.OutOrStdout(), "%d rows of version %d from %s, as of %s.\n", m.Rows(), m.Schema, m.Engine, m.Created.Format("2006-01-02 15:04:05 MST"))
	}
	return found, nil
}

var errFound = errors.New("something is wrong: see above")

func (c *checkCmd) print(w io.Writer, found []check.Finding) error {
	failed := false
	for _, f := range found {
		failed = failed || f.Level == check.Error
		if !c.json {
			fmt.Fprintf(w, "%s: %s: %s; %s\n", f.Level, f.Check, printable(f.Text), f.Do)
		}
	}
	if c.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(map[string]any{"findings": append([]check.Finding{}, found...)}); err != nil {
			return err
		}
	} else if len(found) == 0 {
		fmt.Fprintln(w, "Nothing is wrong.")
	}
	if failed {
		return errFound
	}
	return nil
}
