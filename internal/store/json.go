package store

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storable"
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
	if err := storable.Services(w); err != nil {
		return "", err
	}
	return encodeJSON("services", w)
}

// preciseTime is a time as precise as all times, and in UTC. The zero time stays.
func preciseTime(t time.Time) time.Time {
	if t.IsZero() {
		return t
	}
	return timeOf(micros(t))
}

// encodeLocation distinguishes no location (empty) from the zero value ({}).
func encodeLocation(l *mssp.Location) (string, error) {
	if l == nil {
		return "", nil
	}
	if err := storable.Location(l); err != nil {
		return "", err
	}
	kept := *l
	kept.Measured = preciseTime(l.Measured)
	return encodeJSON("location", &kept)
}

func encodeGeofence(g *mssp.PartyGeofence) (string, error) {
	if reflect.ValueOf(g).Elem().IsZero() {
		return "", nil
	}
	return encodeJSON("geofence", g)
}

func encodeLimits(l *mssp.PartyLimits) (string, error) {
	if reflect.ValueOf(l).Elem().IsZero() {
		return "", nil
	}
	return encodeJSON("limits", l)
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
	return encodeJSON("push", p)
}

func encodePushEnd(e *mssp.PushEnd) (string, error) {
	if e == nil {
		return "", nil
	}
	return encodeJSON("end of push", e)
}

func encodePasskeys(list []mssp.Passkey) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	kept := slices.Clone(list)
	for i := range kept {
		kept[i].Added, kept[i].Used = preciseTime(kept[i].Added), preciseTime(kept[i].Used)
	}
	return encodeJSON("passkeys", kept)
}

func encodeVerification(v *mssp.UserVerification) (string, error) {
	if v == nil {
		return "", nil
	}
	if err := storable.Verification(v); err != nil {
		return "", err
	}
	kept := *v
	kept.At = preciseTime(v.At)
	return encodeJSON("verification", &kept)
}
