package portal

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum/internal/mssp"
)

// maxLogins bounds the log-ins that are remembered, to some 20 MB. When the table
// is full the oldest is evicted, and its browser must begin again. To evict
// somebody who is still looking at the phone, strangers need as many log-ins
// within loginWait, which the limit by address makes 2,500 networks. To refuse
// newcomers instead would let fewer strangers close the portal for everybody.
const maxLogins = 50_000

// loginTable has the log-ins by the hash of their cookie, oldest first.
type loginTable struct {
	clock mssp.Clock
	mu    sync.Mutex
	lru   *simplelru.LRU[cookieHash, *login]
	// latest is the log-in of each number that is not quiet.
	latest map[string]*login
}

func newLoginTable(c mssp.Clock) *loginTable {
	ls := &loginTable{clock: c, latest: map[string]*login{}}
	ls.lru, _ = simplelru.NewLRU(maxLogins, func(_ cookieHash, l *login) {
		if ls.latest[l.number] == l {
			delete(ls.latest, l.number)
		}
	})
	return ls
}

// look is the state as the browser may see it.
func (l *login) look(now time.Time) loginState {
	age := now.Sub(l.begun)
	switch {
	case age >= loginKeep:
		return loginGone
	case l.state == loginApproved && now.Sub(l.approved) < loginClaim:
		return loginApproved
	case (l.state == loginRefused || l.state == loginBlocked) && !l.quiet:
		return l.state
	case age < loginWait && l.state != loginApproved:
		return loginWaiting
	}
	return loginTimeout
}

// resume hands a log-in that still waits over to a new cookie, if it is the
// one that the browser wants to begin: who presses twice is not asked twice.
func (ls *loginTable) resume(old, cookie string, want *login) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.lru.Peek(keyOf(old))
	if !ok {
		return false
	}
	ls.lru.Remove(keyOf(old)) // in any case: a browser has one
	if l.look(ls.clock.Now()) != loginWaiting || l.number != want.number || l.profile != want.profile || l.lang != want.lang {
		return false
	}
	ls.put(cookie, l)
	return true
}

// begin adds a log-in.
func (ls *loginTable) begin(cookie string, l *login) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.begun, l.state = ls.clock.Now(), loginWaiting
	for {
		_, o, ok := ls.lru.GetOldest()
		if !ok || o.look(l.begun) != loginGone && ls.lru.Len() < maxLogins {
			break
		}
		o.giveUp()
		ls.lru.RemoveOldest()
	}
	if o := ls.latest[l.number]; o != nil {
		o.quiet = true
	}
	ls.put(cookie, l)
}

func (ls *loginTable) put(cookie string, l *login) {
	ls.lru.Add(keyOf(cookie), l)
	if !l.quiet {
		ls.latest[l.number] = l
	}
}

func (ls *loginTable) finish(l *login, s loginState) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.state = s
	if s == loginApproved {
		l.approved = ls.clock.Now()
	}
}

// get returns a copy and its look. An approved one is taken, if wanted: it
// makes one session.
func (ls *loginTable) get(cookie string, take bool) (login, loginState) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.lru.Peek(keyOf(cookie))
	if !ok {
		return login{}, loginGone
	}
	s := l.look(ls.clock.Now())
	if take && s == loginApproved {
		ls.lru.Remove(keyOf(cookie))
	}
	return *l, s
}
