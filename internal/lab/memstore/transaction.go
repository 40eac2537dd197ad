package memstore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
)

// rowOf checks a transaction and returns it as it is kept.
func rowOf(t *mssp.Transaction) (*transaction, error) {
	if err := storable.Transaction(t); err != nil {
		return nil, err
	}
	if err := storable.Services(&t.Services); err != nil {
		return nil, err
	}
	r := &transaction{Transaction: *t}
	r.Certificate, r.Owner, r.Resumed = nil, "", false
	r.SignedAttrs = octets(t.SignedAttrs)
	if t.Services != (mssp.ServiceOptions{}) { // an ordinary request asks for none
		services, err := encode(&t.Services)
		if err != nil {
			return nil, err
		}
		r.Services = *services
	}
	r.APInstant, r.Created, r.Expires = precise(t.APInstant), precise(t.Created), precise(t.Expires)
	if t.State == mssp.StateOutstanding {
		r.Outcome, r.Finished = mssp.Outcome{}, time.Time{}
		return r, nil
	}
	o, err := outcome(&t.Outcome)
	if err != nil {
		return nil, err
	}
	o.Replaced, o.Verified = false, nil
	r.Outcome, r.Finished = o, precise(t.Finished)
	return r, nil
}

// outcome checks an outcome and returns it as it is kept.
func outcome(o *mssp.Outcome) (out mssp.Outcome, err error) {
	if err := errors.Join(storable.Location(o.Location), storable.Verification(o.Verified)); err != nil {
		return out, err
	}
	out = mssp.Outcome{Code: o.Code, Detail: o.Detail, Signature: octets(o.Signature), Replaced: o.Replaced, Verified: copyVerification(o.Verified)}
	if out.Location, err = encode(o.Location); err == nil && out.Location != nil {
		out.Location.Measured = preciseOrZero(o.Location.Measured)
	}
	return out, err
}

// copyServices does nothing for an ordinary request, which asks for no services.
func copyServices(o mssp.ServiceOptions) mssp.ServiceOptions {
	if o == (mssp.ServiceOptions{}) {
		return o
	}
	return *deep(&o)
}

func copyLocation(l *mssp.Location) *mssp.Location {
	if l == nil {
		return nil
	}
	out := deep(l)
	out.Measured = preciseOrZero(l.Measured)
	return out
}

// transaction returns a row to a caller, with the certificate of a serial number.
func (d *data) transaction(r *transaction, serial string) *mssp.Transaction {
	t := r.Transaction
	t.Services, t.SignedAttrs = copyServices(r.Services), octets(r.SignedAttrs)
	t.Outcome.Signature, t.Outcome.Location = octets(r.Outcome.Signature), copyLocation(r.Outcome.Location)
	t.Certificate = d.certificate(serial)
	return &t
}

func (r *transaction) used() usedKey {
	return usedKey{r.APID, r.APTransID, r.APInstant.UnixMicro()}
}

func (r *transaction) busy() busyKey {
	return busyKey{r.MSISDN, storable.MethodColumn(&r.Transaction)}
}

// refusal says why a transaction cannot be inserted, if it would be after the end of
// another one.
func (d *data) refusal(r *transaction, ended string) error {
	if _, used := d.used[r.used()]; used {
		return mssp.ErrDuplicate
	}
	if r.State == mssp.StateOutstanding {
		if busy, ok := d.busy[r.busy()]; ok && busy != r.ID && busy != ended {
			return &mssp.BusyError{TransID: busy}
		}
	}
	if d.transactions[r.ID] != nil {
		return fmt.Errorf("store: MSSP_TransID %s exists", r.ID)
	}
	return nil
}

func (d *data) insert(r *transaction) {
	set(&d.transactions, r.ID, r)
	set(&d.used, r.used(), struct{}{})
	if r.State == mssp.StateOutstanding {
		set(&d.outstanding, r.ID, r)
		set(&d.busy, r.busy(), r.ID)
	}
}

