package control

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// Reasons why a caller is refused. They name the file that has what is missing.
var (
	errNobody     = errors.New("access needs the TLS certificate of a party of the sandbox (ap.crt and ap.key), or the header Authorization: Bearer TOKEN with the token in sandbox.json")
	errWrongToken = errors.New("this is not the token of the sandbox: it is in sandbox.json, member token")
	errScheme     = errors.New("the header Authorization must be: Bearer TOKEN, with the token in sandbox.json")
	errStranger   = errors.New("no party of the sandbox has this TLS certificate: use ap.crt and ap.key, or the header Authorization: Bearer TOKEN with the token in sandbox.json")
)

// minToken is the least length of a token that a developer chooses: with it, anybody
// who can reach the service could download keys and operate phones.
const minToken = 16

// NewToken returns a random token.
func NewToken() string { return rand.Text() }

// CheckToken says what is wrong with a token that a developer chose.
func CheckToken(token string) error {
	if len(token) < minToken {
		return errors.New("a token needs at least 16 characters")
	}
	if strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("a token consists of visible ASCII characters, without spaces")
	}
	return nil
}

// admit calls do for a party and for a caller that has the token. It refuses all others and
// does not read the bodies of their requests. The listener has refused web pages already.
func (c *Control) admit(do http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status, err := c.access(r)
		if err == nil {
			status, err = c.whenReady(r)
		}
		if err == nil {
			do(w, r)
			return
		}
		// Otherwise net/http waits for the body before it answers, and again before
		// it closes the connection.
		w.Header().Set("Connection", "close")
		_ = http.NewResponseController(w).SetReadDeadline(time.Now())
		c.refuse(w, status, err)
	})
}

// refuse says why somebody has no access.
func (c *Control) refuse(w http.ResponseWriter, status int, err error) {
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="Signum sandbox"`)
	}
	c.calls.Refuse(w, status, err)
}

// whenReady waits until the sandbox is ready: before, users have no phones yet, and files
// that say that it is ready must not be written.
func (c *Control) whenReady(r *http.Request) (status int, err error) {
	if c.Ready == nil {
		return http.StatusOK, nil
	}
	select {
	case <-c.Ready:
		return http.StatusOK, nil
	case <-r.Context().Done():
		return http.StatusInternalServerError, errors.New("the sandbox stops, and was not ready")
	}
}

// access judges the token if there is one, otherwise the certificate: a wrong token is
// a mistake in the caller that a certificate must not hide.
func (c *Control) access(r *http.Request) (status int, err error) {
	if header := r.Header.Get("Authorization"); header != "" {
		scheme, token, _ := strings.Cut(header, " ")
		switch {
		case !strings.EqualFold(scheme, "Bearer"):
			return http.StatusUnauthorized, errScheme
		case !c.isToken(strings.TrimSpace(token)):
			return http.StatusUnauthorized, errWrongToken
		}
		return http.StatusOK, nil
	}
	if r.TLS == nil || len(r.TLS.PeerCertificates) == 0 {
		return http.StatusUnauthorized, errNobody
	}
	ok, err := c.isParty(r.Context(), mssp.PinOf(r.TLS.PeerCertificates[0].Raw))
	switch {
	case err != nil:
		c.Log.Error("control: parties cannot be read", "err", err)
		return http.StatusInternalServerError, errors.New("the parties cannot be read at the moment")
	case !ok:
		return http.StatusForbidden, errStranger
	}
	return http.StatusOK, nil
}

// isToken compares in constant time, whatever the length.
func (c *Control) isToken(token string) bool {
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(c.Token))
	return c.Token != "" && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}
