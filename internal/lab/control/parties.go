package control

import (
	"context"
	"errors"
	"net/http"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// Parties are the parties of the sandbox.
type Parties interface {
	// ListParties returns them in the order of their AP_IDs.
	ListParties() []partydoc.Party
	// GetParty, SetParty and RemoveParty return an error that Missing knows if there is
	// no such party.
	GetParty(apID string) (partydoc.Party, error)
	PutParty(ctx context.Context, p partydoc.Party) (created bool, err error)
	SetParty(ctx context.Context, apID string, change func(*partydoc.Party) error) error
	RemoveParty(ctx context.Context, apID string) error
}

func (c *Control) partyRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /sandbox/v1/parties":            c.serve(c.listParties),
		"GET /sandbox/v1/parties/{ap_id}":    c.serve(c.getParty),
		"PUT /sandbox/v1/parties/{ap_id}":    c.serve(c.putParty),
		"PATCH /sandbox/v1/parties/{ap_id}":  c.serve(c.patchParty),
		"DELETE /sandbox/v1/parties/{ap_id}": c.serve(c.deleteParty),
	}
}

func (c *Control) listParties(r *jsonapi.Request) (any, error) {
	return map[string][]partydoc.Party{"parties": c.in(r.Context()).Parties.ListParties()}, nil
}

func (c *Control) getParty(r *jsonapi.Request) (any, error) {
	return c.in(r.Context()).Parties.GetParty(r.PathValue("ap_id"))
}

// putParty adds a party or replaces it. The AP_ID in the body may be absent.
func (c *Control) putParty(r *jsonapi.Request) (any, error) {
	var p partydoc.Party
	if err := jsonapi.Decode(r.Body, &p); err != nil {
		return nil, err
	}
	if p.APID != "" && p.APID != r.PathValue("ap_id") {
		return nil, errors.New("ap_id differs from the one in the address")
	}
	p.APID = r.PathValue("ap_id")
	created, err := c.in(r.Context()).Parties.PutParty(r.Context(), p)
	if err != nil {
		return nil, err
	}
	if created {
		r.Status = http.StatusCreated
	}
	return c.in(r.Context()).Parties.GetParty(p.APID)
}

// patchParty changes what the body names.
func (c *Control) patchParty(r *jsonapi.Request) (any, error) {
	id := r.PathValue("ap_id")
	err := c.in(r.Context()).Parties.SetParty(r.Context(), id, func(p *partydoc.Party) error {
		hash := p.PasswordHash
		members, err := jsonapi.MergePatch(p, r.Body)
		switch {
		case err != nil:
			return err
		case p.APID != id:
			return errors.New("ap_id differs from the one in the address")
		case members["password"] && p.PasswordHash == hash:
			p.PasswordHash = "" // the old one
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c.in(r.Context()).Parties.GetParty(id)
}

func (c *Control) deleteParty(r *jsonapi.Request) (any, error) {
	r.Status = http.StatusNoContent
	return nil, c.in(r.Context()).Parties.RemoveParty(r.Context(), r.PathValue("ap_id"))
}
