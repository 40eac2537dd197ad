package memstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Store is a store in memory. Close makes its calls fail.
type Store struct {
	*data
	closed atomic.Bool
}

var (
	_ mssp.Store           = (*Store)(nil)
	_ mssp.SIMRequestStore = (*Store)(nil)
)

// data is what a database would have. Its maps are made when they are first written to.
type data struct {
	mu sync.RWMutex

	transactions map[string]*transaction
	outstanding  map[string]*transaction      // by ID
	busy         map[busyKey]string           // IDs of outstanding transactions
	used         map[usedKey]struct{}         // calls that were made
	receipts     map[string]*mssp.Receipt     // by MSSP_TransID
	pending      map[string]*mssp.Receipt     // those without a result
	parties      map[string]*mssp.Party       // shared with callers
	logos        map[string][]byte            // by ID
	subscribers  map[string]*subscriber       // by MSISDN
	devices      map[string]*device           // by ID
	certificates map[string]*mssp.Certificate // by serial number
	apps         map[string]*mssp.AppDevice   // by device ID
	invites      map[string]*mssp.Invite      // by MSISDN
	consents     map[consentKey]*mssp.Consent
	notices      map[noticeKey]*mssp.Notice
	cards        map[string]*mssp.Card       // by ICCID, without MSISDN
	requests     map[string]*mssp.SIMRequest // by MSSP_TransID
}

// transaction is a row without its Certificate.
type transaction struct {
	mssp.Transaction
	verified *mssp.UserVerification
}

type busyKey struct{ msisdn, method string }

type usedKey struct {
	apID, apTransID string
	instant         int64 // microseconds
}

type subscriber struct {
	serial       string
	state        mssp.SubscriberState
	recoveryCode bool
	recoveryHash []byte
	serialKnown  bool // a certificate may have named the serial
	devices      []string
}

type device struct {
	mssp.Device // without its Certificate
	msisdn      string
	certificate string // its serial number; empty: none
}

type consentKey struct {
	msisdn  string
	kind    mssp.ConsentKind
	subject string
}

type noticeKey struct{ msisdn, id string }

// New returns an empty store.
func New() *Store { return &Store{data: new(data)} }

// Close implements mssp.Store.
func (s *Store) Close() error {
	s.closed.Store(true)
	return nil
}

var errClosed = errors.New("memstore: the store is closed")

// read calls f while nobody writes.
func (s *Store) read(ctx context.Context, f func() error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.call(ctx, f)
}

// write calls f while nobody else reads or writes. If f returns an error, it must have
// changed nothing.
func (s *Store) write(ctx context.Context, f func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.call(ctx, f)
}

func (s *Store) call(ctx context.Context, f func() error) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case s.closed.Load():
		return errClosed
	}
	return f()
}

// set puts a value into a map, which it makes if there is none.
func set[K comparable, V any](m *map[K]V, key K, value V) {
	if *m == nil {
		*m = make(map[K]V)
	}
	(*m)[key] = value
}

// precise is a time as precise as all times are, in UTC.
func precise(t time.Time) time.Time { return time.UnixMicro(t.UnixMicro()).UTC() }

// preciseOrZero leaves the zero time alone.
func preciseOrZero(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return precise(t)
}

// octets is a copy; nil if there are none.
func octets(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return append([]byte(nil), b...)
}

// texts is a copy; nil if there are none.
func texts(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return append([]string(nil), list...)
}

// encode returns a value as databases keep it that write JSON: what JSON leaves out is left out.
// Nil is none. The error says that JSON cannot have it.
func encode[T any](v *T) (*T, error) {
	if v == nil {
		return nil, nil
	}
	text, err := json.Marshal(v)
	out := new(T)
	if err == nil {
		err = json.Unmarshal(text, out)
	}
	if err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	return out, nil
}

// deep is a copy of a value that encode returned.
func deep[T any](v *T) *T {
	out, err := encode(v)
	if err != nil {
		panic(err)
	}
	return out
}
