package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// brokenChannel accepts nothing: it fails with err, or panics if err is nil.
type brokenChannel struct{ err error }

func (c brokenChannel) fail() error {
	if c.err == nil {
		panic("the channel is broken")
	}
	return c.err
}

func (c brokenChannel) Send(context.Context, mssp.DeviceRequest) error   { return c.fail() }
func (c brokenChannel) SendText(context.Context, mssp.TextMessage) error { return c.fail() }
func (brokenChannel) Cancel(context.Context, mssp.Withdrawal)            {}

// TestSendErrors: only a phone that cannot be reached is 209. A failure of the
// service itself is 900, and the subscriber is free for the next request.
func TestSendErrors(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	for i, tt := range []struct {
		name string
		err  error
		want signum.Code
	}{
		{"unreachable", mssp.ErrUnreachable, signum.OTAError},
		{"unreachable, wrapped", fmt.Errorf("sim: %w: %w", mssp.ErrUnreachable, errors.New("not bound")), signum.OTAError},
		{"refused", fmt.Errorf("sim: %w", mssp.ErrRefused), signum.InternalError},
		{"plain", errors.New("disk full"), signum.InternalError},
		{"of the store", mssp.ErrNotFound, signum.InternalError},
		{"deadline", context.DeadlineExceeded, signum.InternalError},
		{"a fault", signum.NewFault(signum.UserCancel), signum.InternalError},
		{"panic", nil, signum.InternalError},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ch := brokenChannel{tt.err}
			w.cfg.Channels = map[signum.Method]mssp.Channel{signum.SIM: ch, signum.App: w.phones}
			w.cfg.Texts = ch
			s := w.addUser(i, approves, signum.EC, signum.SIM)
			for range 2 {
				_, err := w.ask(s)
				if flt := signum.AsFault(err); flt == nil || flt.Code != tt.want || flt.Detail != tt.want.Detail() {
					t.Errorf("signature: %v, want %d", err, tt.want)
				}
			}
			if got := w.outcome(w.begin(s, async)); got != tt.want {
				t.Errorf("asynchronous: %d, want %d", got, tt.want)
			}
			if _, err := w.ask(s, profile(signum.ProfileOTPText)); w.code(err) != tt.want {
				t.Errorf("one-time password: %v, want %d", err, tt.want)
			}
		})
	}
}

// stuckChannel blocks until the context ends.
type stuckChannel struct{}

func (stuckChannel) Send(ctx context.Context, _ mssp.DeviceRequest) error {
	<-ctx.Done()
	return ctx.Err()
}
func (stuckChannel) SendText(ctx context.Context, _ mssp.TextMessage) error {
	<-ctx.Done()
	return ctx.Err()
}
func (stuckChannel) Cancel(context.Context, mssp.Withdrawal) {}

// TestHandOverDeadline: a channel that hangs does not hold a request, and the log
// says which limit ended the wait, and after how long.
func TestHandOverDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
	var log bytes.Buffer
	w.cfg.HandOver, w.cfg.Logger = 20*time.Millisecond, slog.New(slog.NewTextHandler(&log, nil))
	w.cfg.Channels = map[signum.Method]mssp.Channel{signum.SIM: stuckChannel{}, signum.App: w.phones}
	w.cfg.Texts = stuckChannel{}
	s := w.addUser(1, approves, signum.EC, signum.SIM)
	for _, uri := range []string{signum.ProfileSTK, signum.ProfileOTPText} {
		if _, err := w.ask(s, profile(uri)); w.code(err) != signum.InternalError {
			t.Errorf("%s: %v", uri, err)
		}
	}
	if n := strings.Count(log.String(), "hand-over to the channel timed out after 20ms"); n != 2 {
		t.Errorf("the limit is named %d times in:\n%s", n, log.String())
	}
}
