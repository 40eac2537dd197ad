package node

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/testkit"
)

// A store that does not work is told once when that begins and once when it ends, and is
// a metric meanwhile.
func TestStoreOutage(t *testing.T) {
	t.Parallel()
	log := new(testkit.Buffer)
	n, err := New(t.Context(), opsConfig(t), Deps{Logger: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	var repaired atomic.Bool
	ping := n.health.ping
	n.health.ping = func(ctx context.Context) error {
		if !repaired.Load() {
			return errors.New("the disk is full")
		}
		return ping(ctx)
	}
	run(t, n)
	wait := func(what string, seen func() bool) {
		t.Helper()
		for end := time.Now().Add(time.Minute); !seen(); time.Sleep(5 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: never\n%s", what, log)
			}
		}
	}
	wait("the outage", func() bool { return strings.Contains(log.String(), "the store does not work") })
	wait("the metric of the outage", func() bool {
		_, body := get(t, n.OpsURL()+"/metrics")
		return strings.Contains(body, "signum_store_up 0")
	})
	repaired.Store(true)
	wait("the end", func() bool { return strings.Contains(log.String(), "the store works again") })
	if begun := strings.Count(log.String(), "the store does not work"); begun != 1 {
		t.Errorf("told %d times", begun)
	}
	if _, body := get(t, n.OpsURL()+"/metrics"); !strings.Contains(body, "signum_store_up 1") || !strings.Contains(body, "signum_store_hung_seconds 0") {
		t.Error("the metric does not tell of the end")
	}
}
