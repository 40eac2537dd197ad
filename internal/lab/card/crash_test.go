package card_test

import (
	"bufio"
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
)

// cardProcess names a directory of cards. If it is set, the test binary is a process with
// a card there.
const cardProcess = "SIGNUM_TEST_CARD"

// lastReply returns the highest counter of a reply.
func (p *phone) lastReply() uint64 { return slices.Max(slices.Collect(maps.Keys(p.seen))) }

// TestCardProcess signs with a card until it is killed, for TestKilled. Without that test
// it has nothing to do.
func TestCardProcess(t *testing.T) {
	path := os.Getenv(cardProcess)
	if path == "" {
		return
	}
	dir := openDir(t, path)
	dir.LimitJournal(2000)
	p := newPhone(t, func(c *card.Config) { c.Store = dir })
	p.counter = p.counterKept()
	key, err := x509.MarshalPKIXPublicKey(p.card.PublicKey())
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("key %x\n", key)
	for n := 0; ; n++ {
		p.replies, p.prompts = nil, nil
		p.do = []press{ok, pin("4711")}
		if n%3 == 0 {
			p.do = []press{ok, pin("0"), ended}
		}
		p.send(signRequest(int(p.counter), "a"))
		// One line with one system call, so that it is there as a whole or not at all.
		fmt.Printf("sent %d %d %d\n", p.counter, p.lastReply(), p.card.TriesLeft())
	}
}

// A process with a card may be killed at any time. The card is the same afterwards, what
// it did has happened, and none of its counters is used again.
func TestKilled(t *testing.T) {
	path := t.TempDir()
	var key string
	var counter, reply uint64
	for round := range 4 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestCardProcess$")
		cmd.Env = append(os.Environ(), cardProcess+"="+path)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var tries int
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			what, rest, _ := strings.Cut(lines.Text(), " ")
			switch what {
			case "key":
				if key != "" && key != rest {
					t.Error("another key")
				}
				key = rest
			case "sent":
				var c, r uint64
				if _, err := fmt.Sscan(rest, &c, &r, &tries); err != nil {
					t.Fatal(err)
				}
				if c <= counter || r <= reply {
					t.Fatalf("counters %d and %d after %d and %d", c, r, counter, reply)
				}
				counter, reply = c, r
			default:
				t.Fatal(lines.Text())
			}
			if n == 20+30*round {
				if err := cmd.Process.Kill(); err != nil { // then read the rest
					t.Fatal(err)
				}
			}
		}
		if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the process ended by itself: %v", err)
		}
		// The process may have done one more thing than it said.
		dir := openDir(t, copyDir(t, path))
		p := newPhone(t, func(c *card.Config) { c.Store = dir })
		if got := p.counterKept(); got != counter && got != counter+1 {
			t.Errorf("counter %d, want %d", got, counter)
		} else if got == counter && p.card.TriesLeft() != tries {
			t.Errorf("%d tries left, want %d", p.card.TriesLeft(), tries)
		}
		p.counter = counter + 1
		p.do = []press{ok, pin("4711")}
		p.send(signRequest(0, "a"))
		if r := p.only(); r.Result != applet.OK || p.lastReply() <= reply {
			t.Errorf("%+v with counter %d after %d", r, p.lastReply(), reply)
		}
		if der, err := x509.MarshalPKIXPublicKey(p.card.PublicKey()); err != nil || fmt.Sprintf("%x", der) != key {
			t.Errorf("another key: %v", err)
		}
		closeDir(t, dir)
	}
}
