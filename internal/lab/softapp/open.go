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
// already, answered, withdrawn or replaced, its time is over, or it never was.
var ErrNotWaiting = errors.New("no request waits for this AuthUri")

// Open is the party's app that calls the one that signs: the AuthUri that the
// party got is opened on the phones with these Apps, or on all phones one after
// the other if none is named, and the App for which the request waits shows it.
// The error is ErrNotWaiting if there is none, and person.ErrUnknown if a device
// is none of these Apps. Of the AuthUri only the session_token counts: not the
// user in it, since whoever has the token got it from the MSSP.
//
// It returns as soon as the request is on the screen. A real App goes to the
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
		err = s.persist(ctx, func() error {
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
