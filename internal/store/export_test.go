package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// exports collects what is exported, by name.
type exports map[string][]string

func (e exports) take(name string, rows func(func(string, []byte) error) error) error {
	e[name] = nil
	return rows(func(id string, line []byte) error {
		e[name] = append(e[name], string(line))
		return nil
	})
}

// signedAt inserts the nth transaction, signed at the time, with a receipt.
func signedAt(t *testing.T, s *Store, n int, at time.Time) *mssp.Transaction {
	t.Helper()
	tx := calledAt(n, at)
	tx.Method = "App"
	must(t, s.PutSubscriber(t.Context(), &mssp.Subscriber{MSISDN: tx.MSISDN, State: mssp.SubscriberActive,
		Devices: []mssp.Device{{ID: tx.DeviceID, Method: tx.Method, State: signum.DeviceActive}}}))
	must(t, s.InsertTransaction(t.Context(), tx))
	o := mssp.Outcome{Code: 500, Signature: []byte{1, 2}, Verified: &mssp.UserVerification{}, Location: &mssp.Location{Country: "CH"}}
	if done, err := s.FinishTransaction(t.Context(), tx.ID, o, storetest.By(tx), at); !done || err != nil {
		t.Fatal(done, err)
	}
	must(t, s.InsertReceipt(t.Context(), &mssp.Receipt{TransID: tx.ID, Text: "Thanks", Created: at, Expires: at}))
	return tx
}

// What is in no partition is exported by the hour in which it ended, once all of it is
// due, with everything that is known of it.
func TestExportRest(t *testing.T) {
	onBoth(t, func(t *testing.T, url string) {
		s, ctx := open(t, url), t.Context()
		var all []*mssp.Transaction
		for n, minute := range []int{0, 59, 60, 150} {
			all = append(all, signedAt(t, s, n, noon.Add(time.Duration(minute)*time.Minute)))
		}
		must(t, s.InsertTransaction(ctx, calledAt(9, noon))) // outstanding
		for _, step := range []struct {
			now   time.Duration
			until time.Duration // 0: nothing is due
			name  string
			rows  int
		}{
			{119 * time.Minute, 0, "", 0},
			{120 * time.Minute, time.Hour, "ended-20260329t120000", 2},
			{10 * time.Hour, time.Hour, "ended-20260329t120000", 2}, // again, because nothing was purged
			{10 * time.Hour, 2 * time.Hour, "ended-20260329t130000", 1},
			{10 * time.Hour, 3 * time.Hour, "ended-20260329t140000", 1},
			{10 * time.Hour, 0, "", 0},
		} {
			got := make(exports)
			until, err := s.ExportRest(ctx, noon.Add(step.now), time.Hour, got.take)
			if err != nil || step.until == 0 && !until.IsZero() || step.until != 0 && !until.Equal(noon.Add(step.until)) || len(got[step.name]) != step.rows {
				t.Errorf("%v: until %v, %v, %v", step.now, until, got, err)
			}
			if step.rows == 2 && step.now > 2*time.Hour || step.rows == 1 {
				_, err := s.PurgeRest(ctx, until, 100)
				must(t, err)
			}
			if step.name == "ended-20260329t140000" {
				wantExported(t, got[step.name][0], all[3])
			}
		}
		full := errors.New("disk full")
		signedAt(t, s, 5, noon)
		if until, err := s.ExportRest(ctx, noon.Add(10*time.Hour), time.Hour, func(string, func(func(string, []byte) error) error) error { return full }); !errors.Is(err, full) || !until.IsZero() {
			t.Errorf("a failure: %v, %v", until, err)
		}
	})
}

func wantExported(t *testing.T, line string, tx *mssp.Transaction) {
	t.Helper()
	var got struct {
		ID, APID, State, Created string
		DTBD                     string
		Code                     int
		Async                    bool
		Signature                []byte
		Location                 mssp.Location
		Evidence                 *mssp.UserVerification
		Receipt                  struct{ Text string }
	}
	must(t, json.Unmarshal([]byte(line), &got))
	if got.ID != tx.ID || got.State != "receipted" || got.Code != 500 || got.DTBD != tx.Text || got.Created != "2026-03-29T14:30:00.000000Z" ||
		string(got.Signature) != "\x01\x02" || got.Location.Country != "CH" || got.Evidence == nil || got.Receipt.Text != "Thanks" {
		t.Errorf("%s\n%+v", line, got)
	}
}

// A partition is exported once, when it is due, and goes only then.
func TestExportPartitions(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	must(t, s.MakePartitions(ctx, noon, time.Hour)) // from 11 to 15
	for n, minute := range []int{-10, 5, 50, 150} {
		signedAt(t, s, n, noon.Add(time.Duration(minute)*time.Minute))
	}
	full := errors.New("disk full")
	at := func(minutes int, fail bool) (string, int) {
		t.Helper()
		now, got := noon.Add(time.Duration(minutes)*time.Minute), make(exports)
		err := s.ExportPartitions(ctx, now, time.Hour, func(name string, rows func(func(string, []byte) error) error) error {
			if fail {
				return full
			}
			return got.take(name, rows)
		})
		if fail != errors.Is(err, full) {
			t.Errorf("after %d min: %v", minutes, err)
		}
		dropped, err := s.DropPartitions(ctx, now, time.Hour, 0, true)
		must(t, err)
		var names []string
		for _, name := range slices.Sorted(maps.Keys(got)) {
			names = append(names, fmt.Sprint(strings.TrimPrefix(name, "requested-20260329t"), "=", len(got[name])))
		}
		return strings.Join(names, " "), dropped
	}
	for _, step := range []struct {
		minutes int
		fail    bool
		names   string
		dropped int
	}{
		{0, false, "", 0},  // the hour before noon is complete
		{59, false, "", 0}, // and not yet due
		{60, true, "", 0},  // it cannot be written
		{61, false, "110000=1", 1},
		{119, false, "", 0}, // complete since 60
		{120, false, "120000=2", 1},
		{500, false, "130000=0", 1}, // complete since 120
		{559, false, "", 0},
		{560, false, "140000=1", 1},
	} {
		if names, dropped := at(step.minutes, step.fail); names != step.names || dropped != step.dropped {
			t.Errorf("after %d min: exported %q, dropped %d", step.minutes, names, dropped)
		}
	}
	wantPartitions(t, s, 0, 0)
	// Without an export, the mark makes no difference.
	must(t, s.MakePartitions(ctx, noon, time.Hour))
	for _, now := range []time.Time{noon.Add(99 * time.Hour), noon.Add(100 * time.Hour)} {
		_, err := s.DropPartitions(context.WithoutCancel(ctx), now, time.Hour, 0, false)
		must(t, err)
	}
	wantPartitions(t, s, 0, 0)
}
