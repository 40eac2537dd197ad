package app

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/signum-mssp/signum/internal/mssp"
)

// The kinds of shared values of enrolments.
const (
	sharedEnrolment = "app enrolment"
	sharedTry       = "app recovery try"
)

// enrolmentRow is an enrolment as other nodes need it. It is encrypted with its id, which
// the App alone knows, and named by a hash of the id: it has the share of a key and maybe
// a recovery code.
type enrolmentRow struct {
	CodeHash  octets    `json:"code"`
	MSISDN    string    `json:"msisdn"`
	DeviceID  string    `json:"device"`
	Challenge octets    `json:"challenge"`
	Share     octets    `json:"share"`
	Expires   time.Time `json:"expires"`
	Keys      octets    `json:"keys,omitempty"` // of the App that was enrolled
	Done      *enrolled `json:"done,omitempty"`
}

// shareEnrolment lets other nodes go on with an enrolment. e.mu is held, or nobody else
// knows e.
func (s *Server) shareEnrolment(ctx context.Context, e *pendingEnrolment) error {
	if !s.shared() {
		return nil
	}
	row := enrolmentRow{e.invite.hash, e.msisdn, e.deviceID, e.challenge, e.share, e.expires, nil, e.done}
	if e.done != nil {
		row.Keys = e.keys[:]
	}
	text, err := json.Marshal(&row)
	if err != nil {
		return fmt.Errorf("enrolment: %w", err)
	}
	box, name, err := enrolmentBox(e.id)
	if err != nil {
		return err
	}
	return s.cfg.Shared.PutValue(ctx, sharedEnrolment, name, box.Seal(nil, nil, text, nil), row.Expires)
}

// enrolmentBox returns what encrypts the row of an enrolment, with a nonce of its own in
// each, and its name.
func enrolmentBox(id string) (box cipher.AEAD, name string, err error) {
	key, err := hkdf.Key(sha256.New, []byte(id), nil, "signum shared enrolment", 32)
	if err != nil {
		return nil, "", fmt.Errorf("enrolment: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err == nil {
		box, err = cipher.NewGCMWithRandomNonce(block)
	}
	if err != nil {
		return nil, "", fmt.Errorf("enrolment: %w", err)
	}
	sum := sha256.Sum256([]byte("signum enrolment name " + id))
	return box, hex.EncodeToString(sum[:]), nil
}

// findEnrolment returns an enrolment that was begun here or at another node; nil if there is
// none.
func (s *Server) findEnrolment(ctx context.Context, id string, now time.Time) (*pendingEnrolment, error) {
	if e := s.enrols.find(id, now); e != nil || !s.shared() || id == "" {
		return e, nil
	}
	row, err := s.sharedEnrolment(ctx, id)
	if row == nil || err != nil {
		return nil, err
	}
	return s.enrols.adopt(id, row, now), nil
}

// doneElsewhere learns whether an enrolment was carried out at another node. e.mu is held.
func (s *Server) doneElsewhere(ctx context.Context, e *pendingEnrolment) error {
	if !s.shared() || e.done != nil {
		return nil
	}
	row, err := s.sharedEnrolment(ctx, e.id)
	if row == nil || row.Done == nil || err != nil {
		return err
	}
	copy(e.keys[:], row.Keys)
	e.done = row.Done
	s.enrols.finished(e, s.now())
	return nil
}

// doneMeanwhile is doneElsewhere for an enrolment whose invite is used up: another node that
// used it shares its answer in a moment.
func (s *Server) doneMeanwhile(ctx context.Context, e *pendingEnrolment) error {
	const looks, pause = 5, 100 * time.Millisecond
	for range looks {
		if err := s.doneElsewhere(ctx, e); err != nil || e.done != nil || !s.shared() || s.cfg.Peers.Peers() == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
	return nil
}

// sharedEnrolment returns the row of an enrolment; nil if there is none.
func (s *Server) sharedEnrolment(ctx context.Context, id string) (*enrolmentRow, error) {
	box, name, err := enrolmentBox(id)
	if err != nil {
		return nil, err
	}
	sealed, err := s.cfg.Shared.Value(ctx, sharedEnrolment, name)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, err := box.Open(nil, nil, sealed, nil)
	if err != nil {
		return nil, fmt.Errorf("enrolment of another node: %w", err)
	}
	var row enrolmentRow
	if err := json.Unmarshal(text, &row); err != nil {
		return nil, fmt.Errorf("enrolment of another node: %w", err)
	}
	return &row, nil
}

// takeSharedTry counts a recovery code as wrong for all nodes before it is compared; false if
// no try is left.
func (s *Server) takeSharedTry(ctx context.Context, i *invitation, now time.Time) (bool, error) {
	if !s.shared() {
		return true, nil
	}
	for n := range maxRecoveryTry {
		first, err := s.cfg.Shared.Once(ctx, sharedTry, hex.EncodeToString(i.hash)+" "+strconv.Itoa(n), now.Add(enrolmentFor))
		if err != nil || first {
			return first, err
		}
	}
	return false, nil
}