// InsertTransaction implements mssp.Store.
func (s *Store) InsertTransaction(ctx context.Context, t *mssp.Transaction) error {
	r, err := rowOf(t)
	if err != nil {
		return err
	}
	return s.write(ctx, func() error {
		if err := s.refusal(r, ""); err != nil {
			return err
		}
		s.insert(r)
		return nil
	})
}

// ReplaceTransaction implements mssp.Store.
func (s *Store) ReplaceTransaction(ctx context.Context, old string, o mssp.Outcome, t *mssp.Transaction) (replaced bool, err error) {
	if !storable.IsKey(old) {
		return false, s.InsertTransaction(ctx, t)
	}
	if err := storable.Outcome(old, o); err != nil {
		return false, err
	}
	if o.Code == signum.SignatureMade {
		return false, fmt.Errorf("store: transaction %s is replaced and signed", old)
	}
	r, err := rowOf(t)
	if err != nil {
		return false, err
	}
	kept, err := outcome(&o)
	if err != nil {
		return false, err
	}
	err = s.write(ctx, func() error {
		before := s.outstanding[old]
		ended := ""
		if before != nil {
			ended = old
		}
		if err := s.refusal(r, ended); err != nil {
			if before != nil && !errors.Is(err, mssp.ErrDuplicate) {
				return fmt.Errorf("store: replacing transaction %s: %w", old, err)
			}
			return err
		}
		if before != nil {
			s.end(before, kept, r.Created)
		}
		s.insert(r)
		replaced = before != nil
		return nil
	})
	return replaced, err
}

// end ends an outstanding transaction with what outcome returned.
func (d *data) end(r *transaction, o mssp.Outcome, at time.Time) {
	delete(d.outstanding, r.ID)
	delete(d.busy, r.busy())
	r.State, r.Finished, r.verified = o.FinalState(), precise(at), o.Verified
	o.Verified = nil
	r.Outcome = o
}

// FinishTransaction implements mssp.Store.
func (s *Store) FinishTransaction(ctx context.Context, id string, o mssp.Outcome, by *mssp.AnsweredBy, at time.Time) (won bool, err error) {
	if !storable.IsKey(id) {
		return false, nil
	}
	if err := checkEnd(id, &o, by); err != nil {
		return false, err
	}
	kept, err := outcome(&o)
	if err != nil {
		return false, err
	}
	err = s.write(ctx, func() error {
		r := s.outstanding[id]
		if r == nil || o.Code == signum.SignatureMade && !s.maySign(r, by) {
			return nil
		}
		if by != nil {
			r.DeviceID, r.CertSerial, r.SignedAttrs = by.DeviceID, by.CertSerial, octets(by.SignedAttrs)
		}
		s.end(r, kept, at)
		won = true
		return nil
	})
	return won, err
}

func checkEnd(id string, o *mssp.Outcome, by *mssp.AnsweredBy) error {
	if err := storable.Outcome(id, *o); err != nil {
		return err
	}
	switch {
	case by == nil && o.Code == signum.SignatureMade:
		return fmt.Errorf("store: transaction %s ends with a signature of no device", id)
	case by == nil:
		return nil
	case o.Replaced:
		return fmt.Errorf("store: transaction %s was answered and replaced", id)
	}
	return storable.Texts(storable.F("device ID", by.DeviceID), storable.F("certificate serial", by.CertSerial))
}

// maySign reports whether a device may end a transaction with a signature.
func (d *data) maySign(r *transaction, by *mssp.AnsweredBy) bool {
	if c := d.certificates[by.CertSerial]; c != nil && c.State != mssp.CertificateGood {
		return false
	}
	dev := d.devices[by.DeviceID]
	return dev != nil && dev.msisdn == r.MSISDN && dev.Method == r.Method && d.active(dev)
}

