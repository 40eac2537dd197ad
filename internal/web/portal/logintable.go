package portal

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum/internal/web/prompt"
)

// maxLogins bounds the log-ins in memory, to some 20 MB. When the table is full, the
// oldest is evicted, and its browser must start over. One that a phone is asked about
// is spared, as long as it is not one of maxSpared in a row: invented numbers, however
// many, evict nobody who is looking at the phone. Refusing new log-ins instead would
// let an attacker close the portal for everybody.
const (
	maxLogins = 50_000
	maxSpared = 100
)

// login is one log-in of one browser.
type login struct {
	*prompt.Prompt
	lang  string
	began time.Time // by which the nodes agree
}

// live reports whether a phone is asked, or has approved.
func (l *login) live() bool {
	s := l.State()
	return s == prompt.Waiting || s == prompt.Approved
}

// loginTable maps the hash of a cookie to its log-in, oldest first.
type loginTable struct {
	mu  sync.Mutex
	lru *simplelru.LRU[cookieHash, *login]
}

func newLoginTable() *loginTable {
	ls := &loginTable{}
	ls.lru, _ = simplelru.NewLRU[cookieHash, *login](maxLogins, nil)
	return ls
}

// resume moves a waiting log-in to a new cookie if it is the same as the one that
// the browser starts. A person who presses the button twice is asked once.
func (ls *loginTable) resume(old, cookie string, same func(*login) bool) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.lru.Peek(hashOf(old))
	if !ok {
		return false
	}
	ls.lru.Remove(hashOf(old)) // in any case: a browser has one log-in
	if l.Public() != prompt.Waiting || !same(l) {
		return false
	}
	ls.lru.Add(hashOf(cookie), l)
	return true
}

// put adds a log-in.
func (ls *loginTable) put(cookie string, l *login) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for spared := 0; ; {
		k, o, ok := ls.lru.GetOldest()
		if !ok || o.Age() < loginKeep && ls.lru.Len() < maxLogins {
			break
		}
		ls.lru.RemoveOldest()
		if spared < maxSpared && o.live() {
			ls.lru.Add(k, o)
			spared++
			continue
		}
		o.End()
	}
	ls.lru.Add(hashOf(cookie), l)
}

// get returns the log-in of a cookie; nil if there is none. If take is set, an
// approved log-in is removed, so that it starts one session.
func (ls *loginTable) get(cookie string, take bool) *login {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.lru.Peek(hashOf(cookie))
	if !ok || l.Age() >= loginKeep {
		return nil
	}
	if take && l.Public() == prompt.Approved {
		ls.lru.Remove(hashOf(cookie))
	}
	return l
}

// endAll ends all log-ins of a number. Their pages go on waiting.
func (ls *loginTable) endAll(number string) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.lru.Values() {
		if l.Number == number {
			l.End()
		}
	}
}
