package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// insert commits the transaction. A phone serves one transaction at a time, and the
// store decides which. On an App, a newer request of the same party replaces the open
// one, which ends with 401; see mssp.MethodSpec.Supersedes. Otherwise the newer one is
// refused with 406.
func (e *Engine) insert(ctx context.Context, o order) error {
	err := e.cfg.Store.InsertTransaction(ctx, o.Transaction)
	// The open transaction may have ended, or another one may have come, by the time
	// that it is looked at. A few rounds settle which one is last.
	const rounds = 5
	for range rounds {
		var busy *mssp.BusyError
		switch {
		case err == nil:
			e.turns.taken(o.Transaction)
			return nil
		case errors.Is(err, mssp.ErrDuplicate):
			return errUsed()
		case signum.AsFault(err) != nil:
			return err
		case !errors.As(err, &busy):
			return fmt.Errorf("inserting transaction: %w", err)
		}
		err = e.insertAfter(ctx, o, busy.TransID)
	}
	return mssp.Noted(signum.NewFault(signum.PBSignatureProcess), "requests of others came first %d times in a row", rounds)
}

// insertAfter deals with the transaction that blocks the insert, and inserts again if
// it may.
func (e *Engine) insertAfter(ctx context.Context, o order, id string) error {
	old, err := e.known(ctx, id)
	if errors.Is(err, mssp.ErrNotFound) {
		return e.cfg.Store.InsertTransaction(ctx, o.Transaction)
	}
	if err != nil {
		return fmt.Errorf("reading transaction: %w", err)
	}
	switch {
	case e.overdue(old):
		if err := e.expire(ctx, old); err != nil {
			return err
		}
		return e.cfg.Store.InsertTransaction(ctx, o.Transaction)
	case mssp.MethodOf(o.Method).Supersedes && (o.own || old.APID == o.APID):
		return e.replace(ctx, old, o)
	case old.APID != o.APID:
		// Parties must not end each other's requests, nor hold a phone against each other.
		if err := e.makeWait(ctx, old); err != nil {
			return err
		}
	}
	return mssp.Noted(signum.NewFault(signum.PBSignatureProcess), "the phone is busy with transaction %s of %.100q", old.ID, old.APID)
}

// replace ends the open transaction and inserts the newer one, both at once: in
// between, another party could get the phone.
func (e *Engine) replace(ctx context.Context, old *mssp.Transaction, o order) error {
	out := mssp.Failed(signum.NewFault(signum.UserCancel))
	out.Replaced = true
	ended, err := e.cfg.Store.ReplaceTransaction(ctx, old.ID, out, o.Transaction)
	if ended {
		e.ended(ctx, old, out, mssp.EndReplaced, nil, o.Created)
	}
	return err
}

// makeWait records that another party waits for the phone. The service itself need
// not let others have their turn: its requests are of the user's own making.
func (e *Engine) makeWait(ctx context.Context, open *mssp.Transaction) error {
	p, err := e.cfg.Store.Party(ctx, open.APID)
	if err != nil && !errors.Is(err, mssp.ErrNotFound) {
		return fmt.Errorf("reading party: %w", err)
	}
	if err == nil && !p.Own {
		e.turns.waiting(open)
	}
	return nil
}
