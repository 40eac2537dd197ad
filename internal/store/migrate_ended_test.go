package store

import (
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

const rowsOf8 = `
INSERT INTO subscribers (msisdn, serial, state) VALUES ('+41790000001', 'MIDCHE0000000001', 'ACTIVE');
INSERT INTO devices (id, msisdn, method, state, key_type) VALUES
    ('app', '+41790000001', 'App', 'ACTIVE', 'EC'),
    ('blocked', '+41790000001', 'SIM', 'INACTIVE', 'EC'),
    ('new', '+41790000001', 'SIM', 'REGISTERED', 'EC'),
    ('off', '+41790000001', 'SIM', 'INACTIVE', 'EC');
INSERT INTO sim_cards VALUES
    ('1', 'blocked', 'BLOCKED', 1, 'AES', CAST('k' AS bytea), CAST('k' AS bytea), 0, 0, -1, 0, 0),
    ('2', 'off', 'ACTIVE', 1, 'AES', CAST('k' AS bytea), CAST('k' AS bytea), 0, 0, -1, 0, 0);`

// In version 8 an inactive device had ended, unless its card was blocked. Nobody can
// tell whether parties know the serial of an account, so they may.
func TestMigrationFrom8(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		old := openVersion(t, url, 8)
		if _, err := old.write.Exec(rowsOf8); err != nil {
			t.Fatal(err)
		}
		old.close()
		s, ctx := open(t, url), t.Context()
		sub, err := s.Subscriber(ctx, "+41790000001")
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			state signum.DeviceState
			ended mssp.DeviceEnd
		}{
			{signum.DeviceActive, ""}, {signum.DeviceInactive, ""}, {signum.DeviceRegistered, ""}, {signum.DeviceInactive, "unknown"},
		} {
			if d := sub.Devices[i]; d.State != want.state || d.Ended != want.ended || !d.EndedAt.IsZero() {
				t.Errorf("%+v, want %+v", d, want)
			}
		}
		if known, err := s.SerialKnown(ctx, sub.MSISDN); err != nil || !known {
			t.Errorf("known: %v, %v", known, err)
		}
		// What was read can be written, and a device can go on from there.
		if err := s.UpdateSubscriber(ctx, sub.MSISDN, func(*mssp.Subscriber) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if err := s.SetCardState(ctx, "1", mssp.CardActive, time.UnixMicro(1)); err != nil {
			t.Fatal(err)
		}
		if err := s.ReopenDevice(ctx, "off"); err != nil {
			t.Fatal(err)
		}
		for _, d := range s.mustSubscriber(t, sub.MSISDN).Devices[1:] {
			if d.State != signum.DeviceRegistered || d.Ended != "" {
				t.Errorf("%+v", d)
			}
		}
	})
}

func (s *Store) mustSubscriber(t *testing.T, msisdn string) *mssp.Subscriber {
	t.Helper()
	sub, err := s.Subscriber(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	return sub
}
