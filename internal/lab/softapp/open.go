package softapp

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

type openRequest struct {
	SessionToken string `json:"session_token"`
}

type openAnswer struct {
	Request wireRequest `json:"request"`
}

// ErrNotWaiting means that no request waits for this AuthUri: it was opened
// already, has ended, or never existed.
var ErrNotWaiting = errors.New("no request waits for this AuthUri")

// Open opens an AuthUri, as the party's app on the phone does (App2App). It tries
// these devices, or all Apps if none is given, and the App for which a request
// waits shows it. ErrNotWaiting if no request waits, person.ErrUnknown if there is
// no such device. Only the session_token of the AuthUri matters.
//
// It returns as soon as the request is on the screen. A real App opens the
// redirect URI after the answer.
func (s *Apps) Open(ctx context.Context, authURI string, deviceIDs ...string) (redirectURI string, err error) {
	token, err := sessionToken(authURI)
	if err != nil {
		return "", err
	}
	if len(deviceIDs) == 0 {
		for _, i := range s.List() {
			deviceIDs = append(deviceIDs, i.DeviceID)
		}
	}
	for _, id := range deviceIDs {
		p, err := s.find(id)
		if err != nil {
			return "", err
		}
		if p.unreachable() {
			continue
		}
		var got openAnswer
		err = s.retry(ctx, func() error {
			return p.call(ctx, http.MethodPost, "open", openRequest{token}, &got)
		})
		if refused(err, "unknown") {
			continue
		}
		if err != nil {
			return "", fmt.Errorf("opening an AuthUri with App %q: %w", id, err)
		}
		p.opened(&got.Request)
		return got.Request.RedirectURI, nil
	}
	return "", ErrNotWaiting
}

func (p *app) opened(w *wireRequest) {
	p.mail.come.Lock()
	defer p.mail.come.Unlock()
	if r, ok := p.request(w); ok {
		p.device.opened(&r)
		p.deliver(r)
	}
}

// sessionToken returns the token of an AuthUri. Its error does not contain the
// AuthUri, which is a secret.
func sessionToken(authURI string) (string, error) {
	_, query, _ := strings.Cut(authURI, "?")
	query, _, _ = strings.Cut(query, "#")
	values, err := url.ParseQuery(query)
	if err != nil || len(values["session_token"]) != 1 || values.Get("session_token") == "" {
		return "", fmt.Errorf("the AuthUri must have exactly one session_token: %w", ErrNotWaiting)
	}
	return values.Get("session_token"), nil
}
