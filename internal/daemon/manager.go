package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"time"

	sd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/signum-mssp/signum/internal/event"
)

// Manager is the service manager that started the process: systemd, if NOTIFY_SOCKET is
// set. Without one its methods do nothing.
type Manager struct {
	log  *slog.Logger
	send func(state string) (bool, error)
	busy atomic.Bool // a message is on its way
}

// tellTime is how long the service manager may take to accept a message. One that does not
// read its socket must not hold up the service, nor its end.
const tellTime = 2 * time.Second

var errDeaf = fmt.Errorf("it took no message for %s", tellTime)

// NewManager returns the service manager that the environment names.
func NewManager(log *slog.Logger) *Manager {
	return &Manager{log: log, send: func(state string) (bool, error) { return sd.SdNotify(false, state) }}
}

// tell sends assignments. An error is no reason to stop: the service works.
func (m *Manager) tell(assignments ...string) {
	if err := m.sendSoon(strings.Join(assignments, "\n")); err != nil {
		m.log.Warn("the service manager cannot be told", "state", assignments[0], "err", err)
	}
}

// sendSoon sends a message, unless the one before is still on its way.
func (m *Manager) sendSoon(state string) error {
	if !m.busy.CompareAndSwap(false, true) {
		return errDeaf
	}
	sent := make(chan error, 1)
	go func() {
		defer event.Rescue(m.log, "service manager", func() { sent <- errDeaf })
		_, err := m.send(state)
		m.busy.Store(false)
		sent <- err
	}()
	limit := time.NewTimer(tellTime)
	defer limit.Stop()
	select {
	case err := <-sent:
		return err
	case <-limit.C:
		return errDeaf
	}
}

// status is one line, whatever the text contains.
func status(text string) string { return "STATUS=" + strings.Join(strings.Fields(text), " ") }

// Ready tells that the service has started, or reloaded its configuration.
func (m *Manager) Ready(text string) { m.tell(sd.SdNotifyReady, status(text)) }

// Status tells what the service does, for "systemctl status".
func (m *Manager) Status(text string) { m.tell(status(text)) }

// Reloading tells that a reload begins. Ready ends it, whatever came of it.
func (m *Manager) Reloading() {
	m.tell(sd.SdNotifyReloading, fmt.Sprintf("MONOTONIC_USEC=%d", monotonic().Microseconds()), status("Reloading the configuration"))
}

// Stopping tells that the service stops, and may take so long for it.
func (m *Manager) Stopping(text string, most time.Duration) {
	m.tell(sd.SdNotifyStopping, extend(most), status(text))
}

// Extend tells that the start needs so much more time.
func (m *Manager) Extend(text string, more time.Duration) { m.tell(extend(more), status(text)) }

func extend(d time.Duration) string { return fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", d.Microseconds()) }

// Watch tells the watchdog that the process is alive, for as long as progress, a time, is not older
// than the watchdog's patience. It returns when ctx ends, or at once if there is no watchdog.
func (m *Manager) Watch(ctx context.Context, progress func() time.Time) {
	patience, err := sd.SdWatchdogEnabled(false)
	if err != nil {
		m.log.Warn("no watchdog", "err", err)
	}
	if patience <= 0 {
		return
	}
	begun := time.Now()
	tick := time.NewTicker(max(patience/3, time.Millisecond))
	defer tick.Stop()
	for {
		last := progress()
		if last.IsZero() { // it has not come round for the first time
			last = begun
		}
		if late := time.Since(last); late < patience {
			m.tell(sd.SdNotifyWatchdog)
		} else {
			m.log.Error("the engine makes no progress; the watchdog will end this process", "since", late.Round(time.Second))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
