package sandbox

import (
	"cmp"
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/event"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/phone"
)

// script stands between the engine and the Apps, and plays what Apps cannot:
// by their protocol a person signs or declines, but a bearer may fail, and a
// party must see that too.
type script struct {
	apps     mssp.Channel
	answerer mssp.AnswerHandler
	log      *slog.Logger
	delay    time.Duration // of a behaviour without a time of its own
	ctx      context.Context
	stop     context.CancelFunc
	work     sync.WaitGroup

	mu    sync.Mutex
	plays map[string]phone.Behaviour // by MSISDN
}

func newScript(delay time.Duration, log *slog.Logger) *script {
	s := &script{delay: delay, log: log, plays: make(map[string]phone.Behaviour)}
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s
}

// before is a node.Web's Channel.
func (s *script) before(apps mssp.Channel) mssp.Channel {
	s.apps = apps
	return s
}

func (s *script) set(msisdn string, b phone.Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plays[msisdn] = b
}

// played are the faults of behaviours that no App can have.
var played = map[phone.Action]signum.Code{
	phone.Blocked: signum.PINBlocked, phone.NoKey: signum.NoKeyFound,
}

// Send implements mssp.Channel.
func (s *script) Send(ctx context.Context, r mssp.DeviceRequest) error {
	s.mu.Lock()
	b := s.plays[r.MSISDN]
	s.mu.Unlock()
	if b.Do == phone.Unreachable {
		return mssp.ErrUnreachable
	}
	code, ok := played[b.Do]
	if !ok || r.Op != mssp.OpSign {
		return s.apps.Send(ctx, r)
	}
	s.work.Go(func() {
		defer event.Rescue(s.log, "scripted App")
		select {
		case <-time.After(cmp.Or(b.After, s.delay)):
			a := mssp.DeviceAnswer{TransID: r.TransID, DeviceID: r.DeviceID, Fault: signum.NewFault(code)}
			if err := s.answerer.Answer(s.ctx, a); err != nil {
				s.log.Error("answer of a scripted App", "trans_id", r.TransID, "err", err)
			}
		case <-s.ctx.Done():
		}
	})
	return nil
}

// Cancel implements mssp.Channel.
func (s *script) Cancel(ctx context.Context, deviceID, transID string) {
	s.apps.Cancel(ctx, deviceID, transID)
}

func (s *script) close() {
	s.stop()
	s.work.Wait()
}
