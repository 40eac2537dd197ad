package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

// crashEnv names a database. If it is set, the test binary is a process that writes
// into that database until it is killed.
const crashEnv = "SIGNUM_TEST_CRASH"

// crashCard is the card whose counters the process takes.
const crashCard = "89410000000000000009"

// An answered write is on disk, even if the process is killed the next moment.
func TestSQLiteCrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), "test.db")
	inserted, finished, receipted := make(map[string]bool), make(map[string]bool), make(map[string]bool)
	counters := make(map[string]bool)
	for range 3 {
		crash(t, path, inserted, finished, receipted, counters)
		s := open(t, path) // locks that the process left behind do not matter
		for id := range inserted {
			tx, err := s.Transaction(t.Context(), id)
			if err != nil {
				t.Errorf("inserted %s: %v", id, err)
				continue
			}
			if finished[id] && !tx.State.Signed() || receipted[id] && tx.State != mssp.StateReceipted {
				t.Errorf("finished %s is %s", id, tx.State)
			}
			// Both are there or neither is, whether or not they were answered.
			if _, err := s.Receipt(t.Context(), id); (err == nil) != (tx.State == mssp.StateReceipted) {
				t.Errorf("%s %s, its receipt: %v", tx.State, id, err)
			}
		}
		c, err := s.Card(t.Context(), crashCard)
		if err != nil || c.Counter < uint64(len(counters)) {
			t.Errorf("%d counters were taken: %+v, %v", len(counters), c, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d inserted, %d finished, %d with a receipt, %d counters", len(inserted), len(finished), len(receipted), len(counters))
}

// crash starts a writer, reads which writes were answered, and kills it.
func crash(t *testing.T, path string, inserted, finished, receipted, counters map[string]bool) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), crashEnv+"="+path, fmt.Sprintf("%s_FROM=%d", crashEnv, len(inserted)*10))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	before := len(finished)
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		switch what, id, _ := strings.Cut(lines.Text(), " "); what {
		case "inserted":
			inserted[id] = true
		case "finished":
			finished[id] = true
		case "receipted":
			receipted[id] = true
		case "counter":
			if counters[id] {
				t.Errorf("counter %s was given twice", id)
			}
			counters[id] = true
		}
		if len(finished) == before+300 {
			if err := cmd.Process.Kill(); err != nil { // then read the rest of its output
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the writer ended by itself: %v", err)
	}
}

// writeUntilKilled is the child process of TestSQLiteCrash. It reports each answer at
// once and with one system call, so that no line is cut off.
func writeUntilKilled(path string) {
	var from int64
	fmt.Sscan(os.Getenv(crashEnv+"_FROM"), &from)
	s, err := Open(context.Background(), path, quiet)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	err = s.EnrolCard(context.Background(), &mssp.Subscriber{MSISDN: "+41", State: mssp.SubscriberActive,
		Devices: []mssp.Device{{ID: "sim", Method: signum.SIM, State: signum.DeviceActive}}},
		&mssp.Card{ICCID: crashCard, DeviceID: "sim", State: mssp.CardActive, KeySet: 1, Algorithm: mssp.CardAES, KIc: []byte{1}, KID: []byte{1}})
	if err != nil && !errors.Is(err, mssp.ErrExists) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var last atomic.Int64
	last.Store(from)
	var writers sync.WaitGroup
	for range 16 {
		writers.Go(func() {
			for {
				tx := storetest.NewTransaction(int(last.Add(1)))
				if err := s.InsertTransaction(context.Background(), tx); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString("inserted " + tx.ID + "\n")
				if done, err := storetest.Sign(context.Background(), s, tx, time.Now()); err != nil || !done {
					fmt.Fprintln(os.Stderr, done, err)
					os.Exit(1)
				}
				os.Stdout.WriteString("finished " + tx.ID + "\n")
				if err := s.InsertReceipt(context.Background(), &mssp.Receipt{TransID: tx.ID}); err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString("receipted " + tx.ID + "\n")
				counter, err := s.TakeCounter(context.Background(), crashCard, 0)
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				os.Stdout.WriteString(fmt.Sprintf("counter %d\n", counter))
			}
		})
	}
	writers.Wait()
}
