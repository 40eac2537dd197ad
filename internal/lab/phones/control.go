package phones

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/smsc"
)

const (
	controlTimeout     = 10 * time.Second
	controlConnections = 100
)

// handlers are those of a sandbox that are about phones, faults, and what the network is doing.
func (n *Network) handlers() map[string]http.Handler {
	c := control.New(control.Config{Token: n.Info.Token, World: control.World{Phones: users{n}}, Faults: users{n}, Log: n.cfg.Logger})
	all := c.PhoneHandlers()
	all["GET /readyz"] = http.HandlerFunc(n.health)
	return all
}

// users are the users of the handsets, as package control sees them.
type users struct{ *Network }

// Behave implements control.Phones.
func (u users) Behave(msisdn string, b person.Behaviour) error { return u.handsets.Behave(msisdn, b) }

// Place implements control.Phones.
func (u users) Place(msisdn string, p person.Place) error { return u.handsets.Place(msisdn, p) }

// Unblock implements control.Phones.
func (u users) Unblock(_ context.Context, msisdn string) error {
	c := u.cards[msisdn]
	if c == nil {
		return person.ErrUnknown
	}
	c.Unblock()
	return nil
}

// SetFaults implements control.Faults.
func (u users) SetFaults(text string) error {
	f, err := smsc.ParseFaults(text)
	if err == nil {
		u.smsc.SetFaults(f)
	}
	return err
}

var errNoApps = errors.New("these phones have SIM cards and no Apps")

// Tap implements control.Phones.
func (u users) Tap(context.Context, string) (string, error) { return "", errNoApps }

// NewInvitation implements control.Phones.
func (u users) NewInvitation(context.Context, string, bool) (*control.Invitation, error) {
	return nil, errNoApps
}

// Health is what the network is doing.
type Health struct {
	Cards     int           `json:"cards"`
	Sessions  int           `json:"sessions"` // of nodes
	ToPhone   smsc.Counters `json:"to_phone"`
	ToService smsc.Counters `json:"to_service"`
}

// Health returns what the network is doing.
func (n *Network) Health() Health {
	return Health{
		Cards: len(n.cards), Sessions: n.smsc.Bound(), ToPhone: n.smsc.Counters(smsc.ToPhone), ToService: n.smsc.Counters(smsc.ToESME),
	}
}

func (n *Network) health(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	if err := json.NewEncoder(w).Encode(n.Health()); err != nil {
		n.cfg.Logger.Debug("health not sent", "err", err)
	}
}
