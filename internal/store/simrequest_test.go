package store

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
)

func TestSIMRequests(t *testing.T) {
	for name, url := range map[string]string{"sqlite": "sqlite:" + t.TempDir() + "/db", "postgres": pgtest.URL(t)} {
		t.Run(name, func(t *testing.T) {
			s, ctx := open(t, url), t.Context()
			row := func(op mssp.DeviceOp, step int, state string) *mssp.SIMRequest {
				return &mssp.SIMRequest{TransID: "h1", DeviceID: "sim-1", MSISDN: "+41790000001", Op: op, Step: step, State: []byte(state), Expires: noon}
			}
			if _, err := s.SIMRequest(ctx, "h1"); !errors.Is(err, mssp.ErrNotFound) {
				t.Errorf("no row: %v", err)
			}
			for _, tt := range []struct {
				put, want *mssp.SIMRequest
			}{
				{row(mssp.OpActivate, 0, "1"), row(mssp.OpActivate, 0, "1")},
				{row(mssp.OpActivate, 0, "2"), row(mssp.OpActivate, 0, "2")},
				{row(mssp.OpActivate, 1, "3"), row(mssp.OpActivate, 1, "3")},
				{row(mssp.OpActivate, 0, "4"), row(mssp.OpActivate, 1, "3")}, // a step never goes back
				{unknown(row(mssp.OpActivate, 1, "4")), row(mssp.OpActivate, 1, "3")},
				{row(mssp.OpSign, 0, "5"), row(mssp.OpSign, 0, "5")},
			} {
				must(t, s.PutSIMRequest(ctx, tt.put))
				got, err := s.SIMRequest(ctx, "h1")
				if err != nil || fmt.Sprint(*got) != fmt.Sprint(*tt.want) {
					t.Errorf("%+v, %v; want %+v", got, err, tt.want)
				}
			}
			if n, err := s.PurgeSIMRequests(ctx, noon, 10); n != 0 || err != nil {
				t.Errorf("deleted %d rows that are not due, %v", n, err)
			}
			if n, err := s.PurgeSIMRequests(ctx, noon.Add(time.Second), 10); n != 1 || err != nil {
				t.Errorf("deleted %d rows, %v", n, err)
			}
			must(t, s.PutSIMRequest(ctx, row(mssp.OpSign, 0, "6")))
			must(t, s.DeleteSIMRequest(ctx, "h1"))
			must(t, s.DeleteSIMRequest(ctx, "h1"))
			if _, err := s.SIMRequest(ctx, "h1"); !errors.Is(err, mssp.ErrNotFound) {
				t.Errorf("a deleted row: %v", err)
			}
		})
	}
}

func unknown(r *mssp.SIMRequest) *mssp.SIMRequest {
	r.Unknown = true
	return r
}

func TestMessageParts(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	part := func(msisdn string, seq int, body string) *mssp.MessagePart {
		return &mssp.MessagePart{MSISDN: msisdn, Ref: 7, Total: 3, Seq: seq, Body: []byte(body)}
	}
	one := part("+41790000001", 1, "one")
	for _, p := range []*mssp.MessagePart{part(one.MSISDN, 3, "three"), part(one.MSISDN, 2, "old"), part(one.MSISDN, 2, "two"), part("+41790000002", 2, "other"), one} {
		must(t, s.PutPart(ctx, p, 3))
	}
	others, err := s.OtherParts(ctx, one, time.Minute)
	must(t, err)
	if len(others) != 2 || others[0].Seq != 2 || !bytes.Equal(others[0].Body, []byte("two")) || others[1].Seq != 3 {
		t.Errorf("%+v", others)
	}
	if others, err := s.OtherParts(ctx, one, -time.Minute); len(others) > 0 || err != nil {
		t.Errorf("parts that are too old: %+v, %v", others, err)
	}
	more := &mssp.MessagePart{MSISDN: one.MSISDN, Ref: 8, Total: 2, Seq: 1, Body: []byte("one too many")}
	must(t, s.PutPart(ctx, more, 3))
	if others, err := s.OtherParts(ctx, &mssp.MessagePart{MSISDN: one.MSISDN, Ref: 8, Total: 2, Seq: 2}, time.Minute); len(others) != 1 || err != nil {
		t.Errorf("the newest of more parts than there may be: %+v, %v", others, err)
	}
	if others, err := s.OtherParts(ctx, one, time.Minute); len(others) > 0 || err != nil {
		t.Errorf("the oldest message of a phone with too many parts stays: %+v, %v", others, err)
	}
	must(t, s.DeleteParts(ctx, more))
	if others, err := s.OtherParts(ctx, &mssp.MessagePart{MSISDN: one.MSISDN, Ref: 8, Total: 2, Seq: 2}, time.Minute); len(others) > 0 || err != nil {
		t.Errorf("deleted parts: %+v, %v", others, err)
	}
	if n, err := s.PurgeParts(ctx, time.Now().Add(time.Hour), 10); n != 1 || err != nil {
		t.Errorf("deleted %d parts, %v", n, err)
	}
}

// The last parts of a message come to two nodes at the same time: one of them at least sees
// all of them.
func TestPartsRace(t *testing.T) {
	url := pgtest.URL(t)
	nodes := []*Store{open(t, url), open(t, url)}
	for ref := range 50 {
		var g sync.WaitGroup
		var seen [2]int
		for i, s := range nodes {
			g.Go(func() {
				p := &mssp.MessagePart{MSISDN: "+41790000001", Ref: ref, Total: 2, Seq: i + 1, Body: []byte("x")}
				if err := s.PutPart(t.Context(), p, 1000); err != nil {
					t.Error(err)
				}
				others, err := s.OtherParts(t.Context(), p, time.Minute)
				if err != nil {
					t.Error(err)
				}
				seen[i] = len(others)
			})
		}
		g.Wait()
		if seen[0]+seen[1] == 0 {
			t.Fatal("no node saw both parts")
		}
	}
}
