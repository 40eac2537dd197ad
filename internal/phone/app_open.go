package phone

import (
	"context"
	"fmt"
	"net/http"

	"github.com/signum-mssp/signum/internal/mssp"
)

type openRequest struct {
	SessionToken string `json:"session_token"`
}

type openAnswer struct {
	Request wireRequest `json:"request"`
}

// Open is the party's app that calls the one that signs, as Network.Open: the
// AuthUri is opened on the phones with these Apps, or on all one after the
// other if none is named, and the App for which the request waits shows it.
// ErrNotWaiting if there is none, ErrUnknown if a device is none of these Apps.
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

// opened tells the observer.
func (d *Device) opened(r *mssp.DeviceRequest) {
	d.mu.Lock()
	defer d.release()
	d.note(Event{Kind: Opened}, r, d.clock.Now())
}
