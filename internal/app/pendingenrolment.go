package app

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	enrolmentFor = 15 * time.Minute // lifetime of an invite, and of an enrolment from its begin
	repeatFor    = 10 * time.Minute // how long a finished enrolment can be repeated

	maxEnrolments   = 10_000 // unfinished; as many finished ones are kept
	maxPerInvite    = 5      // enrolments begun with one code; a further one evicts the oldest
	maxRecoveryTry  = 5      // wrong recovery codes for one activation code
	challengeBytes  = 32
	enrolmentPrefix = "signum enrolment\x00"
)

// pendingEnrolment is the state between the two calls of an enrolment. If it is
// lost, the App has to begin again.
type pendingEnrolment struct {
	id        string
	invite    *invitation
	msisdn    string
	deviceID  string
	challenge []byte
	share     []byte

	mu   sync.Mutex // held while it is carried out, so that a repeated call waits for the first
	keys [16]byte   // hash of the keys that were enrolled
	done *enrolled

	expires  time.Time // pendingEnrolments.mu guards this and
	finished bool
}

// message is what both new keys sign.
func (e *pendingEnrolment) message(authKey, signKey []byte) []byte {
	return slices.Concat([]byte(enrolmentPrefix), e.challenge, authKey, signKey)
}

// invitation is shared by the enrolments of one activation code.
type invitation struct {
	hash  []byte
	begun []*pendingEnrolment
	tries int // wrong recovery codes
}

type pendingEnrolments struct {
	mu     sync.Mutex
	by     map[string]*pendingEnrolment
	byCode map[string]*invitation
	kept   int // how many in by are finished and kept for repeats
}

func newPendingEnrolments() pendingEnrolments {
	return pendingEnrolments{by: make(map[string]*pendingEnrolment), byCode: make(map[string]*invitation)}
}

// begin starts an enrolment for an invite. When there are too many, the oldest is
// evicted, and its App has to begin again.
func (s *pendingEnrolments) begin(i *mssp.Invite, now time.Time) *pendingEnrolment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.by)-s.kept >= maxEnrolments {
		s.drop(s.oldest(false))
	}
	e := &pendingEnrolment{
		id: rand.Text(), msisdn: i.MSISDN, deviceID: "app-" + rand.Text(),
		challenge: randomBytes(challengeBytes), share: randomBytes(challengeBytes),
		expires: now.Add(enrolmentFor),
	}
	s.add(e, i.CodeHash)
	return e
}

// add is called with mu held.
func (s *pendingEnrolments) add(e *pendingEnrolment, codeHash []byte) {
	inv := s.byCode[string(codeHash)]
	if inv == nil {
		inv = &invitation{hash: codeHash}
		s.byCode[string(codeHash)] = inv
	}
	e.invite = inv
	s.by[e.id] = e
	inv.begun = append(inv.begun, e)
	if len(inv.begun) > maxPerInvite {
		s.drop(inv.begun[0])
	}
}

// adopt adds an enrolment that was begun at another node, unless another call has.
func (s *pendingEnrolments) adopt(id string, row *enrolmentRow, now time.Time) *pendingEnrolment {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.by[id]; e != nil {
		return e
	}
	if !now.Before(row.Expires) {
		return nil
	}
	e := &pendingEnrolment{
		id: id, msisdn: row.MSISDN, deviceID: row.DeviceID, challenge: row.Challenge, share: row.Share, expires: row.Expires,
		done: row.Done, finished: row.Done != nil,
	}
	copy(e.keys[:], row.Keys)
	if e.finished {
		s.kept++
	}
	s.add(e, row.CodeHash)
	for _, finished := range []bool{false, true} {
		if n := map[bool]int{false: len(s.by) - s.kept, true: s.kept}[finished]; n > maxEnrolments {
			s.drop(s.oldest(finished))
		}
	}
	return e
}

func (s *pendingEnrolments) find(id string, now time.Time) *pendingEnrolment {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.by[id]
	if e == nil || !now.Before(e.expires) {
		return nil
	}
	return e
}

// finished keeps an enrolment for repeats, for repeatFor. When full, it evicts
// the oldest: kept answers must not keep others from enrolling.
func (s *pendingEnrolments) finished(e *pendingEnrolment, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e.expires = now.Add(repeatFor); e.finished || s.by[e.id] != e {
		return
	}
	e.finished = true
	if s.kept++; s.kept > maxEnrolments {
		s.drop(s.oldest(true))
	}
}

// oldest returns the enrolment that expires first, of those that are finished or of
// the others.
func (s *pendingEnrolments) oldest(finished bool) (oldest *pendingEnrolment) {
	for _, e := range s.by {
		if e.finished == finished && (oldest == nil || e.expires.Before(oldest.expires)) {
			oldest = e
		}
	}
	return oldest
}

// takeTry counts a recovery code as wrong before it is compared; false if no try
// is left.
func (s *pendingEnrolments) takeTry(i *invitation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i.tries >= maxRecoveryTry {
		return false
	}
	i.tries++
	return true
}

func (s *pendingEnrolments) sweep(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.by {
		if !now.Before(e.expires) {
			s.drop(e)
		}
	}
}

func (s *pendingEnrolments) drop(e *pendingEnrolment) {
	delete(s.by, e.id)
	if e.finished {
		s.kept--
	}
	e.invite.begun = slices.DeleteFunc(e.invite.begun, func(o *pendingEnrolment) bool { return o == e })
	if len(e.invite.begun) == 0 {
		delete(s.byCode, string(e.invite.hash))
	}
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}
