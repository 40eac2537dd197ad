package testkit

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"testing"
	"time"
)

// Peer is a program that a test talks to in lines of JSON: commands on its standard
// input, events on its standard output. It ends with its standard input.
type Peer struct {
	t      testing.TB
	in     io.Writer
	events chan map[string]any
}

// StartPeer starts a program in a directory. It is ended with the test.
func StartPeer(t testing.TB, dir, program string, args ...string) *Peer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir, cmd.WaitDelay = dir, 5*time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Peer{t: t, in: in, events: make(chan map[string]any, 1000)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			var e map[string]any
			if json.Unmarshal(lines.Bytes(), &e) == nil {
				p.events <- e
			}
		}
	}()
	t.Cleanup(func() {
		_ = in.Close()
		cancel()
		<-read
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %s", program, stderr.String())
		}
	})
	return p
}

// Wait returns the next event whose member "event" is this one, and drops those before.
func (p *Peer) Wait(event string) map[string]any {
	p.t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case e := <-p.events:
			if e["event"] == event {
				return e
			}
		case <-limit:
			p.t.Fatalf("no %s from the program", event)
		}
	}
}

// Do gives the program a command.
func (p *Peer) Do(command map[string]any) {
	p.t.Helper()
	b, err := json.Marshal(command)
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.in.Write(append(b, '\n')); err != nil {
		p.t.Fatal(err)
	}
}
