package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// Members that are rare and never searched for are kept as JSON in a text that is
// empty for the zero value. Texts are checked first, because encoding/json would
// silently replace invalid UTF-8.

func encodeJSON(what string, v any) (string, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return "", fmt.Errorf("store: %s: %w", what, err)
	}
	return string(b), nil
}

// decodeJSON leaves v alone if there is nothing to decode.
func decodeJSON(what, text string, v any) error {
	if text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(text), v); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// encodeServices does nothing for an ordinary request, which asks for no services.
func encodeServices(w *mssp.ServiceOptions) (string, error) {
	if *w == (mssp.ServiceOptions{}) {
		return "", nil
	}
	if err := checkTexts(field{"subscriber info", w.Subscriber}); err != nil {
		return "", err
	}
	if a := w.App2App; a != nil {
		if err := checkTexts(field{"session token", a.TokenHash}, field{"redirect URI", a.RedirectURI}); err != nil {
			return "", err
		}
	}
	if w.Fence != nil {
		if err := checkFence(w.Fence); err != nil {
			return "", err
		}
	}
	return encodeJSON("services", w)
}

// encodeLocation distinguishes no location (empty) from the zero value ({}).
func encodeLocation(l *mssp.Location) (string, error) {
	if l == nil {
		return "", nil
	}
	if err := checkTexts(field{"country", l.Country}); err != nil {
		return "", err
	}
	kept := *l
	kept.Measured = timeOf(micros(l.Measured)) // as precise as all times
	return encodeJSON("location", &kept)
}

func encodeGeofence(g *mssp.PartyGeofence) (string, error) {
	if reflect.ValueOf(g).Elem().IsZero() {
		return "", nil
	}
	if err := checkFence(&g.Geofence); err != nil {
		return "", err
	}
	return encodeJSON("geofence", g)
}

func checkFence(g *mssp.Geofence) error {
	for _, country := range slices.Concat(g.CountryWhitelist, g.CountryBlacklist) {
		if err := checkTexts(field{"a country of a geofence", country}); err != nil {
			return err
		}
	}
	return nil
}

// encodeNetwork expects a network whose texts were checked, which always marshals.
func encodeNetwork(n signum.Network) string {
	if n == (signum.Network{}) {
		return ""
	}
	text, _ := encodeJSON("network", n)
	return text
}

func encodePush(p *mssp.PushSubscription) (string, error) {
	if p == nil {
		return "", nil
	}
	if err := checkTexts(field{"endpoint of a push", p.Endpoint}); err != nil {
		return "", err
	}
	return encodeJSON("push", p)
}

func encodePasskeys(list []mssp.Passkey) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	return encodeJSON("passkeys", list)
}
