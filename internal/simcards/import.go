package simcards

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// A batch has importBatch rows, of which importWorkers are handled concurrently:
	// the store commits concurrent writes in groups.
	importBatch   = 1024
	importWorkers = 128
	// maxImportRows bounds what is remembered of a file to find repeated cards and
	// numbers: about 100 MB.
	maxImportRows = 3_000_000
	// A Summary lists at most maxRowErrors bad rows; ImportOptions.Report gets all.
	maxRowErrors = 10_000
)

// ImportOptions say how to read a file. Either KEK or PlainKeys must be set.
type ImportOptions struct {
	// KEK is the transport key, 16, 24 or 32 bytes, under which the keys in the file
	// are wrapped (RFC 3394, AES Key Wrap).
	KEK []byte
	// PlainKeys means that the keys are not wrapped. It must be set explicitly,
	// because outside a laboratory a file of plain keys is an accident.
	PlainKeys bool
	// DefaultState is the state of a new card with a number if its row gives none:
	// mssp.CardActive (also if empty) or mssp.CardBlocked.
	DefaultState mssp.CardState
	// Progress is called from time to time with the number of rows done. May be nil.
	Progress func(rows int)
	// Report gets every bad row, in the order of the file. May be nil.
	Report func(RowError)
}

// RowError says why a row was not carried out.
type RowError struct {
	Line   int    `json:"line"` // of the file, from 1
	ICCID  string `json:"iccid,omitempty"`
	Reason string `json:"reason"`
}

func (e RowError) Error() string {
	if e.ICCID == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Reason)
	}
	return fmt.Sprintf("line %d, card %s: %s", e.Line, e.ICCID, e.Reason)
}

// Summary counts the rows of an import by what they did.
type Summary struct {
	Rows       int `json:"rows"` // all, except the header and empty lines
	New        int `json:"new"`
	Swapped    int `json:"swapped"`
	Renumbered int `json:"renumbered"`
	Updated    int `json:"updated"`
	Unchanged  int `json:"unchanged"`
	Failed     int `json:"failed"`
	// Errors are the first 10,000 of Failed.
	Errors []RowError `json:"errors,omitempty"`
}

func (s *Summary) count(c Change) {
	switch c {
	case ChangeNew:
		s.New++
	case ChangeSwapped:
		s.Swapped++
	case ChangeRenumbered:
		s.Renumbered++
	case ChangeUpdated:
		s.Updated++
	default:
		s.Unchanged++
	}
}

// Import reads cards from CSV: a header that names the columns in any order, then one
// card per line. The columns are iccid, msisdn, key_set, algorithm, kic and kid;
// key_type, state and profile may be absent. They are separated by commas or semicolons.
//
// What a row does depends on the state of card and number:
//
//	card         number          what happens
//	new, stock   none            the card is in stock
//	new, stock   new             new account, with the card as a registered SIM
//	new, stock   has an account  swap, or the first SIM of the account
//	in use       the same        keys, state and profile are updated
//	in use       new             the account gets that number
//	in use       has an account  refused: renumber that account first
//	in use       none            refused
//	retired      any             refused
//
// A bad row is reported and changes nothing; the others are carried out. Rows that
// move accounts are carried out in the order of the file. A card whose row gives no
// state or profile keeps its own. Importing a file again changes nothing. An error concerns
// the whole file (its header, the transport key), the store, or ctx; the Summary then
// says what was done before it.
func (p *Provisioner) Import(ctx context.Context, r io.Reader, o ImportOptions) (Summary, error) {
	i := &importer{p: p, opts: o}
	if err := i.check(); err != nil {
		return i.sum, err
	}
	f, err := openCards(r, &p.cfg, o.KEK)
	if err != nil {
		return i.sum, err
	}
	for {
		end, err := i.read(f)
		if err == nil {
			err = i.carryOut(ctx)
		}
		i.report()
		if err != nil {
			return i.sum, fmt.Errorf("simcards: import stopped near line %d: %w", f.line, err)
		}
		if o.Progress != nil {
			o.Progress(i.sum.Rows)
		}
		if end {
			return i.sum, nil
		}
	}
}

// importer is one import in progress.
type importer struct {
	p     *Provisioner
	opts  ImportOptions
	sum   Summary
	batch []*cardRow
	found []finding // of the batch
	bad   []RowError
}

// finding is the result of one row of the batch.
type finding struct {
	row    *cardRow
	waits  bool // it comes after the rows that move nothing
	change Change
	err    error
}

