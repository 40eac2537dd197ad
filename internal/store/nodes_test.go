package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

func joined(t *testing.T, s *Store, name string) string {
	t.Helper()
	id := fmt.Sprintf("%s-%d", name, time.Now().UnixNano())
	_, err := s.Nodes().Join(t.Context(), mssp.ClusterNode{ID: id, Name: name, Address: name + ":8443", Version: "1"}, true)
	must(t, err)
	return id
}

// silence makes a node look as if it had not lived for that long.
func silence(t *testing.T, s *Store, id string, d time.Duration) {
	t.Helper()
	_, err := s.read.write.ExecContext(t.Context(), `UPDATE nodes SET beat = beat - $2 WHERE id = $1`, id, d.Microseconds())
	must(t, err)
}

func TestNodes(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	n := s.Nodes()
	a, b := joined(t, s, "a"), joined(t, s, "b")
	beat, err := n.Beat(ctx, a)
	must(t, err)
	if len(beat.Others) != 1 || beat.Others[0].ID != b || beat.Others[0].Slot != 1 || beat.Others[0].Address != "b:8443" || time.Since(beat.Now).Abs() > time.Hour {
		t.Fatalf("%+v", beat)
	}
	if fenced, err := n.Fence(ctx, a, time.Minute); fenced != 0 || err != nil {
		t.Errorf("fenced %d living nodes, %v", fenced, err)
	}
	silence(t, s, b, 2*time.Minute)
	if fenced, err := n.Fence(ctx, a, time.Minute); fenced != 1 || err != nil {
		t.Errorf("fenced %d silent nodes, %v", fenced, err)
	}
	if _, err := n.Beat(ctx, b); !errors.Is(err, mssp.ErrFenced) {
		t.Errorf("a fenced node beats: %v", err)
	}
	silence(t, s, a, 2*time.Minute)
	if fenced, err := n.Fence(ctx, b, time.Minute); fenced != 0 || err != nil {
		t.Errorf("a fenced node fenced %d others, %v", fenced, err)
	}
	c := joined(t, s, "b") // takes the slot of the fenced one
	if beat, err = n.Beat(ctx, a); err != nil || len(beat.Others) != 1 || beat.Others[0].ID != c || beat.Others[0].Slot != 1 {
		t.Errorf("%+v, %v", beat, err)
	}
	d := joined(t, s, "b") // restarted
	if _, err := n.Beat(ctx, c); !errors.Is(err, mssp.ErrFenced) {
		t.Errorf("the node before a restart beats: %v", err)
	}
	must(t, n.Leave(ctx, d))
	if _, err := n.Beat(ctx, d); !errors.Is(err, mssp.ErrFenced) {
		t.Errorf("a node that has left beats: %v", err)
	}
	silence(t, s, b, 2*time.Hour)
	if _, err := n.Fence(ctx, a, time.Hour); err != nil {
		t.Error(err)
	}
	var rows int
	must(t, s.read.read.QueryRowContext(ctx, `SELECT count(*) FROM nodes`).Scan(&rows))
	if rows != 3 {
		t.Errorf("%d nodes are remembered, want 3", rows)
	}
}

