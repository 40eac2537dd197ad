package sandbox

import (
	"bytes"
	"context"
	"testing"
	"time"
)

// run opens a sandbox on free ports and serves it until the test ends.
func run(t *testing.T, cfg Config) *Sandbox {
	t.Helper()
	if cfg.Dir == "" {
		cfg.Dir = t.TempDir()
	}
	cfg.Addr = "127.0.0.1:0"
	box, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- box.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return box
}

func TestExample(t *testing.T) {
	var out bytes.Buffer
	teller := NewTeller(&out)
	box := run(t, Config{Observe: teller.Phone, PhoneDelay: 50 * time.Millisecond})
	if err := box.Example(t.Context(), teller); err != nil {
		t.Error(err)
	}
	t.Log(out.String())
	if n := bytes.Count(out.Bytes(), []byte("VERIFIED")); n != 2 {
		t.Errorf("%d verified signatures, want 2", n)
	}
}