func (i *importer) check() error {
	switch {
	case len(i.opts.KEK) > 0 && i.opts.PlainKeys:
		return errors.New("simcards: there is a transport key although the keys of the file are said to be plain")
	case len(i.opts.KEK) == 0 && !i.opts.PlainKeys:
		return errors.New("simcards: the transport key is missing under which the keys of the file are wrapped; " +
			"if they are in the clear, say so explicitly")
	}
	switch i.opts.DefaultState {
	case "":
		i.opts.DefaultState = mssp.CardActive
	case mssp.CardActive, mssp.CardBlocked:
	default:
		return fmt.Errorf("simcards: the default state must be %s or %s, not %s", mssp.CardActive, mssp.CardBlocked, i.opts.DefaultState)
	}
	return nil
}

// read fills the batch.
func (i *importer) read(f *cardFile) (end bool, err error) {
	i.batch = i.batch[:0]
	for len(i.batch) < importBatch && len(i.bad) < importBatch {
		row, err := f.next()
		if err == io.EOF {
			return true, nil
		}
		var bad RowError
		if err != nil && !errors.As(err, &bad) {
			return false, err
		}
		if i.sum.Rows++; err != nil {
			i.bad = append(i.bad, bad)
			continue
		}
		i.batch = append(i.batch, row)
	}
	return false, nil
}

// carryOut carries the batch out: first, concurrently, the rows that move nothing;
// then the others one by one, each according to the state that it finds.
func (i *importer) carryOut(ctx context.Context) error {
	if len(i.batch) == 0 {
		return ctx.Err()
	}
	unlock, err := i.p.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	i.found = make([]finding, len(i.batch))
	var wait sync.WaitGroup
	turns := make(chan int)
	for range min(importWorkers, len(i.batch)) {
		wait.Go(func() {
			defer event.Rescue(i.p.cfg.Logger, "card import")
			for n := range turns {
				i.found[n] = i.one(ctx, i.batch[n], false)
			}
		})
	}
	for n := range i.batch {
		turns <- n
	}
	close(turns)
	wait.Wait()
	for n := range i.found {
		if i.found[n].waits && ctx.Err() == nil {
			i.found[n] = i.one(ctx, i.batch[n], true)
		}
	}
	return i.settle(ctx)
}

// one carries a row out. Unless move is set, it leaves a row that moves something for
// later.
func (i *importer) one(ctx context.Context, r *cardRow, move bool) (f finding) {
	f.row = r
	defer event.RescueTo(&f.err, i.p.cfg.Logger, "card import")
	defer func() {
		if !f.waits {
			clear(r.kic)
			clear(r.kid)
		}
	}()
	if f.err = ctx.Err(); f.err != nil {
		return f
	}
	todo, c, sub, err := i.p.plan(ctx, r)
	if err != nil {
		f.err = err
		return f
	}
	if f.waits = todo.moves() && !move; f.waits {
		return f
	}
	if r.profile == "" && c != nil {
		r.profile = c.Profile
	}
	if r.state == "" && (todo == actionEnrol || todo == actionSwap) {
		r.state = i.opts.DefaultState
	}
	pl, err := i.p.place(ctx, r, todo, c, sub)
	if err == nil {
		pl.kic, pl.kid = r.kic, r.kid
		f.change, err = pl.change, i.p.placed(ctx, pl)
	}
	f.err = err
	return f
}

// settle counts the batch and returns the first error that does not concern a single
// row.
func (i *importer) settle(ctx context.Context) (first error) {
	for _, f := range i.found {
		switch {
		case f.waits: // not reached
		case f.err == nil:
			i.sum.count(f.change)
		case ofRow(f.err) && ctx.Err() == nil:
			i.bad = append(i.bad, RowError{Line: f.row.line, ICCID: f.row.iccid, Reason: f.err.Error()})
		case first == nil:
			first = f.err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return first
}

// ofRow reports whether an error concerns a single row: it was refused, or somebody
// else changed the same card or number at the same time.
func ofRow(err error) bool {
	return errors.As(err, new(*Refusal)) || errors.Is(err, mssp.ErrNotFound) || errors.Is(err, mssp.ErrExists) ||
		errors.Is(err, mssp.ErrCardState)
}

// report reports the bad rows of the batch in the order of the file.
func (i *importer) report() {
	sortRows(i.bad)
	for _, e := range i.bad {
		if i.sum.Failed++; len(i.sum.Errors) < maxRowErrors {
			i.sum.Errors = append(i.sum.Errors, e)
		}
		if i.opts.Report != nil {
			i.opts.Report(e)
		}
	}
	i.bad = i.bad[:0]
}
