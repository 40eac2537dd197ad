package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/backup"
	"github.com/signum-mssp/signum/internal/config"
)

func newBackupCmd() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "backup FILE",
		Short: "Back up the database while the service runs",
		Long: `Writes the whole database, as it is at one moment, into one file that only you can
read. Nodes go on. FILE must not exist; - is standard output. The file can be
restored into SQLite and PostgreSQL, whichever it came from.

Keys are not in it. Save these too, in another place: the configuration, the
directory of the CA (ca.directory) and the master key of the cards
(sim.master_key). Who has the database and the keys can act for your users.

FILE is a tar archive, compressed with gzip: the rows as JSON, and manifest.json
with the SHA-256 of every part. "signum check --backup FILE" verifies it.`,
		Example: `  signum backup signum-backup.tar.gz --config signum.yaml
  signum backup - --config signum.yaml > signum-backup.tar.gz`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, file)
			if err != nil {
				return err
			}
			return runBackup(cmd, c, args[0])
		},
	}
	configFlag(cmd, &file)
	return cmd
}

func runBackup(cmd *cobra.Command, c *config.Config, name string) (err error) {
	ctx, url, version := cmd.Context(), c.Store.URL.Reveal(), build().version
	p := newRowProgress(cmd.ErrOrStderr(), "saved")
	var m *backup.Manifest
	if name == "-" {
		m, err = backup.Write(ctx, cmd.OutOrStdout(), url, version, p.update)
	} else {
		m, err = backup.WriteFile(ctx, name, url, version, p.update)
	}
	p.done()
	if err != nil {
		return interruptedOr(cmd, err)
	}
	key := ""
	if !c.SIM.MasterKey.IsZero() {
		key = " and the master key of the cards (" + cmp.Or(c.SIM.MasterKeyFile, "sim.master_key") + ")"
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Saved %d rows of version %d. Save in another place, too: the configuration, the CA in %s%s.\n",
		m.Rows(), m.Schema, c.CA.Directory, key)
	return nil
}

// interruptedOr marks the error of a command that a signal has ended.
func interruptedOr(cmd *cobra.Command, err error) error {
	if cmd.Context().Err() != nil {
		return errors.Join(errInterrupted, err)
	}
	return err
}

// rowProgress shows how many rows are done, on a terminal in one line that changes.
type rowProgress struct {
	w    io.Writer
	verb string
	live bool
	last time.Time
}

func newRowProgress(w io.Writer, verb string) *rowProgress {
	return &rowProgress{w: w, verb: verb, live: isTerminal(w), last: time.Now()}
}

func (p *rowProgress) update(what string, rows int64) {
	interval, line := plainInterval, "%d rows %s, at %s\n"
	if p.live {
		interval, line = 200*time.Millisecond, "\r\x1b[K%d rows %s, at %s"
	}
	if time.Since(p.last) < interval {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, line, rows, p.verb, what)
}

// done erases the line that changes.
func (p *rowProgress) done() {
	if p.live {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}
