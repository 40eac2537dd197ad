package store

import (
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
	reported map[string]bool // by ID
}

func (u *unreadable) report(e *mssp.RowError) {
	if !u.first(e.Transaction.ID) {
		return
	}
	u.log.Error("store: transaction left out, its row cannot be read", "trans_id", e.Transaction.ID, "err", e.Err)
	if u.found != nil {
		u.found(e)
	}
}

func (u *unreadable) first(id string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.reported[id] {
		return false
	}
	if u.reported == nil || len(u.reported) >= maxUnreadable {
		u.reported = make(map[string]bool)
	}
	u.reported[id] = true
	return true
}
