package app

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/signum-mssp/signum/internal/mssp"
)

// fakeAccounts has one notice for each App.
type fakeAccounts struct {
	mu       sync.Mutex
	told     []mssp.Change
	objected []string
	err      error
}

func (f *fakeAccounts) Notify(_ context.Context, c mssp.Change) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = append(f.told, c)
}

func (f *fakeAccounts) For(context.Context, *mssp.AppDevice) ([]*mssp.Notice, error) {
	return []*mssp.Notice{{ID: "n1", Kind: mssp.NoticeRecoveryCode}}, nil
}

func (f *fakeAccounts) ObjectFrom(_ context.Context, a *mssp.AppDevice, id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		f.objected = append(f.objected, a.DeviceID+" "+id)
	}
	return f.err
}

// An App is told of changes when it connects and while it is connected, and objects.
func TestNotices(t *testing.T) {
	t.Parallel()
	f := new(fakeAccounts)
	w := newWorld(t, func(c *Config) { c.Accounts = f })
	p, q := w.enrol(alice), newPhone(w)
	in := p.connect()
	in.welcome()
	if m := in.expect("notice"); m.Notice == nil || m.Notice.ID != "n1" || m.Notice.Kind != "recovery_code" {
		t.Errorf("frame %+v", m)
	}
	q.enrol(w.invite(alice, true), "").is(t, 200, "")
	w.server.Announce(t.Context(), &mssp.Notice{ID: "n2", MSISDN: alice, Kind: mssp.NoticeAppAdded, DeviceID: "another", Name: "Eve"})
	if m := in.expect("notice"); m.Notice.ID != "n2" || m.Notice.Name != "Eve" {
		t.Errorf("frame %+v", m)
	}
	// The App that a notice is about is not told.
	w.server.Announce(t.Context(), &mssp.Notice{ID: "n3", MSISDN: alice, Kind: mssp.NoticeAppAdded, DeviceID: p.device})
	w.server.Announce(t.Context(), &mssp.Notice{ID: "n4", MSISDN: alice, Kind: mssp.NoticeSIMEnded, DeviceID: "sim"})
	if m := in.expect("notice"); m.Notice.ID != "n4" {
		t.Errorf("frame %+v", m)
	}
	p.call("GET", "/app/v2/notices", nil).is(t, 200, "")
	p.call("POST", "/app/v2/object", obj{"id": "n2"}).is(t, 204, "")
	f.err = mssp.ErrNotFound
	p.call("POST", "/app/v2/object", obj{"id": "n2"}).is(t, 404, "unknown")
	f.err = mssp.ErrTooNew
	p.call("POST", "/app/v2/object", obj{"id": "n2"}).is(t, 403, "too_new")
	p.call("DELETE", "/app/v2/device", nil).is(t, 204, "")
	f.mu.Lock()
	defer f.mu.Unlock()
	if !slices.Equal(f.objected, []string{p.device + " n2"}) {
		t.Errorf("objections %v", f.objected)
	}
	var kinds []mssp.NoticeKind
	for _, c := range f.told {
		kinds = append(kinds, c.Kind)
	}
	if !slices.Equal(kinds, []mssp.NoticeKind{mssp.NoticeAppAdded, mssp.NoticeAppAdded, mssp.NoticeAppRemoved}) || f.told[2].DeviceID != p.device {
		t.Errorf("told %+v", f.told)
	}
}
