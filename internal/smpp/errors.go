package smpp

import (
	"context"
	"errors"
	"fmt"
)

var (
	// ErrUnbound means that nothing was sent, because there is no session, or
	// none with room in its window before the context ended.
	ErrUnbound = errors.New("smpp: not bound")
	// ErrTimeout means that the request was sent and has no response, because
	// none came in time or because the connection went first: the other side
	// may have taken it or not.
	ErrTimeout = errors.New("smpp: no response")
	// ErrClosed is how a Server's Serve ends after Close, and the second Run of
	// a Client.
	ErrClosed = errors.New("smpp: closed")
)

// What ends a connection.
var (
	errClosing    = errors.New("smpp: closed by this side")
	errPeerUnbind = errors.New("smpp: the other side unbound")
	errSilent     = errors.New("smpp: no answer to enquire_link")
	errNoBind     = errors.New("smpp: no bind in time")
	errRefused    = errors.New("smpp: bind refused")
	errGarbage    = errors.New("smpp: too many bad PDUs")
)

// unanswered is ErrTimeout with its reason.
func unanswered(why error) error { return fmt.Errorf("%w: %w", ErrTimeout, why) }

// notSentFor is ErrUnbound because the context ended.
func notSentFor(ctx context.Context) error { return fmt.Errorf("%w: %w", ErrUnbound, ctx.Err()) }
