package worlds

import (
	"context"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Router gives each call to the world that it is for. It implements edge.Service.
//
// A path of a world says which one it is (In). Otherwise, a certificate that belongs to parties of one world alone says which world that is,
// whatever the AP_ID. Otherwise the AP_ID says it, if one world alone has it and the world of
// the directory has not. All other calls are for the world of the directory.
type Router struct {
	set  func() *Set
	next edge.Service
}

// NewRouter returns what stands in front of the service of the directory's world. The set may
// be nil as long as nobody calls for another world.
func NewRouter(set func() *Set, next edge.Service) *Router { return &Router{set, next} }

type worldKey struct{}

// In returns a context whose calls are for a world.
func In(ctx context.Context, w *World) context.Context { return context.WithValue(ctx, worldKey{}, w) }

// of returns the world that a call is for; nil: that of the directory.
func (r *Router) of(ctx context.Context, c *mssp.Caller, h *signum.Header) *World {
	w, _ := ctx.Value(worldKey{}).(*World)
	if set := r.set(); w == nil && set != nil {
		w = set.meant(c.Pin, h.AP.ID)
	}
	return w
}

// serve makes a call of a world, or of the directory's service. It ends with its world.
func serve[Q, A any](ctx context.Context, w *World, next edge.Service, c *mssp.Caller, q Q, call func(edge.Service, context.Context, *mssp.Caller, Q) (A, error)) (A, error) {
	if w == nil {
		return call(next, ctx, c, q)
	}
	w.start()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(w.ctx, func() {
		defer event.Rescue(w.set.cfg.Logger, "end of a call of a world")
		cancel()
	})()
	a, err := call(w.engine, ctx, c, q)
	if err != nil && signum.AsFault(err) == nil && w.ctx.Err() != nil {
		err = signum.Faultf(signum.InternalError, "The world of this call was dropped")
	}
	return a, err
}

// meant returns the world that a call is for; nil: that of the directory.
func (s *Set) meant(pin mssp.Pin, apID string) *World {
	s.mu.RLock()
	defer s.mu.RUnlock()
	own, named := s.byPin[pin], s.byAPID[apID]
	switch {
	case len(own) == 1:
		return own[0]
	case len(named) == 0:
		return nil
	case len(own) > 1: // a certificate of several worlds
		if i := slices.IndexFunc(own, func(w *World) bool { return slices.Contains(named, w) }); i >= 0 {
			return own[i]
		}
	case len(named) == 1 && !s.cfg.Taken(apID):
		return named[0]
	}
	return nil
}

// Sign implements edge.Service.
func (r *Router) Sign(ctx context.Context, c *mssp.Caller, req *signum.SignatureRequest) (*signum.SignatureResponse, error) {
	return serve(ctx, r.of(ctx, c, &req.Header), r.next, c, req, edge.Service.Sign)
}

// Status implements edge.Service.
func (r *Router) Status(ctx context.Context, c *mssp.Caller, req *signum.StatusRequest) (*signum.StatusResponse, error) {
	return serve(ctx, r.of(ctx, c, &req.Header), r.next, c, req, edge.Service.Status)
}

// Receipt implements edge.Service.
func (r *Router) Receipt(ctx context.Context, c *mssp.Caller, req *signum.ReceiptRequest) (*signum.ReceiptResponse, error) {
	return serve(ctx, r.of(ctx, c, &req.Header), r.next, c, req, edge.Service.Receipt)
}

// Profile implements edge.Service.
func (r *Router) Profile(ctx context.Context, c *mssp.Caller, req *signum.ProfileRequest) (*signum.ProfileResponse, error) {
	return serve(ctx, r.of(ctx, c, &req.Header), r.next, c, req, edge.Service.Profile)
}