// As many nodes as there are slots, all at the same time, get a slot each; one more does
// not.
func TestSlots(t *testing.T) {
	s := open(t, pgtest.URL(t))
	var g sync.WaitGroup
	slots := make([]int, mssp.MaxNodes)
	for i := range slots {
		g.Go(func() {
			var err error
			if slots[i], err = s.Nodes().Join(t.Context(), mssp.ClusterNode{ID: fmt.Sprint(i), Name: fmt.Sprint(i)}, true); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	slices.Sort(slots)
	for i, slot := range slots {
		if slot != i {
			t.Fatalf("slots %d", slots)
		}
	}
	if _, err := s.Nodes().Join(t.Context(), mssp.ClusterNode{ID: "x", Name: "x"}, true); !errors.Is(err, mssp.ErrSlots) {
		t.Errorf("one node too many: %v", err)
	}
}

func TestClaimTransactions(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	dead, old, me := joined(t, s, "dead"), joined(t, s, "old"), joined(t, s, "me")
	living := joined(t, s, "living")
	n := 0
	insert := func(owner string, change func(*mssp.Transaction)) string {
		n++
		tx := storetest.NewTransaction(n)
		tx.Owner, tx.Created = owner, time.Now()
		if change != nil {
			change(tx)
		}
		must(t, s.InsertTransaction(ctx, tx))
		return tx.ID
	}
	password := func(tx *mssp.Transaction) {
		tx.Method, tx.DeviceID, tx.Profile, tx.CertSerial, tx.SignedAttrs, tx.Certificate = "", "", signum.ProfileOTPText, "", nil, nil
	}
	aged := func(tx *mssp.Transaction) { tx.Created = time.Now().Add(-time.Minute) }
	want := []string{insert(dead, nil), insert(dead, password), insert("unknown", nil), insert("", aged)}
	insert("", nil)
	insert("", func(tx *mssp.Transaction) { aged(tx); password(tx) })
	insert(living, aged)
	insert(me, nil)
	must(t, s.Nodes().Leave(ctx, dead))
	must(t, s.Nodes().Leave(ctx, old))

	claim := func(node string, limit int) (ids []string) {
		t.Helper()
		list, claimed, err := s.ClaimTransactions(ctx, node, 15*time.Second, limit)
		must(t, err)
		if claimed != len(list) {
			t.Errorf("claimed %d, read %d", claimed, len(list))
		}
		for _, tx := range list {
			if tx.Owner != node || tx.State != mssp.StateOutstanding {
				t.Errorf("%s belongs to %q and is %s", tx.ID, tx.Owner, tx.State)
			}
			ids = append(ids, tx.ID)
		}
		return ids
	}
	if got := claim(old, 10); len(got) > 0 {
		t.Errorf("a fenced node claimed %q", got)
	}
	got := append(claim(me, 1), claim(me, 10)...)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("claimed %q, want %q", got, want)
	}
	if again := claim(living, 10); len(again) > 0 {
		t.Errorf("claimed twice: %q", again)
	}
	pending, _, err := s.DevicePending(ctx, storetest.NewTransaction(1).DeviceID, time.Unix(0, 0))
	must(t, err)
	for _, tx := range pending {
		if tx.Owner == "" {
			t.Errorf("the owner of %s is not read", tx.ID)
		}
	}
}

// Nodes that claim at the same time get different transactions, and together all.
func TestClaimRace(t *testing.T) {
	url := pgtest.URL(t)
	s := open(t, url)
	const all, nodes = 200, 4
	for i := range all {
		tx := storetest.NewTransaction(i + 1)
		tx.Owner = "unknown"
		must(t, s.InsertTransaction(t.Context(), tx))
	}
	var mu sync.Mutex
	var g sync.WaitGroup
	owners := make(map[string]int)
	for i := range nodes {
		other := open(t, url)
		me := joined(t, other, fmt.Sprint(i))
		g.Go(func() {
			for {
				list, n, err := other.ClaimTransactions(context.WithoutCancel(t.Context()), me, 0, 7)
				if err != nil {
					t.Error(err)
				}
				if err != nil || n == 0 {
					return
				}
				mu.Lock()
				for _, tx := range list {
					owners[tx.ID]++
				}
				mu.Unlock()
			}
		})
	}
	g.Wait()
	if len(owners) != all {
		t.Errorf("%d of %d were claimed", len(owners), all)
	}
	for id, n := range owners {
		if n != 1 {
			t.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func TestLeases(t *testing.T) {
	s, ctx := open(t, pgtest.URL(t)), t.Context()
	take := func(owner string, d time.Duration, want int64) {
		t.Helper()
		if epoch, err := s.Nodes().TakeLease(ctx, "crl", owner, d); err != nil || epoch != want {
			t.Errorf("%s: epoch %d, %v; want %d", owner, epoch, err, want)
		}
	}
	take("a", time.Hour, 1)
	take("b", time.Hour, 0)
	take("a", -time.Hour, 1) // ended
	take("b", time.Hour, 2)
	take("a", time.Hour, 0)
	for _, tt := range []struct{ least, want int64 }{{5, 5}, {5, 6}, {100, 100}, {7, 101}} {
		if n, err := s.Nodes().NextNumber(ctx, "crl", tt.least); err != nil || n != tt.want {
			t.Errorf("a number from %d on: %d, %v; want %d", tt.least, n, err, tt.want)
		}
	}
}

func TestNotices(t *testing.T) {
	s := open(t, pgtest.URL(t))
	ctx, cancel := context.WithCancel(t.Context())
	ready, heard, ended := make(chan struct{}), make(chan string, 10), make(chan error, 1)
	go func() {
		ended <- s.Nodes().Listen(ctx, func() { close(ready) }, func(n string) { heard <- n })
	}()
	<-ready
	want := []string{"n-1\nended h1", "", "ä'\"\\"}
	must(t, s.Nodes().Notify(ctx, want))
	for _, w := range want {
		if got := <-heard; got != w {
			t.Errorf("heard %q, want %q", got, w)
		}
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("listening ended with %v", err)
	}
	if open(t, "sqlite:"+t.TempDir()+"/x.db").Nodes() != nil {
		t.Error("SQLite has nodes")
	}
}
