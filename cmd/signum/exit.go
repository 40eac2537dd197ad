package main

import (
	"context"
	"crypto/x509"
	"errors"
	"strconv"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// The exit codes of the party's commands. Scripts rely on them.
const (
	exitLocal       = 1
	exitRefused     = 2
	exitNotSigned   = 3
	exitNotVerified = 4
	exitUnreachable = 5
)

// exitCodesHelp documents them.
const exitCodesHelp = `Exit codes:
  0  done
  1  wrong usage, an unreadable or unwritable file, or interrupted
  2  the service refused the request (faults 1xx and 9xx, such as 105 UNKNOWN_CLIENT)
  3  the user did not sign (such as 401 USER_CANCEL, 208 EXPIRED_TRANSACTION, 402 PIN_NR_BLOCKED)
  4  the signature does not verify
  5  the service is not reachable, or something else answered at its address`

// exitError is an error with an exit code.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *exitError) Unwrap() error { return e.err }

// exitCode returns the exit code for err.
func exitCode(err error) int {
	var e *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &e):
		return e.code
	}
	return exitLocal
}

// faultExit returns the exit code for a fault.
func faultExit(c signum.Code) int {
	switch {
	case c == signum.InvalidSignature:
		return exitNotVerified
	case c >= 200 && c < 600:
		return exitNotSigned
	}
	return exitRefused
}

// explain gives an error of the client its exit code and says what to do. It escapes
// unprintable characters, because part of the text comes from the other side.
func explain(err error) error {
	var (
		fault     = signum.AsFault(err)
		answer    *client.AnswerError
		transport *client.TransportError
		timeout   *client.TimeoutError
		authority x509.UnknownAuthorityError
	)
	code, hint := exitLocal, ""
	switch {
	case err == nil:
		return nil
	case fault != nil:
		code, hint = faultExit(fault.Code), adviceFor(fault)
	case errors.Is(err, context.Canceled):
		err, hint = errInterrupted, "the request may still be on the phone"
	case errors.As(err, &timeout):
		code, hint = exitUnreachable, "the service did not answer in time; try again later"
	case errors.As(err, &answer):
		code, hint = exitUnreachable, "check --url, and any proxy in between"
	case errors.As(err, &authority):
		code, hint = exitUnreachable, "the server's certificate is not trusted, check --server-ca"
	case errors.As(err, &transport):
		code, hint = exitUnreachable, "is the service running at this address, and does it accept the certificate of --cert?"
	}
	text := printable(err.Error())
	if hint != "" {
		text = strings.TrimSuffix(text, ".") + "; " + hint
	}
	return &exitError{code: code, err: &toldError{text: text, err: err}}
}

// toldError is an error with a text for the user.
type toldError struct {
	text string
	err  error
}

func (e *toldError) Error() string { return e.text }

// Unwrap returns the cause.
func (e *toldError) Unwrap() error { return e.err }

// printable escapes characters that could move the cursor or end the line.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if strconv.IsPrint(r) {
			b.WriteRune(r)
			continue
		}
		q := strconv.QuoteRuneToASCII(r)
		b.WriteString(q[1 : len(q)-1])
	}
	return b.String()
}
