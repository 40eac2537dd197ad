package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/web/prompt"
)

// Limits of sessions.
const (
	sessionIdle       = 10 * time.Minute
	sessionAbsolute   = 60 * time.Minute
	maxSessions       = 10_000
	sessionsPerNumber = 5
	qrGrace           = time.Minute // how long after its page the image can be fetched
)

// cookieHash is the SHA-256 of a cookie. Hashes in memory do not open a session, and
// the time of a look-up reveals nothing about the cookies.
type cookieHash [sha256.Size]byte

// newCookie returns a value of 256 random bits.
func newCookie() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func hashOf(cookie string) cookieHash { return sha256.Sum256([]byte(cookie)) }

// session is a user who is logged in. Only lastUse, secret and change change.
type session struct {
	key     cookieHash
	number  string
	serial  string // of the account at log-in; if it changes, the number has another owner
	id      string // in the list of sessions; opens nothing
	browser string // that started it
	address string
	device  string // that signed the log-in; empty: none did, or it is not known
	// recovery: logged in with the recovery code, see recover.go.
	recovery bool
	began    time.Time // of its log-in, by which the nodes agree
	started  time.Time
	lastUse  time.Time
	secret   *secret
	change   *change // that waits for its signature
}

// secret is a code that is shown once.
type secret struct {
	kind    string // "app" or "recovery"
	code    string
	link    string // content of the QR code, for an App
	expires time.Time
	shown   time.Time // zero: not shown yet
}

type sessionTable struct {
	clock     mssp.Clock
	newCookie func() string
	mu        sync.Mutex
	m         map[cookieHash]*session
}

func newSessionTable(c mssp.Clock, newCookie func() string) *sessionTable {
	return &sessionTable{clock: c, newCookie: newCookie, m: map[cookieHash]*session{}}
}

func (s *session) expired(now time.Time) bool {
	return now.Sub(s.lastUse) >= sessionIdle || now.Sub(s.started) >= sessionAbsolute
}

// create starts a session, of which the number, the serial and where it comes from are
// given, and returns its cookie, which is always a new one.
func (ss *sessionTable) create(s session) (cookie string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	var oldest, oldestOwn *session // by last use
	own := 0
	for k, o := range ss.m {
		if o.expired(now) {
			delete(ss.m, k)
			continue
		}
		if oldest == nil || o.lastUse.Before(oldest.lastUse) {
			oldest = o
		}
		if o.number == s.number {
			own++
			if oldestOwn == nil || o.lastUse.Before(oldestOwn.lastUse) {
				oldestOwn = o
			}
		}
	}
	switch {
	case own >= sessionsPerNumber:
		delete(ss.m, oldestOwn.key)
	case len(ss.m) >= maxSessions:
		delete(ss.m, oldest.key)
	}
	cookie = ss.newCookie()
	s.key, s.id, s.started, s.lastUse = hashOf(cookie), rand.Text()[:10], now, now
	ss.m[s.key] = &s
	return cookie
}

// use finds the session of a cookie and restarts its idle time; nil if there is
// none.
func (ss *sessionTable) use(cookie string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	k, now := hashOf(cookie), ss.clock.Now()
	s := ss.m[k]
	if s == nil {
		return nil
	}
	if s.expired(now) {
		delete(ss.m, k)
		return nil
	}
	s.lastUse = now
	return s
}

func (ss *sessionTable) end(cookie string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.m, hashOf(cookie))
}

// endAll ends all sessions of a number except one.
func (ss *sessionTable) endAll(number string, except *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for k, s := range ss.m {
		if s.number == number && s != except {
			delete(ss.m, k)
		}
	}
}

// peek finds the session of a cookie and does not prolong it.
func (ss *sessionTable) peek(cookie string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	if s := ss.m[hashOf(cookie)]; s != nil && !s.expired(ss.clock.Now()) {
		return s
	}
	return nil
}

// setChange makes a change wait for its signature. It returns the one that it
// replaces.
func (ss *sessionTable) setChange(s *session, x *change) (old *change) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	old, s.change = s.change, x
	return old
}

// changeOf returns the change that waits in a session. If take is set, one that no
// longer waits is removed, so that it is carried out once.
func (ss *sessionTable) changeOf(s *session, take bool) *change {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	x := s.change
	if x != nil && take && x.prompt.State() != prompt.Waiting {
		s.change = nil
	}
	return x
}

// list returns the sessions of a number; this is the one that asks, if it is here.
func (ss *sessionTable) list(number string, this *session) (all []sessionView) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	for _, s := range ss.m {
		if s.number == number && !s.expired(now) {
			all = append(all, sessionView{s.id, s.browser, s.address, s.started, s.lastUse, s == this, s.recovery})
		}
	}
	return all
}

// endOf ends the session of a number with this ID.
func (ss *sessionTable) endOf(number, id string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for k, s := range ss.m {
		if s.number == number && s.id == id {
			delete(ss.m, k)
		}
	}
}

func (ss *sessionTable) setSecret(s *session, secret *secret) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.secret = secret
}

// takeSecret returns a secret of this kind once; nil if there is none.
func (ss *sessionTable) takeSecret(s *session, kind string) *secret {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	x := s.secret
	if x == nil || x.kind != kind || !x.shown.IsZero() || !now.Before(x.expires) {
		s.secret = nil
		return nil
	}
	x.shown = now
	shown := *x
	x.code = ""
	return &shown
}

// secretLink returns the content of the QR code for a short time after its page was
// shown; otherwise it is empty.
func (ss *sessionTable) secretLink(s *session) string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	x := s.secret
	if x == nil || x.link == "" || x.shown.IsZero() || now.Sub(x.shown) >= qrGrace || !now.Before(x.expires) {
		return ""
	}
	return x.link
}
