package event

import (
	"errors"
	"strconv"
	"testing"

	"github.com/signum-mssp/signum"
)

// Places that are made up do not make the counter grow without bound.
func TestPanicCounter(t *testing.T) {
	var c panicCounter
	for i := range 3 * maxPlaces {
		c.count(strconv.Itoa(i))
	}
	c.count("0")
	if len(c.by) != maxPlaces+1 || c.by["0"] != 2 || c.by["other"] != 2*maxPlaces {
		t.Errorf("%d places, %d of the first, %d others", len(c.by), c.by["0"], c.by["other"])
	}
}

func TestOutcome(t *testing.T) {
	for _, tt := range []struct {
		name   string
		event  Event
		label  string
		result Result
	}{
		{"nothing", Event{}, "ok", OK},
		{"HTTP 200", Event{Status: 200}, "ok", OK},
		{"HTTP 404", Event{Status: 404}, "http 404", Refused},
		{"a refusal", Event{Status: 429, Reason: "slow"}, "slow", Refused},
		{"an error", Event{Status: 500, Cause: errors.New("x")}, "internal", Internal},
		{"a signature", Event{Code: signum.SignatureMade}, "500", OK},
		{"outstanding", Event{Code: signum.OutstandingTransact}, "504", OK},
		{"a fault", Event{Code: signum.UserCancel, Reason: "USER_CANCEL"}, "401", Refused},
		{"a revoked certificate", Event{Code: signum.RevokedCertificate}, "501", Refused},
		{"900", Event{Code: signum.InternalError, Cause: errors.New("x")}, "900", Internal},
		{"900 with no cause", Event{Code: signum.InternalError}, "900", Refused},
		{"SMPP status", Event{Entrance: "smpp", Status: 0x64}, "ok", OK},
	} {
		if label, result := tt.event.Label(), tt.event.Result(); label != tt.label || result != tt.result {
			t.Errorf("%s: %q, %s, want %q, %s", tt.name, label, result, tt.label, tt.result)
		}
	}
}
