package storetest

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
)

// notice returns the ith notice of the nth subscriber, made at start.
func notice(n, i int) *mssp.Notice {
	hash := sha256.Sum256(fmt.Append(nil, n, "/", i))
	return &mssp.Notice{
		ID: fmt.Sprint("n", i), MSISDN: subscriber(n).MSISDN, Kind: mssp.NoticeKinds[i%len(mssp.NoticeKinds)], DeviceID: fmt.Sprint("app-", i),
		Name: "Zoë's phone", ByCode: i%2 == 1, CodeHash: hash[:], Created: start.Add(time.Duration(i) * time.Second), Expires: start.Add(mssp.NoticeFor),
	}
}

func testNotice(t *testing.T, d *database) {
	s, ctx := d.Store(), t.Context()
	all := []*mssp.Notice{notice(1, 0), notice(1, 1), notice(1, 2)}
	for _, n := range []*mssp.Notice{all[2], notice(2, 0), all[0], all[1]} {
		must(t, s.PutNotice(ctx, n))
	}
	s = d.Reopen()
	list := func(n int, now time.Time) []*mssp.Notice {
		t.Helper()
		got, err := s.Notices(ctx, subscriber(n).MSISDN, now)
		must(t, err)
		return got
	}
	same(t, all, list(1, start))
	same(t, all, list(1, all[0].Expires.Add(-time.Microsecond)))
	if got := list(1, all[0].Expires); len(got) != 0 {
		t.Errorf("expired: %v", got)
	}
	if got := list(3, start); len(got) != 0 {
		t.Errorf("another account has %v", got)
	}
	got, err := s.NoticeByCode(ctx, all[1].CodeHash, start)
	must(t, err)
	same(t, all[1], got)
	for _, none := range []func() error{
		func() error { _, err := s.NoticeByCode(ctx, all[1].CodeHash, all[1].Expires); return err },
		func() error { _, err := s.NoticeByCode(ctx, []byte("another"), start); return err },
		func() error { _, err := s.NoticeByCode(ctx, nil, start); return err },
		func() error { _, err := s.TakeNotice(ctx, subscriber(2).MSISDN, "n1", start); return err },
		func() error { _, err := s.TakeNotice(ctx, subscriber(1).MSISDN, "n1", all[1].Expires); return err },
		func() error { _, err := s.TakeNotice(ctx, "nul\x00", "n1", start); return err },
	} {
		wantNotFound(t, "notice", none())
	}
	got, err = s.TakeNotice(ctx, all[1].MSISDN, all[1].ID, start)
	must(t, err)
	same(t, all[1], got)
	_, err = s.NoticeByCode(ctx, all[1].CodeHash, start)
	wantNotFound(t, "taken notice", err)
	same(t, []*mssp.Notice{all[0], all[2]}, list(1, start))

	// Notices follow the account to another number.
	sub, _ := enrol(t, s, 1)
	must(t, s.RenumberSubscriber(ctx, sub.MSISDN, subscriber(2).MSISDN))
	moved := list(2, start)
	if len(moved) != 2 || moved[0].ID != "n0" || moved[1].ID != "n2" || len(list(1, start)) != 0 {
		t.Errorf("after the move: %v", moved)
	}
}

// An expired notice is deleted when another one is made.
func testNoticePurge(t *testing.T, d *database) {
	s := d.Store()
	for i := range 250 {
		n := notice(1, i)
		n.Created, n.Expires = start, after(i)
		must(t, s.PutNotice(t.Context(), n))
	}
	for i := range 3 {
		n := notice(2, i)
		n.Created = after(200)
		must(t, s.PutNotice(t.Context(), n))
	}
	got, err := s.Notices(t.Context(), subscriber(1).MSISDN, start.Add(-time.Hour))
	must(t, err)
	if len(got) != 49 {
		t.Errorf("%d notices are left, want 49", len(got))
	}
}

func testNoticeRefused(t *testing.T, d *database) {
	s := d.Store()
	good := notice(1, 1)
	must(t, s.PutNotice(t.Context(), good))
	for name, change := range map[string]func(*mssp.Notice){
		"unknown kind":     func(n *mssp.Notice) { n.Kind = "all is well" },
		"no code":          func(n *mssp.Notice) { n.CodeHash = nil },
		"the same code":    func(*mssp.Notice) {},
		"the same ID":      func(n *mssp.Notice) { n.ID, n.CodeHash = good.ID, []byte("another") },
		"text in the name": func(n *mssp.Notice) { n.Name = "\xff" },
	} {
		n := *good
		n.ID = "another"
		change(&n)
		if err := s.PutNotice(t.Context(), &n); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	got, err := s.Notices(t.Context(), good.MSISDN, start)
	must(t, err)
	same(t, []*mssp.Notice{good}, got)
}

func testRaceForNotice(t *testing.T, d *database) {
	s := d.Store()
	n := notice(1, 1)
	must(t, s.PutNotice(t.Context(), n))
	errs := make([]error, 30)
	race(len(errs), func(i int) { _, errs[i] = s.TakeNotice(t.Context(), n.MSISDN, n.ID, start) })
	won := 0
	for _, err := range errs {
		if err == nil {
			won++
		} else {
			wantNotFound(t, "loser", err)
		}
	}
	if won != 1 {
		t.Errorf("%d got the notice", won)
	}
}
