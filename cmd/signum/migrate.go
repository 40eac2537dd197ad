package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/store"
)

type migrateCmd struct {
	file        string
	plan, json  bool
	force       bool
	lockTimeout time.Duration
	lockWait    time.Duration
	statement   time.Duration
}

func newMigrateCmd() *cobra.Command {
	m := &migrateCmd{}
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the database up to date",
		Long: `Brings the schema of the database to the version that this program needs. A node
does not start on an older one, so run this first when you upgrade. Make a backup
before: signum backup. Running it again does no harm; after an interruption it goes
on where it stopped.

A migration either expands: nodes of the version before go on meanwhile and after.
Or it contracts: they must be stopped first. --plan says what will run, and changes
and locks nothing.

On PostgreSQL a migration waits only a short time for a lock, so that nobody waits
long behind it, and tries again. With PgBouncer, give a URL that leads to PostgreSQL
itself: SIGNUM_STORE_URL replaces that of the file.

Exit codes:
  0  done, or nothing to do
  1  it failed, or was refused; what was completed stays
  3  with --plan: something to do, and nodes of the version before may go on
  4  with --plan: something to do, and nodes must be stopped first`,
		Example: `  signum migrate --plan --config signum.yaml
  signum migrate --config signum.yaml`,
		Args: argumentsOfUse,
		RunE: m.run,
	}
	configFlag(cmd, &m.file)
	d := store.DefaultMigrationLimits
	f := cmd.Flags()
	f.BoolVar(&m.plan, "plan", false, "only show what will run")
	f.BoolVar(&m.json, "json", false, "with --plan: as JSON")
	f.BoolVar(&m.force, "force", false, "contract although nodes seem to run")
	f.DurationVar(&m.lockTimeout, "lock-timeout", d.Lock, "how long a statement waits for a lock")
	f.DurationVar(&m.lockWait, "lock-wait", d.Wait, "how long to try again until all locks came")
	f.DurationVar(&m.statement, "statement-timeout", d.Statement, "how long a statement may take")
	return cmd
}

func (m *migrateCmd) run(cmd *cobra.Command, _ []string) error {
	c, err := loadConfig(cmd, m.file)
	if err != nil {
		return err
	}
	plan, err := store.PlanMigration(cmd.Context(), c.Store.URL.Reveal())
	if err != nil {
		return err
	}
	if m.plan {
		return m.show(cmd.OutOrStdout(), plan)
	}
	if len(plan.Migrations) == 0 {
		printPlan(cmd.OutOrStdout(), plan)
		return nil
	}
	if plan.Contracts() && plan.InUse != "" && !m.force {
		return fmt.Errorf("%s: stop them first, because the migrations contract (see signum migrate --plan); --force does it anyway", plan.InUse)
	}
	return m.migrate(cmd, c, plan)
}

func (m *migrateCmd) migrate(cmd *cobra.Command, c *config.Config, plan *store.Plan) error {
	known, err := store.ReadTies(cmd.Context(), c.Store.URL.Reveal())
	if err == nil {
		err = refuseForeign(c, known)
	}
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	began := time.Now()
	err = store.Migrate(cmd.Context(), c.Store.URL.Reveal(),
		store.WithLogger(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))),
		store.WithMigrationLimits(store.MigrationLimits{
			Lock: m.lockTimeout, Wait: m.lockWait, Statement: m.statement, Slice: store.DefaultMigrationLimits.Slice,
		}),
		store.WithMigrationProgress(steps(out)))
	if err != nil {
		return interruptedOr(cmd, err)
	}
	fmt.Fprintf(out, "The database is at version %d, after %v.\n", plan.Known, time.Since(began).Round(10*time.Millisecond))
	return nil
}

// steps prints the beginning and the end of each migration, and how far it is now and then.
func steps(w io.Writer) func(store.MigrationStep) {
	var last time.Time
	return func(s store.MigrationStep) {
		if s.Rows == 0 || s.Done || time.Since(last) > plainInterval {
			last = time.Now()
			printStep(w, s)
		}
	}
}

func printStep(w io.Writer, s store.MigrationStep) {
	head := fmt.Sprintf("%d/%d %s", s.Number, s.Of, s.Name)
	took := s.Took.Round(10 * time.Millisecond)
	switch {
	case s.Done && s.Rows > 0:
		fmt.Fprintf(w, "%s: done in %v, %d rows\n", head, took, s.Rows)
	case s.Done:
		fmt.Fprintf(w, "%s: done in %v\n", head, took)
	case s.Rows > 0:
		fmt.Fprintf(w, "%s: %d rows, %v\n", head, s.Rows, took)
	default:
		fmt.Fprintf(w, "%s …\n", head)
	}
}

// show prints a plan. Its exit code is for scripts.
func (m *migrateCmd) show(w io.Writer, p *store.Plan) error {
	if m.json {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(p); err != nil {
			return err
		}
	} else {
		printPlan(w, p)
	}
	switch {
	case len(p.Migrations) == 0:
		return nil
	case p.Contracts():
		return &exitError{code: exitContract, err: errors.New("there are migrations to run, for which nodes must be stopped: signum migrate")}
	}
	return &exitError{code: exitExpand, err: errors.New("there are migrations to run: signum migrate")}
}

func printPlan(w io.Writer, p *store.Plan) {
	switch {
	case p.Version == 0:
		fmt.Fprintf(w, "The database is empty. Version %d will be created.\n", p.Known)
		return
	case p.Version > p.Known:
		fmt.Fprintf(w, "The database is at version %d, newer than this program (%d). Programs from version %d on can use it.\n",
			p.Version, p.Known, p.Compatible)
		return
	case len(p.Migrations) == 0:
		fmt.Fprintf(w, "The database is at version %d. There is nothing to do.\n", p.Version)
		return
	}
	fmt.Fprintf(w, "The database is at version %d, this program needs version %d.\n", p.Version, p.Known)
	for _, m := range p.Migrations {
		kind := "contracts: nodes must be stopped"
		if m.Expands {
			kind = "expands: nodes may go on"
		}
		rows := ""
		if m.Rows > 0 {
			rows = fmt.Sprintf("; about %d rows", m.Rows)
		}
		fmt.Fprintf(w, "\n%s (%s%s)\n  %s\n", m.Name, kind, rows, m.Says)
	}
	if p.InUse != "" {
		fmt.Fprintf(w, "\nIn use: %s.\n", p.InUse)
	}
}
