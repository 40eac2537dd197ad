package store

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/signum-mssp/signum/internal/mssp"
)

// maxUnreadable limits how many rows are remembered as reported. When it is
// reached, all are forgotten, and rows that still exist are reported again.
const maxUnreadable = 4096

// unreadable reports each row that cannot be read once: a sweep meets it four
// times a second.
type unreadable struct {
	log   *slog.Logger
	found func(*mssp.RowError) // may be nil

	mu       sync.Mutex
	reported map[rowName]bool
}

type rowName struct {
	kind mssp.RowKind
	key  string
}

// row reports a row that cannot be read and returns the error.
func (u *unreadable) row(kind mssp.RowKind, key string, err error) error {
	e := &mssp.RowError{Kind: kind, Key: key, Err: err}
	u.report(e)
	return fmt.Errorf("store: %w", e)
}

func (u *unreadable) report(e *mssp.RowError) {
	if !u.first(rowName{e.Kind, e.Key}) {
		return
	}
	u.log.Error("store: a row cannot be read", "kind", e.Kind, "key", e.Key, "err", e.Err)
	if u.found != nil {
		u.found(e)
	}
}

func (u *unreadable) first(row rowName) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reported[row] {
		return false
	}
	if u.reported == nil || len(u.reported) >= maxUnreadable {
		u.reported = make(map[rowName]bool)
	}
	u.reported[row] = true
	return true
}