// active reports whether a device may be asked for signatures.
func (d *data) active(dev *device) bool {
	return dev.State == signum.DeviceActive && !dev.PINBlocked && d.subscribers[dev.msisdn].state == mssp.SubscriberActive
}

// PrepareTransaction implements mssp.Store.
func (s *Store) PrepareTransaction(ctx context.Context, id string, signedAttrs []byte, certSerial string) (done bool, err error) {
	if !storable.IsKey(id) {
		return false, nil
	}
	if len(signedAttrs) == 0 || certSerial == "" {
		return false, fmt.Errorf("store: transaction %s is prepared without something to sign or a certificate", id)
	}
	if err := storable.Texts(storable.F("certificate serial", certSerial)); err != nil {
		return false, err
	}
	err = s.write(ctx, func() error {
		if r := s.outstanding[id]; r != nil && r.CertSerial == "" {
			r.SignedAttrs, r.CertSerial, done = octets(signedAttrs), certSerial, true
		}
		return nil
	})
	return done, err
}

// TransactionUsed implements mssp.Store.
func (s *Store) TransactionUsed(ctx context.Context, apID, apTransID string, instant time.Time) (used bool, err error) {
	err = s.read(ctx, func() error {
		_, used = s.used[usedKey{apID, apTransID, instant.UnixMicro()}]
		return nil
	})
	return used, err
}

// Transaction implements mssp.Store.
func (s *Store) Transaction(ctx context.Context, id string) (t *mssp.Transaction, err error) {
	err = s.read(ctx, func() error {
		r := s.transactions[id]
		if r == nil {
			return mssp.ErrNotFound
		}
		t = s.transaction(r, r.CertSerial)
		return nil
	})
	return t, err
}

// Verification implements mssp.Store.
func (s *Store) Verification(ctx context.Context, transID string) (v *mssp.UserVerification, err error) {
	err = s.read(ctx, func() error {
		r := s.transactions[transID]
		if r == nil || r.verified == nil {
			return mssp.ErrNotFound
		}
		v = copyVerification(r.verified)
		return nil
	})
	return v, err
}

func copyVerification(v *mssp.UserVerification) *mssp.UserVerification {
	out := deep(v)
	if out != nil {
		out.At = preciseOrZero(v.At)
	}
	return out
}

// ExpiredTransactions implements mssp.Store.
func (s *Store) ExpiredTransactions(ctx context.Context, now time.Time, limit int) (ids []string, err error) {
	err = s.read(ctx, func() error {
		var due []*transaction
		for _, r := range s.outstanding {
			if r.Expires.UnixMicro() <= now.UnixMicro() {
				due = append(due, r)
			}
		}
		slices.SortFunc(due, func(a, b *transaction) int { return cmp.Or(a.Expires.Compare(b.Expires), strings.Compare(a.ID, b.ID)) })
		for _, r := range first(due, limit) {
			ids = append(ids, r.ID)
		}
		return nil
	})
	return ids, err
}

// first returns at most n of a list.
func first[T any](list []T, n int) []T { return list[:max(0, min(n, len(list)))] }

// OutstandingTransactions implements mssp.Store.
func (s *Store) OutstandingTransactions(ctx context.Context, now time.Time, after string, limit int) (list []*mssp.Transaction, err error) {
	if limit <= 0 {
		return nil, nil
	}
	if !storable.IsKey(after) {
		return nil, errors.New("store: outstanding transactions: not an MSSP_TransID to start after")
	}
	err = s.read(ctx, func() error {
		ids := slices.Sorted(maps.Keys(s.outstanding))
		ids = slices.DeleteFunc(ids, func(id string) bool {
			return id <= after || s.outstanding[id].Expires.UnixMicro() <= now.UnixMicro()
		})
		for _, id := range first(ids, limit) {
			r := s.outstanding[id]
			list = append(list, s.transaction(r, r.CertSerial))
		}
		return nil
	})
	return list, err
}

