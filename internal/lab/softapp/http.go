package softapp

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

const (
	callTimeout = 10 * time.Second
	maxResponse = 1 << 20
	proofHeader = "Signum-Proof"

	// A failed call or a lost connection is retried after firstPause, which doubles
	// with each attempt up to lastPause. A call is made attempts times at most,
	// which takes about a minute.
	firstPause = 500 * time.Millisecond
	lastPause  = 30 * time.Second
	attempts   = 8
)

// Error is an error answer of the service.
type Error struct {
	Status     int
	Code       string        // of the protocol; empty if a proxy answered
	Detail     string        // for people
	TriesLeft  int           // of passcode
	Now        float64       // of stale: the service's time in seconds
	Incident   string        // of internal: its id in the log of the service
	RetryAfter time.Duration // of slow
}

func (e *Error) Error() string {
	s := fmt.Sprintf("the service answers %d %s", e.Status, e.Code)
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Incident != "" {
		s += " (incident " + e.Incident + ")"
	}
	return s
}

// refused reports whether the service refused with one of these codes.
func refused(err error, codes ...string) bool {
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		return false
	}
	for _, c := range codes {
		if e.Code == c {
			return true
		}
	}
	return false
}

// retryable reports whether the same call may succeed later: it did not arrive,
// its answer was lost, or the service asks to repeat it.
func retryable(err error) bool {
	e := (*Error)(nil)
	if !errors.As(err, &e) {
		return true
	}
	return e.Status >= http.StatusInternalServerError || refused(err, "slow", "replay", "stale")
}

// retry makes a call and repeats it while its error is retryable, until ctx ends or
// the Apps are closed.
func (s *Apps) retry(ctx context.Context, call func() error) error {
	pause := firstPause
	for n := 1; ; n++ {
		err := call()
		if err == nil || n == attempts || ctx.Err() != nil || !retryable(err) {
			return err
		}
		wait := jitter(pause)
		if e := (*Error)(nil); errors.As(err, &e) {
			wait = max(wait, e.RetryAfter)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		case <-s.closed:
			timer.Stop()
			return err
		}
		pause = min(2*pause, lastPause)
	}
}

// jitter returns a random duration between d/2 and d, so that Apps that lost the
// service together do not reconnect together.
func jitter(d time.Duration) time.Duration { return d/2 + rand.N(d/2+1) }

// prover makes the proof for a call.
type prover func(method, path string, body []byte) (string, error)

// call makes one call. name is the path below the base. proof, in (the body) and
// out (the answer) may be nil.
func (s *Apps) call(ctx context.Context, proof prover, method, name string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeoutCause(ctx, callTimeout, fmt.Errorf("the service did not answer %s within %s", name, callTimeout))
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.base.String()+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if proof != nil {
		jws, err := proof(method, s.base.EscapedPath()+name, body)
		if err != nil {
			return err
		}
		req.Header.Set(proofHeader, jws)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse))
	switch {
	case err != nil:
		return err
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		return readError(resp, text)
	case out == nil:
		return nil
	}
	if err := json.Unmarshal(text, out); err != nil {
		return fmt.Errorf("the answer of the service to %s: %w", name, err)
	}
	return nil
}

func readError(resp *http.Response, text []byte) error {
	var e struct {
		Error     string  `json:"error"`
		Detail    string  `json:"detail"`
		TriesLeft int     `json:"tries_left"`
		Now       float64 `json:"now"`
		Incident  string  `json:"incident"`
	}
	_ = json.Unmarshal(text, &e) // if it fails, a proxy answered, and the status is enough
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	return &Error{
		Status: resp.StatusCode, Code: e.Error, Detail: e.Detail, TriesLeft: e.TriesLeft, Now: e.Now, Incident: e.Incident,
		RetryAfter: min(time.Duration(max(seconds, 0))*time.Second, time.Minute),
	}
}

// call makes a call with a proof of this App. If the clock is wrong, it corrects it
// and repeats the call.
func (p *app) call(ctx context.Context, method, name string, in, out any) error {
	err := p.s.call(ctx, p.proof, method, name, in, out)
	if e := (*Error)(nil); errors.As(err, &e) && e.Code == "stale" && e.Now != 0 {
		p.adjustClock(time.UnixMilli(int64(e.Now * 1000)))
		err = p.s.call(ctx, p.proof, method, name, in, out)
	}
	return err
}

// adjustClock sets the skew from the service's time. The delay of the network makes it
// too small, so that proofs are never dated ahead, which the service does not accept.
func (p *app) adjustClock(now time.Time) { p.skew.Store(int64(now.Sub(p.s.c.Clock.Now()))) }

// serviceTime converts a time of the phone to the service's, phoneTime the
// reverse.
func (p *app) serviceTime(t time.Time) time.Time { return t.Add(time.Duration(p.skew.Load())) }

func (p *app) phoneTime(t time.Time) time.Time { return t.Add(-time.Duration(p.skew.Load())) }

type proofHead struct {
	Alg string `json:"alg"`
	Typ string `json:"typ"`
	Kid string `json:"kid"`
}

type proofClaims struct {
	Aud string  `json:"aud"`
	Htm string  `json:"htm"`
	Htu string  `json:"htu"`
	Bh  octets  `json:"bh"`
	Iat float64 `json:"iat"`
	Jti octets  `json:"jti"`
}

// proof is the prover of this App.
func (p *app) proof(method, path string, body []byte) (string, error) {
	hash := sha256.Sum256(body)
	head, err := json.Marshal(proofHead{Alg: "ES256", Typ: "signum-proof+jwt", Kid: p.record.DeviceID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(proofClaims{
		Aud: p.record.Service, Htm: method, Htu: path, Bh: hash[:], Iat: float64(p.serviceTime(p.s.c.Clock.Now()).UnixMilli()) / 1000, Jti: random(16),
	})
	if err != nil {
		return "", err
	}
	jws := b64u.AppendEncode(append(b64u.AppendEncode(nil, head), '.'), claims)
	signature, err := signRaw(p.auth, jws)
	if err != nil {
		return "", err
	}
	return string(b64u.AppendEncode(append(jws, '.'), signature)), nil
}
