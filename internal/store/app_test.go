package store

import (
	"bytes"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// Refused writes of Apps among many accepted ones do not roll back any group.
func TestRefusalsOfAppsKeepGroup(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		var log bytes.Buffer
		s, ctx := open(t, url, WithLogger(slog.New(slog.NewTextHandler(&log, nil))), WithWriters(1)), t.Context()
		hash := func(n int) []byte { return append(make([]byte, 31), byte(n)) }
		now := time.UnixMicro(1)
		invite := &mssp.Invite{CodeHash: hash(1), MSISDN: "+1", Expires: now.Add(time.Hour)}
		for _, err := range []error{
			s.PutSubscriber(ctx, &mssp.Subscriber{MSISDN: "+1", State: mssp.SubscriberActive}),
			s.PutInvite(ctx, invite),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		var all sync.WaitGroup
		for i := range 50 {
			e := &mssp.Enrolment{CodeHash: hash(1),
				App: &mssp.AppDevice{DeviceID: fmt.Sprint("d", i), MSISDN: "+1", AuthKey: []byte{1}, Share: []byte{1}, VerifierHash: hash(2)},
				Device: mssp.Device{ID: fmt.Sprint("d", i), Method: signum.App, State: signum.DeviceActive,
					Certificate: &mssp.Certificate{Serial: "none"}}}
			for name, refused := range map[string]func() error{
				"enrol": func() error { return s.EnrolApp(ctx, e, now) },
				"code":  func() error { return s.PutInvite(ctx, &mssp.Invite{CodeHash: hash(1), MSISDN: fmt.Sprint("+2", i)}) },
				"update": func() error {
					return s.UpdateApp(ctx, "none", func(*mssp.AppDevice) error { return nil })
				},
				"try":      func() error { _, _, err := s.TryPasscode(ctx, "none", hash(2), nil); return err },
				"remove":   func() error { return s.RemoveApp(ctx, "none") },
				"recovery": func() error { return s.SetRecoveryHash(ctx, "none", nil) },
			} {
				all.Go(func() {
					if refused() == nil {
						t.Errorf("%s: taken", name)
					}
				})
			}
			all.Go(func() {
				if err := s.InsertTransaction(ctx, storetest.NewTransaction(i)); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if bytes.Contains(log.Bytes(), []byte("one by one")) {
			t.Errorf("a group was rolled back: %s", log.Bytes())
		}
		if _, err := s.Invite(ctx, hash(1), now); err != nil {
			t.Errorf("the invite: %v", err)
		}
	})
}
