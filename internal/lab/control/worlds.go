package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// Worlds are the worlds besides that of the directory. A name that no world has gives an error
// that Missing knows.
type Worlds interface {
	CreateWorld(ctx context.Context, w NewWorld) (*WorldInfo, error)
	ListWorlds(ctx context.Context) ([]WorldInfo, error)
	GetWorld(ctx context.Context, name string) (*WorldInfo, error)
	DropWorld(name string) error
}

// NewWorld is what a world is asked to be.
type NewWorld struct {
	Name string // empty: a random one
	// Users are nil if the caller names none: then the world has those of every sandbox.
	Users   []scenario.User
	Parties []partydoc.Party // in addition to those of every world
	Usual   person.Behaviour // of users who name none
}

// readWorld reads {"name": …, "behaviour": …} with the members of a scenario file. Members may be absent, and
// so may be the whole body.
func readWorld(body []byte) (w NewWorld, err error) {
	if len(body) == 0 {
		return w, nil
	}
	var members map[string]json.RawMessage
	if err := json.Unmarshal(body, &members); err != nil {
		return w, fmt.Errorf("the body is not a JSON object: %w", err)
	}
	if name, ok := members["name"]; ok {
		if err := json.Unmarshal(name, &w.Name); err != nil {
			return w, errors.New("name must be a string")
		}
		delete(members, "name")
	}
	if text, ok := members["behaviour"]; ok {
		var usual string
		if err := json.Unmarshal(text, &usual); err != nil {
			return w, errors.New("behaviour must be a string")
		}
		if w.Usual, err = person.ParseBehaviour(usual); err != nil {
			return w, err
		}
		delete(members, "behaviour")
	}
	rest, err := json.Marshal(members)
	if err != nil {
		return w, err
	}
	s, err := scenario.Parse("world", rest, nil)
	if err != nil {
		return w, err
	}
	w.Users, w.Parties = s.Users, s.Parties
	if _, named := members["users"]; named && w.Users == nil {
		w.Users = []scenario.User{}
	}
	return w, nil
}

// WorldInfo is what a client needs to know of a world. A list leaves Key out.
type WorldInfo struct {
	Name       string    `json:"name"`
	BaseURL    string    `json:"base_url"` // of MSS calls and of these addresses
	PKIURL     string    `json:"pki_url"`
	APID       string    `json:"ap_id"`
	DTBDPrefix string    `json:"dtbd_prefix"`
	Created    time.Time `json:"created"`
	// Certificate identifies all parties of the world; ServerCA and UserCA are what clients
	// trust. All are in PEM.
	Certificate string `json:"certificate"`
	Key         string `json:"key,omitempty"`
	ServerCA    string `json:"server_ca,omitempty"`
	UserCA      string `json:"user_ca,omitempty"`
}

func (c *Control) worldRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /sandbox/v1/worlds": c.serve(c.listWorlds),
		"POST /sandbox/v1/worlds": c.admit(func(w http.ResponseWriter, r *http.Request) {
			large := c.calls
			large.MaxBody = scenario.MaxSize
			large.Serve(w, r, c.createWorld)
		}),
		"GET /sandbox/v1/worlds/{world}":    c.serve(c.getWorld),
		"DELETE /sandbox/v1/worlds/{world}": c.serve(c.dropWorld),
	}
}

func (c *Control) listWorlds(r *jsonapi.Request) (any, error) {
	list, err := c.Worlds.ListWorlds(r.Context())
	return map[string][]WorldInfo{"worlds": list}, err
}

func (c *Control) createWorld(r *jsonapi.Request) (any, error) {
	w, err := readWorld(r.Body)
	if err != nil {
		return nil, err
	}
	r.Status = http.StatusCreated
	return c.Worlds.CreateWorld(r.Context(), w)
}

func (c *Control) getWorld(r *jsonapi.Request) (any, error) {
	return c.Worlds.GetWorld(r.Context(), r.PathValue("world"))
}

func (c *Control) dropWorld(r *jsonapi.Request) (any, error) {
	r.Status = http.StatusNoContent
	return nil, c.Worlds.DropWorld(r.PathValue("world"))
}
