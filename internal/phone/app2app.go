package phone

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// ErrNotWaiting means that no request waits for this AuthUri: it was opened
// already, answered, withdrawn or replaced, its time is over, or it never was.
var ErrNotWaiting = errors.New("no request waits for this AuthUri")

// Open is the party's app that calls the one that signs: the AuthUri that the
// party got is opened on the phone. The request that waits for it comes on the
// screen now, and the person behaves as if it had arrived now, or does not
// answer if Unreachable. Open returns the URI that leads back to the party's
// app; ErrNotWaiting if there is nothing to open.
//
// The session_token opens, and nothing else of the AuthUri counts: not the
// number in it, for who has the token got it from the MSSP.
func (n *Network) Open(authURI string) (redirectURI string, err error) {
	token, err := sessionToken(authURI)
	if err != nil {
		return "", err
	}
	for _, l := range n.apps() {
		got, err := l.person.open(l.device, token, n.reply)
		if err == nil {
			return got.RedirectURI, nil
		}
	}
	return "", ErrNotWaiting
}

// apps is a copy: devices are not called under the lock of the network, for
// the observer may call it back.
func (n *Network) apps() []line {
	n.mu.RLock()
	defer n.mu.RUnlock()
	if n.closed {
		return nil
	}
	var apps []line
	for _, l := range n.lines {
		if l.device.Method() == signum.App {
			apps = append(apps, l)
		}
	}
	return apps
}

// sessionToken does not repeat the AuthUri, which is a secret, in its error.
func sessionToken(authURI string) (string, error) {
	_, query, _ := strings.Cut(authURI, "?")
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query)
	if err != nil || len(values["session_token"]) != 1 || values.Get("session_token") == "" {
		return "", fmt.Errorf("the AuthUri has not one session_token: %w", ErrNotWaiting)
	}
	return values.Get("session_token"), nil
}

// Opening is what a device makes of a token.
type Opening struct {
	Reception
	TransID     string
	RedirectURI string
}

// Open shows the request that waits for this session token. It is checked
// again, as one that arrives: the PIN may be blocked by now. ErrNotWaiting if
// none waits for it.
func (d *Device) Open(token string) (Opening, error) { return d.open(token, 0) }

// open lets the caller play a device as receive does.
func (d *Device) open(token string, played signum.Code) (Opening, error) {
	d.mu.Lock()
	defer d.release()
	now := d.clock.Now()
	d.expire(now)
	p := d.current
	if p == nil || !p.waiting || !opens(token, p.App2App) {
		return Opening{}, ErrNotWaiting
	}
	d.note(Event{Kind: Opened}, &p.DeviceRequest, now)
	o := Opening{TransID: p.TransID, RedirectURI: p.App2App.RedirectURI}
	if code, why := d.refusal(&p.DeviceRequest, played); code != 0 {
		d.current = nil
		o.Answers = []mssp.DeviceAnswer{d.refuse(&p.DeviceRequest, code, why, now)}
		return o, nil
	}
	p.waiting, p.since = false, now
	d.note(Event{Kind: Shown}, &p.DeviceRequest, now)
	o.Asked = true
	return o, nil
}

func opens(token string, a *mssp.App2App) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare([]byte(hex.EncodeToString(sum[:])), []byte(a.TokenHash)) == 1
}