// DevicePending implements mssp.Store.
func (s *Store) DevicePending(ctx context.Context, deviceID string, now time.Time) (transactions []*mssp.Transaction, receipts []*mssp.Receipt, err error) {
	err = s.read(ctx, func() error {
		if d := s.devices[deviceID]; d != nil {
			transactions = s.askedOf(d, now)
		}
		for _, r := range s.pending {
			if r.DeviceID == deviceID && r.Expires.UnixMicro() > now.UnixMicro() {
				receipts = append(receipts, copyReceipt(r))
			}
		}
		slices.SortFunc(receipts, func(a, b *mssp.Receipt) int {
			return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.TransID, b.TransID))
		})
		return nil
	})
	return transactions, receipts, err
}

// askedOf returns the transactions that a device has to answer. A subscriber has at most one
// of each method.
func (d *data) askedOf(dev *device, now time.Time) []*mssp.Transaction {
	r := d.outstanding[d.busy[busyKey{dev.msisdn, string(dev.Method)}]]
	if r == nil || r.Expires.UnixMicro() <= now.UnixMicro() {
		return nil
	}
	serial := dev.certificate
	if r.DeviceID == dev.ID {
		serial = r.CertSerial
	}
	t := d.transaction(r, serial)
	if !storable.AskedOf(t, dev.ID, d.active(dev), now) {
		return nil
	}
	return []*mssp.Transaction{t}
}

// SubscriberPending implements mssp.Store.
func (s *Store) SubscriberPending(ctx context.Context, msisdn string) (list []*mssp.Transaction, err error) {
	err = s.read(ctx, func() error {
		var rows []*transaction
		for _, r := range s.outstanding {
			if r.MSISDN == msisdn {
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, func(a, b *transaction) int { return strings.Compare(a.busy().method, b.busy().method) })
		for _, r := range rows {
			list = append(list, s.transaction(r, r.CertSerial))
		}
		return nil
	})
	return list, err
}

// RecentTransactions implements mssp.Store.
func (s *Store) RecentTransactions(ctx context.Context, msisdn string, limit int) (list []*mssp.Transaction, err error) {
	err = s.read(ctx, func() error {
		var rows []*transaction
		for _, r := range s.transactions {
			if r.MSISDN == msisdn {
				rows = append(rows, r)
			}
		}
		slices.SortFunc(rows, func(a, b *transaction) int { return cmp.Or(b.Created.Compare(a.Created), strings.Compare(b.ID, a.ID)) })
		for _, r := range first(rows, limit) {
			list = append(list, s.transaction(r, r.CertSerial))
		}
		return nil
	})
	return list, err
}

// EndedTransactions implements mssp.Store.
func (s *Store) EndedTransactions(ctx context.Context, ids []string) (ended []string, err error) {
	err = s.read(ctx, func() error {
		for _, id := range ids {
			if s.outstanding[id] == nil {
				ended = append(ended, id)
			}
		}
		return nil
	})
	return ended, err
}

// PurgeTransactions implements mssp.Store.
func (s *Store) PurgeTransactions(ctx context.Context, before time.Time, limit int) (n int, err error) {
	err = s.write(ctx, func() error {
		var due []*transaction
		for _, r := range s.transactions {
			if r.State != mssp.StateOutstanding && r.Finished.UnixMicro() < before.UnixMicro() {
				due = append(due, r)
			}
		}
		slices.SortFunc(due, func(a, b *transaction) int {
			return cmp.Or(a.Finished.Compare(b.Finished), strings.Compare(a.ID, b.ID))
		})
		for _, r := range first(due, limit) {
			delete(s.transactions, r.ID)
			delete(s.used, r.used())
			delete(s.receipts, r.ID)
			delete(s.pending, r.ID)
			n++
		}
		return nil
	})
	return n, err
}

// ClaimTransactions implements mssp.Store: no other node uses the store.
func (s *Store) ClaimTransactions(context.Context, string, time.Duration, int) ([]*mssp.Transaction, int, error) {
	return nil, 0, nil
}
