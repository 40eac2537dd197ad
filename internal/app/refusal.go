package app

import (
	"fmt"
	"net/http"
	"time"
)

// refusal is an error as the App gets it.
type refusal struct {
	status    int
	Code      string `json:"error"`
	Detail    string `json:"detail"`
	TriesLeft *int   `json:"tries_left,omitzero"` // of passcode
	Now       int64  `json:"now,omitzero"`        // of stale: seconds
	Incident  string `json:"incident,omitzero"`   // of internal
	retry     time.Duration
}

func (r *refusal) Error() string { return r.Code + ": " + r.Detail }

func refuse(status int, code, detail string) *refusal {
	return &refusal{status: status, Code: code, Detail: detail}
}

// The refusals that are always the same: what was wrong exactly is nobody's
// business who was refused.
var (
	errMalformed    = refuse(http.StatusBadRequest, "malformed", "The call cannot be read.")
	errUnauthorised = refuse(http.StatusUnauthorized, "unauthorised", "The proof is not of this call.")
	errReplay       = refuse(http.StatusUnauthorized, "replay", "The proof was used before.")
	errNotProved    = refuse(http.StatusForbidden, "proof", "A key was not proved.")
	errCode         = refuse(http.StatusNotFound, "code", "The activation code is not valid.")
	errUnknown      = refuse(http.StatusNotFound, "unknown", "There is no such request.")
	errLate         = refuse(http.StatusConflict, "late", "The request has ended.")
	errRecovery     = refuse(http.StatusConflict, "recovery", "The recovery code is wrong.")
	errBlocked      = refuse(http.StatusLocked, "blocked", "The passcode is blocked.")
)

func malformed(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "malformed", fmt.Sprintf(format, args...))
}

func stale(now time.Time) *refusal {
	r := refuse(http.StatusUnauthorized, "stale", "The proof is not of now.")
	r.Now = now.Unix()
	return r
}

func slow(wait time.Duration) *refusal {
	r := refuse(http.StatusTooManyRequests, "slow", "Too many calls.")
	r.retry = wait
	return r
}

func wrongPasscode(left int) *refusal {
	r := refuse(http.StatusForbidden, "passcode", "The passcode is wrong.")
	r.TriesLeft = &left
	return r
}
