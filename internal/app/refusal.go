package app

import (
	"fmt"
	"net/http"
	"time"
)

// refusal is an error answer of the protocol.
type refusal struct {
	status    int
	Code      string  `json:"error"`
	Detail    string  `json:"detail"`
	TriesLeft *int    `json:"tries_left,omitzero"` // of passcode
	Now       float64 `json:"now,omitzero"`        // of stale: seconds, with decimals
	Incident  string  `json:"incident,omitzero"`   // of internal
	retry     time.Duration
}

func (r *refusal) Error() string { return r.Code + ": " + r.Detail }

func refuse(status int, code, detail string) *refusal {
	return &refusal{status: status, Code: code, Detail: detail}
}

// Refusals that are always the same. They do not tell what exactly was wrong.
var (
	errMalformed    = refuse(http.StatusBadRequest, "malformed", "The call is malformed.")
	errUnauthorised = refuse(http.StatusUnauthorized, "unauthorised", "The proof does not match this call, or the device is unknown.")
	errReplay       = refuse(http.StatusUnauthorized, "replay", "The proof has been used already.")
	errNotProved    = refuse(http.StatusForbidden, "proof", "Possession of a key was not proved, or both keys are the same.")
	errCode         = refuse(http.StatusNotFound, "code", "The activation code is not valid.")
	errUnknown      = refuse(http.StatusNotFound, "unknown", "There is no such request.")
	errNoLogo       = refuse(http.StatusNotFound, "unknown", "There is no such logo.")
	errNoPush       = refuse(http.StatusNotFound, "unknown", "This service does not wake Apps by push.")
	errLate         = refuse(http.StatusConflict, "late", "The request has ended.")
	errRecovery     = refuse(http.StatusConflict, "recovery", "The recovery code is wrong.")
	errFull         = refuse(http.StatusConflict, "apps", "The account has as many Apps as it may have. Remove one first.")
	errUpgrade      = refuse(http.StatusGone, "upgrade", "This App is too old for the service. Install the current version.")
	errLocked       = refuse(http.StatusForbidden, "locked", "The request was not unlocked, or another one was unlocked since.")
	errPasskey      = refuse(http.StatusForbidden, "passkey", "The passkey was refused. Use the passcode; then remove the passkey and add it again.")
	errInactive     = refuse(http.StatusForbidden, "inactive", "The account is suspended, or this App was switched off.")
	errTooNew       = refuse(http.StatusForbidden, "too_new", "This App was added less than 24 hours ago and cannot change the account.")
	errBlocked      = refuse(http.StatusLocked, "blocked", "The passcode is blocked.")
)

func malformed(format string, args ...any) *refusal {
	return refuse(http.StatusBadRequest, "malformed", fmt.Sprintf(format, args...))
}

func stale(now time.Time) *refusal {
	r := refuse(http.StatusUnauthorized, "stale", "The proof has expired or is dated in the future.")
	r.Now = float64(now.UnixMilli()) / 1000
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
