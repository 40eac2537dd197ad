package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
)

const (
	program = "github.com/signum-mssp/signum/cmd/signum"
	// firstUser has a SIM and is not in the example. A phone's usual delay is a person's.
	firstUser  = "+41700092501"
	firstPhone = firstUser + "=approve:1ms"
	// firstWait is how long a start may take before it counts as failed.
	firstWait = time.Minute
)

// starts prints how long the program takes from the start of the process to a signature
// that verifies, and its memory.
func starts(ctx context.Context, tmp string, n int) error {
	binary := filepath.Join(tmp, "signum")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, program)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("building %s: %w\n%s", program, err, out)
	}
	fmt.Printf("\nfrom the start of the process to a signature that verifies, and resident memory, %d starts each\n", n)
	fmt.Printf("%-20s %12s %12s %12s %14s %14s\n", "", "median", "worst", "CPU", "signed", "example over")
	dir := filepath.Join(tmp, "first")
	for _, existing := range []bool{false, true} {
		name := "new directory"
		if existing {
			name = "existing directory"
		}
		var all []firstStart
		for i := range n {
			d := dir
			if !existing {
				d = fmt.Sprintf("%s-%d", dir, i)
			} else if i == 0 {
				if _, err := startOnce(ctx, binary, d); err != nil {
					return err
				}
			}
			s, err := startOnce(ctx, binary, d)
			if err != nil {
				return err
			}
			all = append(all, s)
		}
		slices.SortFunc(all, func(a, b firstStart) int { return int(a.took - b.took) })
		mid, last := all[n/2], all[n-1]
		fmt.Printf("%-20s %12s %12s %12s %10.1f MiB %10.1f MiB\n", name, mid.took.Round(time.Millisecond), last.took.Round(time.Millisecond),
			mid.cpu, float64(mid.signed)/(1<<20), float64(mid.example)/(1<<20))
	}
	fmt.Println("(targets: 500ms, 45 MiB)")
	return nil
}

// firstStart is what one start took.
type firstStart struct {
	took, cpu       time.Duration // to the signature
	signed, example int64         // resident memory, at the signature and after the example
}

// startOnce runs the program in a directory until the example is over.
func startOnce(ctx context.Context, binary, dir string) (s firstStart, err error) {
	ctx, cancel := context.WithTimeout(ctx, firstWait)
	defer cancel()
	// The program writes this file when it is ready.
	if err := os.Remove(filepath.Join(dir, sandbox.InfoFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	cmd := exec.CommandContext(ctx, binary, "sandbox", "--dir", dir, "--addr", "127.0.0.1:0", "--phone", firstPhone, "--log", "error")
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.StdoutPipe()
	if err != nil {
		return s, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return s, err
	}
	ready := make(chan bool, 1)
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			if strings.HasPrefix(in.Text(), "ready ") {
				ready <- true
			}
		}
		close(ready)
	}()
	err = firstSignature(ctx, dir)
	s.took, s.cpu, s.signed = time.Since(begin), cpu(cmd.Process.Pid), resident(cmd.Process.Pid)
	if err == nil && !<-ready {
		err = errors.New("the sandbox ended before its example")
	}
	s.example = resident(cmd.Process.Pid)
	cancel()
	for range ready {
	}
	_ = cmd.Wait() // it was interrupted
	return s, err
}

// firstSignature waits for the files of the sandbox, then asks for a signature.
func firstSignature(ctx context.Context, dir string) error {
	box, err := client.LoadSandbox(dir)
	for ; err != nil; box, err = client.LoadSandbox(dir) {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		}
	}
	c, err := client.New(box.Config)
	if err != nil {
		return err
	}
	defer c.Close()
	resp, err := c.Sign(ctx, client.SignRequest{
		MSISDN: firstUser, Text: sandbox.DTBDPrefix + "Log in to example.com?", Lang: "en", Profile: signum.ProfileSTK,
	})
	if err != nil {
		return err
	}
	_, err = client.Verify(resp.Signature, box.UserRoots)
	return err
}
