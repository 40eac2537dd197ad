package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Bounds of sessions.
const (
	sessionIdle       = 10 * time.Minute
	sessionAbsolute   = 60 * time.Minute
	maxSessions       = 10_000
	sessionsPerNumber = 5
	qrGrace           = time.Minute // how long the image follows its page
)

// cookieHash is the SHA-256 of a cookie: what memory holds is not what opens it,
// and looking it up tells nothing by its time.
type cookieHash [sha256.Size]byte

// newCookie returns a value of 256 random bits.
func newCookie() string {
	b := make([]byte, 32)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

func keyOf(cookie string) cookieHash { return sha256.Sum256([]byte(cookie)) }

// session is a user who is logged in. All but seen and secret never
// change.
type session struct {
	key    cookieHash
	number string
	serial string // of the account at log-in: with another it is another person's
	begun  time.Time
	seen   time.Time
	secret *secret
}

// secret is what is shown once.
type secret struct {
	kind    string // "app" or "recovery"
	code    string
	link    string // of an App: what the QR code says
	expires time.Time
	shown   time.Time // zero: not yet
}

type sessionTable struct {
	clock mssp.Clock
	mu    sync.Mutex
	m     map[cookieHash]*session
}

func newSessionTable(c mssp.Clock) *sessionTable {
	return &sessionTable{clock: c, m: map[cookieHash]*session{}}
}

func (s *session) over(now time.Time) bool {
	return now.Sub(s.seen) >= sessionIdle || now.Sub(s.begun) >= sessionAbsolute
}

// create begins a session and returns its cookie, which is always a new one.
func (ss *sessionTable) create(number, serial string) (cookie string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	var oldest, oldestOwn *session // by last use
	own := 0
	for k, s := range ss.m {
		if s.over(now) {
			delete(ss.m, k)
			continue
		}
		if oldest == nil || s.seen.Before(oldest.seen) {
			oldest = s
		}
		if s.number == number {
			own++
			if oldestOwn == nil || s.seen.Before(oldestOwn.seen) {
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
	k := keyOf(cookie)
	ss.m[k] = &session{key: k, number: number, serial: serial, begun: now, seen: now}
	return cookie
}

// use finds the session of a cookie and begins its idle time anew; nil if
// there is none.
func (ss *sessionTable) use(cookie string) *session {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	k, now := keyOf(cookie), ss.clock.Now()
	s := ss.m[k]
	if s == nil {
		return nil
	}
	if s.over(now) {
		delete(ss.m, k)
		return nil
	}
	s.seen = now
	return s
}

func (ss *sessionTable) end(cookie string) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	delete(ss.m, keyOf(cookie))
}

// endOf ends all sessions of a number, but one.
func (ss *sessionTable) endOf(number string, but *session) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	for k, s := range ss.m {
		if s.number == number && s != but {
			delete(ss.m, k)
		}
	}
}

func (ss *sessionTable) keep(s *session, secret *secret) {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	s.secret = secret
}

// show returns a secret of this kind the first time.
func (ss *sessionTable) show(s *session, kind string) *secret {
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

// link is what the image of the App's code says, while its page is new; empty
// if there is none.
func (ss *sessionTable) link(s *session) string {
	ss.mu.Lock()
	defer ss.mu.Unlock()
	now := ss.clock.Now()
	x := s.secret
	if x == nil || x.link == "" || x.shown.IsZero() || now.Sub(x.shown) >= qrGrace || !now.Before(x.expires) {
		return ""
	}
	return x.link
}
