package engine

import (
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/mssp"
)

// What a phone shows of the party comes from the party's row, at the time of the
// hand-over, for signatures and receipts, and again when the phone asks what is pending.
func TestPhoneIsToldWhoAsks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*mssp.Party)
		want   mssp.PartyIdentity
	}{
		{"name and logo", func(*mssp.Party) {}, mssp.PartyIdentity{Name: "Bank", Logo: "ab12"}},
		{"no name", func(p *mssp.Party) { p.Name, p.Logo = "", "" }, mssp.PartyIdentity{Name: "mid://ap"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "sqlite:"+t.TempDir()+"/db", nil)
			w.putParty(c.change)
			s := w.addUser(1, silent, signum.EC, signum.App)
			id := w.begin(s)
			w.awaitShown(id)
			device := s.Devices[0].ID
			check := func(op mssp.DeviceOp) {
				t.Helper()
				d, err := w.phones.Device(device)
				if err != nil {
					t.Fatal(err)
				}
				if r, ok := d.Shown(); !ok || r.Op != op || r.Party != c.want {
					t.Errorf("on the screen: %+v", r)
				}
				list, err := w.Pending(t.Context(), device)
				if err != nil || len(list) != 1 || list[0].Op != op || list[0].Party != c.want {
					t.Errorf("pending: %+v, %v", list, err)
				}
			}
			check(mssp.OpSign)
			if err := w.phones.Act(device, id, phonetest.Approve); err != nil {
				t.Fatal(err)
			}
			if got := w.await(id); got != signum.SignatureMade {
				t.Fatal(got)
			}
			done := make(chan error, 1)
			go func() {
				_, err := w.receipt(w.receiptRequest(s, id))
				done <- err
			}()
			w.awaitShown(id)
			check(mssp.OpDisplay)
			if err := w.phones.Act(device, id, phonetest.Approve); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
}
