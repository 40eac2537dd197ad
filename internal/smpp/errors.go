package smpp

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrUnbound means that nothing was sent: before the context ended there was
	// no session, or none with room in its window.
	ErrUnbound = errors.New("smpp: not bound")
	// ErrTimeout means that the request was sent and no response came in time, or
	// none before the connection ended: the peer may have accepted it or not.
	ErrTimeout = errors.New("smpp: no response")
	// ErrClosed is returned by Server.Serve after Close, and by a second
	// Client.Run.
	ErrClosed = errors.New("smpp: closed")
)

// Why a connection ended.
var (
	errClosing    = errors.New("smpp: closed by this side")
	errPeerUnbind = errors.New("smpp: the peer unbound")
	errSilent     = errors.New("smpp: no answer to enquire_link")
	errNoBind     = errors.New("smpp: no bind in time")
	errRefused    = errors.New("smpp: bind refused")
	errGarbage    = errors.New("smpp: too many unreadable PDUs")
)

// unanswered is ErrTimeout with its reason. A Status in the reason is this side's: it
// must not be mistaken for the verdict of the peer.
func unanswered(why error) error {
	if _, ok := errors.AsType[Status](why); ok {
		return fmt.Errorf("%w: %v", ErrTimeout, why)
	}
	return fmt.Errorf("%w: %w", ErrTimeout, why)
}

// notSentFor is ErrUnbound with the reason that the context ended.
func notSentFor(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrUnbound, ctx.Err()) }
