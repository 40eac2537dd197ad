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
	started time.Time
	lastUse time.Time
	secret  *secret
	change  *change // that waits for its signature
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
	clock mssp.Clock
	mu    sync.Mutex
	m     map[cookieHash]*session
}

func newSessionTable(c mssp.Clock) *sessionTable {
	return &sessionTable{clock: c, m: map[cookieHash]*session{}}
}

func (s *session) expired(now time.Time) bool {
	return now.Sub(s.lastUse) >= sessionIdle || now.Sub(s.started) >= sessionAbsolute
}

// create starts a session and returns its cookie, which is always a new one.
func (ss *sessionTable) create(number, serial string) (cookie string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	var oldest, oldestOwn *session // by last use
	own := 0
	for k, s := range ss.m {
		if s.expired(now) {
			delete(ss.m, k)
			continue
		}
		if oldest == nil || s.lastUse.Before(oldest.lastUse) {
			oldest = s
		}
		if s.number == number {
			own++
			if oldestOwn == nil || s.lastUse.Before(oldestOwn.lastUse) {
				oldestOwn = s
			}
		}
	}
	switch {
	case own >= sessionsPerNumber:
		delete(ss.m, oldestOwn.key)
	case len(ss.m) >= maxSessions:
		delete(ss.m, oldest.key)
	}
	cookie = newCookie()
	k := hashOf(cookie)
	ss.m[k] = &session{key: k, number: number, serial: serial, started: now, lastUse: now}
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
