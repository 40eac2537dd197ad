package engine

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// postponing is a channel that keeps the requests to some devices, and cannot ask them yet.
type postponing struct {
	mssp.Channel
	devices map[string]bool
	kept    chan mssp.DeviceRequest
}

func (p *postponing) Send(ctx context.Context, r mssp.DeviceRequest) error {
	if !p.devices[r.DeviceID] {
		return p.Channel.Send(ctx, r)
	}
	p.kept <- r
	return fmt.Errorf("app: %w: %w", mssp.ErrPostponed, errors.New("the store failed"))
}

// A request that its channel keeps goes on. If no phone was asked when its time is over, the
// answer is 900, because the user did not miss anything.
func TestPostponed(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		postponed int // of two Apps
		then      func(w *world, r mssp.DeviceRequest)
		want      signum.Code
	}{
		"no App is asked": {2, func(*world, mssp.DeviceRequest) {}, signum.InternalError},
		"one of two Apps was asked": {1, func(w *world, r mssp.DeviceRequest) {
			for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if f, _ := w.flights.get(r.TransID); f.asked {
					return
				}
			}
			w.t.Error("the engine does not know that an App was asked")
		}, signum.ExpiredTransaction},
		"an App asks by itself": {2, func(w *world, r mssp.DeviceRequest) {
			if list, err := w.Pending(w.t.Context(), r.DeviceID); err != nil || len(list) != 1 {
				w.t.Errorf("pending: %v, %v", list, err)
			}
		}, signum.ExpiredTransaction},
		"another App asks": {2, func(w *world, r mssp.DeviceRequest) {
			if list, err := w.Pending(w.t.Context(), "other"); err != nil || len(list) != 0 {
				w.t.Errorf("pending: %v, %v", list, err)
			}
		}, signum.InternalError},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
			s := w.addUser(1, silent, signum.EC, signum.App, signum.App)
			ch := &postponing{w.phones, make(map[string]bool), make(chan mssp.DeviceRequest, 2)}
			for _, d := range s.Devices[:tt.postponed] {
				ch.devices[d.ID] = true
			}
			w.cfg.Channels = map[signum.Method]mssp.Channel{signum.SIM: w.phones, signum.App: ch}
			w.run()
			answered := make(chan error, 1)
			go func() {
				_, err := w.ask(s)
				answered <- err
			}()
			r := <-ch.kept
			for range tt.postponed - 1 {
				<-ch.kept
			}
			tt.then(w, r)
			w.clock.Advance(81 * time.Second)
			if err := <-answered; w.code(err) != tt.want {
				t.Errorf("%v, want %d", err, tt.want)
			}
		})
	}
}
