package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/backup"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/store"
)

func newRestoreCmd() *cobra.Command {
	var file string
	var replace bool
	cmd := &cobra.Command{
		Use:   "restore FILE",
		Short: "Restore a backup of the database",
		Long: `Restores a file of signum backup into the database of the configuration, which must be
empty, and brings it up to date. Stop all nodes first. Put back the CA and the
master key that belong to it before: the file is verified, and compared with them,
before anything is changed. A restore that was interrupted can be run again with
--replace; no node opens the database until it is complete.

The database then knows nothing of what happened since the backup:

  - Requests that were open end with 900. No phone is asked again.
  - The counters of all SIM cards move forward, because the cards have seen higher
    ones. Cards that are further ahead are reached step by step when they are used.
  - Invites and the consents of users are left out: they may have been used.
  - Users and Apps enrolled since are unknown and must enrol again. So must an App
    whose passcode was changed.
  - Certificates revoked since are valid again, blocked cards and ended methods
    active again, and old recovery codes: look into your records, and repeat that.
  - Calls that parties made since can be made again with the same AP_TransID.`,
		Example: `  signum restore signum-backup.tar.gz --config signum.yaml
  signum restore signum-backup.tar.gz --config signum.yaml --replace`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := loadConfig(cmd, file)
			if err != nil {
				return err
			}
			files, err := instance.FilesOf(c)
			if err != nil {
				return err
			}
			return runRestore(cmd, args[0], backup.Options{URL: c.Store.URL.Reveal(), Files: files, Replace: replace})
		},
	}
	configFlag(cmd, &file)
	cmd.Flags().BoolVar(&replace, "replace", false, "replace what is in the database; a file of SQLite is moved aside")
	return cmd
}

func runRestore(cmd *cobra.Command, name string, o backup.Options) error {
	p := newRowProgress(cmd.ErrOrStderr(), "read")
	o.Progress = p.update
	o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelError}))
	o.Step = steps(cmd.ErrOrStderr())
	r, err := backup.Restore(cmd.Context(), name, o)
	p.done()
	if errors.Is(err, store.ErrNotEmpty) {
		err = fmt.Errorf("%w; --replace replaces what is in it", err)
	}
	if err != nil {
		return interruptedOr(cmd, err)
	}
	printReport(cmd.OutOrStdout(), r)
	return nil
}

func printReport(w io.Writer, r *backup.Report) {
	fmt.Fprintf(w, "Restored %d rows as of %s.\n", r.Manifest.Rows()-r.Forgotten, r.Manifest.Created.Format("2006-01-02 15:04:05 MST"))
	if r.Replaced != "" {
		fmt.Fprintf(w, "The database before is in %s.\n", r.Replaced)
	}
	fmt.Fprintf(w, "%d open requests were ended; the counters of %d SIM cards were moved by %d.\n", r.Ended, r.Cards.Moved, backup.CounterStep)
	if r.Cards.Refused > 0 {
		fmt.Fprintf(w, "%d SIM cards have too few counters left and must be replaced.\n", r.Cards.Refused)
	}
	fmt.Fprint(w, "What was revoked, blocked or removed since then is valid again: see signum restore --help.\n")
}
