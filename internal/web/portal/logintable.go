package portal

import (
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/signum-mssp/signum/internal/mssp"
)

// maxLogins bounds the log-ins in memory, to some 20 MB. When the table is full, the
// oldest is evicted, and its browser must start over. To evict somebody who is still
// looking at the phone, an attacker needs this many log-ins within loginWait; with
// the limit by address that takes 2,500 networks. Refusing new log-ins instead would
// let far fewer attackers close the portal for everybody.
const maxLogins = 50_000

// loginTable maps the hash of a cookie to its log-in, oldest first.
type loginTable struct {
	clock mssp.Clock
	mu    sync.Mutex
	lru   *simplelru.LRU[cookieHash, *login]
	// latest is the newest log-in of each number, the only one that is not hidden.
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

// visible is the state that the browser may see.
func (l *login) visible(now time.Time) loginState {
	age := now.Sub(l.started)
	switch {
	case age >= loginKeep:
		return loginGone
	case l.state == loginApproved && now.Sub(l.approved) < loginClaim:
		return loginApproved
	case (l.state == loginRefused || l.state == loginBlocked) && !l.hidden:
		return l.state
	case age < loginWait && l.state != loginApproved:
		return loginWaiting
	}
	return loginTimeout
}

// resume moves a waiting log-in to a new cookie if it is the same as the one that
// the browser starts. A person who presses the button twice is asked once.
func (ls *loginTable) resume(old, cookie string, want *login) bool {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.lru.Peek(hashOf(old))
	if !ok {
		return false
	}
	ls.lru.Remove(hashOf(old)) // in any case: a browser has one log-in
	if l.visible(ls.clock.Now()) != loginWaiting || l.number != want.number || l.profile != want.profile || l.lang != want.lang {
		return false
	}
	ls.put(cookie, l)
	return true
}

// begin adds a log-in.
func (ls *loginTable) begin(cookie string, l *login) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l.started, l.state = ls.clock.Now(), loginWaiting
	for {
		_, o, ok := ls.lru.GetOldest()
		if !ok || o.visible(l.started) != loginGone && ls.lru.Len() < maxLogins {
			break
		}
		o.giveUp()
		ls.lru.RemoveOldest()
	}
	if o := ls.latest[l.number]; o != nil {
		o.hidden = true
	}
	ls.put(cookie, l)
}

func (ls *loginTable) put(cookie string, l *login) {
	ls.lru.Add(hashOf(cookie), l)
	if !l.hidden {
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

// get returns a copy and its visible state. If take is set, an approved log-in is
// removed, so that it starts one session.
func (ls *loginTable) get(cookie string, take bool) (login, loginState) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l, ok := ls.lru.Peek(hashOf(cookie))
	if !ok {
		return login{}, loginGone
	}
	s := l.visible(ls.clock.Now())
	if take && s == loginApproved {
		ls.lru.Remove(hashOf(cookie))
	}
	return *l, s
}
