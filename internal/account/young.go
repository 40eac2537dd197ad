package account

import (
	"context"
	"errors"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// YoungFor is how long a new App can change nothing on an account that has an older
// method: the owner has that time to object.
const YoungFor = 24 * time.Hour

// AppReader finds Apps: see mssp.AppStore.
type AppReader interface {
	App(ctx context.Context, deviceID string) (*mssp.AppDevice, error)
}

// Young reports whether a device is an App that was added so recently that it cannot
// change the account.
func Young(ctx context.Context, r AppReader, sub *mssp.Subscriber, deviceID string, now time.Time) (bool, error) {
	enrolled, err := enrolledAt(ctx, r, deviceID)
	if err != nil || enrolled.IsZero() || now.Sub(enrolled) >= YoungFor {
		return false, err
	}
	for _, d := range sub.Devices {
		if d.ID == deviceID || d.State != signum.DeviceActive {
			continue
		}
		other, err := enrolledAt(ctx, r, d.ID)
		if err != nil {
			return false, err
		}
		if other.Before(enrolled) {
			return true, nil
		}
	}
	return false, nil
}

// enrolledAt returns when an App was added. It is zero for a SIM, which counts as
// older than any App.
func enrolledAt(ctx context.Context, r AppReader, deviceID string) (time.Time, error) {
	a, err := r.App(ctx, deviceID)
	if errors.Is(err, mssp.ErrNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return a.Enrolled, nil
}
