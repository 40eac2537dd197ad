package world

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/mssp"
)

// script plays faults that an App cannot express in its protocol: an unreachable phone,
// a blocked PIN, a missing key.
type script struct {
	log   *slog.Logger
	delay time.Duration // of a behaviour without its own
	ctx   context.Context
	stop  context.CancelFunc
	work  sync.WaitGroup

	mu    sync.Mutex
	plays map[string]person.Behaviour // by MSISDN
}

// scripted plays a script between the engine and the Apps.
type scripted struct {
	*script
	apps    mssp.Channel
	answers mssp.AnswerHandler
	wake    func(msisdn string)
}

func newScript(delay time.Duration, log *slog.Logger) *script {
	s := &script{delay: delay, log: log, plays: make(map[string]person.Behaviour)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

func (s *script) forget(msisdn string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.plays, msisdn)
}

// wrap returns the channel that plays the script. It wakes Apps that sleep.
func (s *script) wrap(apps mssp.Channel, answers mssp.AnswerHandler, wake func(msisdn string)) mssp.Channel {
	return &scripted{s, apps, answers, wake}
}

func (s *script) set(msisdn string, b person.Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plays[msisdn] = b
}

// played maps behaviours that an App cannot express to their faults.
var played = map[person.Action]signum.Code{
	person.Blocked: signum.PINBlocked, person.NoKey: signum.NoKeyFound,
}

// Send implements mssp.Channel.
func (s *scripted) Send(ctx context.Context, r mssp.DeviceRequest) error {
	s.mu.Lock()
	b := s.plays[r.MSISDN]
	s.mu.Unlock()
	if b.Do == person.Unreachable {
		return mssp.ErrUnreachable
	}
	code, ok := played[b.Do]
	if !ok || r.Op != mssp.OpSign {
		err := s.apps.Send(ctx, r)
		if s.wake != nil {
			s.wake(r.MSISDN)
		}
		return err
	}
	s.work.Go(func() {
		defer event.Rescue(s.log, "scripted App")
		select {
		case <-time.After(cmp.Or(b.After, s.delay)):
			a := mssp.DeviceAnswer{TransID: r.TransID, DeviceID: r.DeviceID, Fault: signum.NewFault(code)}
			if err := s.answers.Answer(s.ctx, a); err != nil {
				s.log.Error("answer of a scripted App", "trans_id", r.TransID, "err", err)
			}
		case <-s.ctx.Done():
		}
	})
	return nil
}

// Cancel implements mssp.Channel.
func (s *scripted) Cancel(ctx context.Context, w mssp.Withdrawal) {
	s.apps.Cancel(ctx, w)
}

func (s *script) close() {
	s.stop()
	s.work.Wait()
}
