package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
)

// CounterStep is how far a restore moves the counters of all cards. Since the backup each
// request has used up to eight of them. This is enough for some 8,000 requests to one
// card, and costs a 16-millionth of the counters that a card has.
const CounterStep = 1 << 16

// forgotten are the tables whose rows are not restored: they permit something once, which
// may have been used since. Users ask for them again. What nodes share is in archives of an earlier
// version only.
var forgotten = map[string]bool{"consents": true, "invites": true, "shared_values": true}

// Options are what Restore needs besides the archive.
type Options struct {
	URL      string         // of the database
	Files    instance.Files // of the service
	Replace  bool           // what is in the database
	Log      *slog.Logger   // of migrations; nil: nothing is logged
	Progress Progress       // may be nil
	Step     func(store.MigrationStep)
}

// Report says what Restore did.
type Report struct {
	Manifest  *Manifest
	Ended     int // transactions that were outstanding
	Forgotten int64
	Cards     mssp.CounterAdvanced
	Replaced  string // where the file of SQLite is that was replaced; empty: there was none
}

// Restore puts an archive into an empty database, or with Replace into one that has rows.
// It verifies the archive and to whom it belongs before it changes anything, and no node
// opens the database until it has finished.
//
// The database then tells an old story. What was outstanding is ended with 900: its party
// has had an answer long ago, and no phone is asked again. The counters of all cards
// are moved forward, because the cards have seen higher ones. What permits something
// once, and may have been used since, is left out.
func Restore(ctx context.Context, name string, o Options) (*Report, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := Verify(ctx, f, o.Progress)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if err := o.permitted(ctx, m); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	r := &restore{Options: o, archive: f, report: Report{Manifest: m}, rename: os.Rename}
	if path, ok := strings.CutPrefix(o.URL, "sqlite:"); ok {
		err = r.file(ctx, path)
	} else {
		err = r.into(ctx, o.URL)
	}
	return &r.report, err
}

// permitted checks what can be checked before anything is changed.
func (o *Options) permitted(ctx context.Context, m *Manifest) error {
	if m.Instance != nil {
		if m.Instance.MasterKey != "" && o.Files.MasterKey == nil {
			return errors.New("sim.master_key is missing: without the one of the backup, no key of a card can be read")
		}
		_, _, err := o.Files.Match(mssp.Ties{Instance: m.Instance}, time.Now())
		if instance.IsMissing(err) {
			err = o.Files.MayCreate(mssp.Ties{Instance: m.Instance})
		}
		if err != nil {
			return err
		}
	}
	used, err := store.InUse(ctx, o.URL)
	if err == nil && used != "" {
		err = fmt.Errorf("%s: stop all nodes before a restore", used)
	}
	return err
}

// restore is one run of Restore.
type restore struct {
	Options
	archive io.Reader
	report  Report
	rename  func(from, to string) error // of the file system
}

// into restores into a database.
func (r *restore) into(ctx context.Context, url string) error {
	if err := r.load(ctx, url); err != nil {
		return err
	}
	opts := []store.Option{store.WithLogger(r.Log)}
	if r.Step != nil {
		opts = append(opts, store.WithMigrationProgress(r.Step))
	}
	return store.FinishLoad(ctx, url, func(s *store.Store) error { return r.settle(ctx, s) }, opts...)
}

func (r *restore) load(ctx context.Context, url string) error {
	m := r.report.Manifest
	tables := make([]store.Table, len(m.Tables))
	for i := range m.Tables {
		tables[i] = m.Tables[i].Table
	}
	l, err := store.OpenLoad(ctx, url, m.Schema, tables, r.Replace, store.WithLogger(r.Log))
	if err != nil {
		return err
	}
	defer l.Close()
	next, done := 0, int64(0)
	err = members(ctx, r.archive, func(name string, data []byte) error {
		if name == manifestName {
			return nil
		}
		// It was verified, but the file may have changed since.
		sum := sha256.Sum256(data)
		if next == len(m.Members) || m.Members[next].Name != name || m.Members[next].SHA256 != hex.EncodeToString(sum[:]) {
			return fmt.Errorf("the member %s has changed since it was verified", name)
		}
		member := m.Members[next]
		next++
		if done += member.Rows; r.Progress != nil {
			r.Progress(member.Table, done)
		}
		return r.insert(ctx, l, member, data)
	})
	if err == nil && next < len(m.Members) {
		err = errors.New("the archive has changed since it was verified")
	}
	if err != nil {
		return err
	}
	return l.Commit()
}

func (r *restore) insert(ctx context.Context, l *store.Load, m Member, data []byte) error {
	if forgotten[m.Table] {
		r.report.Forgotten += m.Rows
		return nil
	}
	var rows [][]any
	err := r.report.Manifest.lines(m, data, func(row []any) error {
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return err
	}
	if m.Table == "receipts" {
		r.endReceipts(rows)
	}
	return l.Insert(ctx, m.Table, rows)
}

// endReceipts ends those that wait for their user, as after a crash.
func (r *restore) endReceipts(rows [][]any) {
	result, finished := -1, -1
	for i, c := range r.report.Manifest.table("receipts").Columns {
		switch c.Name {
		case "result":
			result = i
		case "finished":
			finished = i
		}
	}
	if result < 0 || finished < 0 {
		return
	}
	for _, row := range rows {
		if row[result] == "" {
			row[result], row[finished] = string(signum.ReceiptLost), time.Now().UnixMicro()
		}
	}
}

// endPage is how many transactions are read at a time.
const endPage = 500

// settle ends what was outstanding, and moves the counters of the cards.
func (r *restore) settle(ctx context.Context, s *store.Store) error {
	end := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for {
		ids, err := s.ExpiredTransactions(ctx, end, endPage)
		if err != nil {
			return err
		}
		if len(ids) == 0 {
			break
		}
		for _, id := range ids {
			won, err := s.FinishTransaction(ctx, id, mssp.Failed(signum.NewFault(signum.InternalError)), nil, time.Now())
			if err != nil {
				return err
			}
			if !won {
				return fmt.Errorf("the transaction %s is outstanding, but cannot be ended", id)
			}
			r.report.Ended++
		}
	}
	var err error
	r.report.Cards, err = s.AdvanceCounters(ctx, mssp.CounterAdvance{By: CounterStep})
	return err
}
