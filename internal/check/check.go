package check

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
)

// Level says how bad a finding is.
type Level string

// The levels.
const (
	Error   Level = "error"   // something does not work, or will not after a restore
	Warning Level = "warning" // it may become an error
)

// Finding is one thing that is wrong.
type Finding struct {
	Check string `json:"check"` // that found it
	Level Level  `json:"level"`
	Text  string `json:"text"`
	Do    string `json:"do"` // what to do
}

// Options say what to check.
type Options struct {
	URL   string // of the database
	Files instance.Files
	// Progress hears which check runs, and how many things it has looked at; may be nil.
	Progress func(check string, n int64)

	// free is the share of a disk that is free, in percent; nil: as the machine says.
	free func(dir string) (percent uint64, known bool)
}

// Run makes all checks. The error is one that kept it from doing so.
func Run(ctx context.Context, o Options) ([]Finding, error) {
	r := &run{Options: o, ctx: ctx}
	if !r.schema() {
		return r.found, ctx.Err()
	}
	r.damage()
	r.clock()
	r.disk()
	r.instance()
	r.rows()
	r.store()
	return r.found, ctx.Err()
}

// run is one call of Run.
type run struct {
	Options
	ctx       context.Context
	found     []Finding
	authority *ca.Authority // nil: there is none that belongs to the database
	otherKey  bool          // the master key opens no card, which is said once
}

// maxEach bounds the findings of one kind; the rest is counted.
const maxEach = 10

func (r *run) add(check string, level Level, do, format string, args ...any) {
	n := 0
	for _, f := range r.found {
		if f.Check == check && f.Do == do {
			n++
		}
	}
	switch {
	case n < maxEach:
		r.found = append(r.found, Finding{check, level, fmt.Sprintf(format, args...), do})
	case n == maxEach:
		r.found = append(r.found, Finding{check, level, "there are more of this kind", do})
	}
}

// failed notes that a check could not be made.
func (r *run) failed(check string, err error) {
	if err != nil && r.ctx.Err() == nil {
		r.add(check, Error, "see the log of the database, and check store.url", "the check failed: %v", err)
	}
}

func (r *run) progress(check string, n int64) {
	if r.Progress != nil {
		r.Progress(check, n)
	}
}

// schema reports whether the others can read the database at all.
func (r *run) schema() bool {
	r.progress("schema", 0)
	p, err := store.PlanMigration(r.ctx, r.URL)
	switch {
	case err != nil:
		r.failed("schema", err)
		return false
	case p.Version == 0:
		r.add("schema", Error, "check store.url; run signum migrate if the service is new, or signum restore", "the database is empty")
		return false
	case len(p.Migrations) > 0:
		r.add("schema", Error, "run signum migrate", "the schema is of version %d, this program needs version %d", p.Version, p.Known)
		return false
	case p.Version > p.Known && p.Compatible > p.Known:
		r.add("schema", Error, "use a newer program", "the schema is of version %d, and programs before version %d cannot use it", p.Version, p.Compatible)
		return false
	}
	return true
}

func (r *run) damage() {
	r.progress("integrity", 0)
	found, err := store.FindDamage(r.ctx, r.URL)
	r.failed("integrity", err)
	for _, d := range found {
		level := Error
		if d.Risk {
			level = Warning
		}
		r.add("integrity", level, d.Do, "%s", d.Text)
	}
}

// Clocks that differ by more than clockWarning make requests expire early or late; by more
// than clockError, nodes judge the times of requests differently.
const (
	clockWarning = time.Second
	clockError   = 5 * time.Second
)

func (r *run) clock() {
	d, err := store.ClockOffset(r.ctx, r.URL)
	r.failed("clock", err)
	level := Warning
	if d.Abs() > clockError {
		level = Error
	}
	if d.Abs() > clockWarning {
		r.add("clock", level, "synchronise both machines (NTP)", "the clock of the database is %v off from this machine's", d.Round(time.Millisecond))
	}
}

// instance checks that CA and master key belong to the database.
func (r *run) instance() {
	known, err := store.ReadTies(r.ctx, r.URL)
	if err != nil {
		r.failed("instance", err)
		return
	}
	_, a, err := r.Files.Match(known, time.Now())
	r.authority = a
	missing := instance.IsMissing(err)
	if missing {
		err = r.Files.MayCreate(known)
	}
	switch {
	case errors.Is(err, fs.ErrPermission):
		r.add("instance", Error, "run this command as the user of the service, and let that user read its files", "%v", err)
	case err != nil:
		r.otherKey = instance.IsOtherKey(err)
		r.add("instance", Error, "put back the CA and the master key that belong to the database", "%v", err)
	case missing:
		r.add("instance", Warning, "make one: signum ca create", "there is no CA in %s", r.Files.Directory)
	case known.Instance == nil:
		r.add("instance", Warning, "start a node once", "the database does not say yet to whom it belongs")
	}
}

// store checks what only the store understands: rows, and requests that are late.
func (r *run) store() {
	s, err := store.Open(r.ctx, r.URL, store.WithApplication("check"), store.WithLogger(slog.New(slog.DiscardHandler)),
		store.WithRowErrors(func(e *mssp.RowError) {
			r.add("rows", Error, "use a newer program if one has written it; otherwise repair or remove the row", "%v", e)
		}))
	if err != nil {
		r.failed("rows", err)
		return
	}
	defer s.Close()
	r.failed("rows", r.readable(s))
	r.failed("expiry", r.late(s))
}

// readable reads every party and every account.
func (r *run) readable(s *store.Store) error {
	parties, err := s.PartyIDs(r.ctx)
	if err != nil {
		return err
	}
	for _, id := range parties {
		if _, err := s.Party(r.ctx, id); !ofRow(err) {
			return err
		}
	}
	const page = 500
	n := int64(0)
	for after := ""; ; {
		numbers, err := s.Numbers(r.ctx, after, page)
		if err != nil || len(numbers) == 0 {
			return err
		}
		for _, number := range numbers {
			if _, err := s.Subscriber(r.ctx, number); !ofRow(err) {
				return err
			}
		}
		after = numbers[len(numbers)-1]
		n += int64(len(numbers))
		r.progress("rows", n)
	}
}

// ofRow is true if there is no error, or one of a single row, which was reported.
func ofRow(err error) bool {
	_, row := errors.AsType[*mssp.RowError](err)
	return err == nil || row || errors.Is(err, mssp.ErrNotFound)
}

// lateAfter is when a node should have ended a request whose time is over.
const lateAfter = time.Minute

func (r *run) late(s *store.Store) error {
	ids, err := s.ExpiredTransactions(r.ctx, time.Now().Add(-lateAfter), maxEach)
	for _, id := range ids {
		r.add("expiry", Error, "look into the log of the nodes; if none runs, start one", "the transaction %s is open more than a minute past its time", id)
	}
	return err
}
