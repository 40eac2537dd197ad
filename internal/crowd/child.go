//go:build linux

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// child is the process of the node.
type child struct {
	cmd       *exec.Cmd
	in        io.WriteCloser
	out       *bufio.Scanner
	base, ops string // URLs
}

func startNode(ctx context.Context, p *plan) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, "node", "-dir", p.dir, "-store", p.store, "-users", strconv.Itoa(p.requests), "-approve", strconv.Itoa(p.approve),
		"-after", p.after.String(), "-parties", strconv.Itoa(p.parties), "-most", strconv.Itoa((p.requests+p.parties-1)/p.parties))}
	c.cmd.Stderr = os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := c.cmd.Start(); err != nil {
		return nil, err
	}
	c.out = bufio.NewScanner(out)
	line, err := c.line()
	if err == nil {
		_, err = fmt.Sscan(line, &c.base, &c.ops)
	}
	if err != nil {
		c.kill()
	}
	return c, err
}

func (c *child) line() (string, error) {
	if !c.out.Scan() {
		return "", errors.Join(errors.New("the node ended early"), c.out.Err())
	}
	return c.out.Text(), nil
}

// say sends a command and returns its answer.
func (c *child) say(words string) (string, error) {
	if _, err := fmt.Fprintln(c.in, words); err != nil {
		return "", err
	}
	return c.line()
}

// stop ends the node and waits for it.
func (c *child) stop() error {
	c.in.Close()
	return c.cmd.Wait()
}

// kill ends a node that has not been stopped.
func (c *child) kill() {
	if c.cmd.ProcessState == nil {
		_ = c.cmd.Process.Kill()
		_ = c.cmd.Wait()
	}
}

// usage is what a process has: bytes, and open files.
type usage struct {
	resident, heap, stack int64
	files                 int
}

// settle makes the node collect its garbage first.
func (c *child) settle() (u usage, err error) {
	line, err := c.say(settleWord)
	if err != nil {
		return u, err
	}
	if u, err = c.usage(); err != nil {
		return u, err
	}
	_, err = fmt.Sscan(line, &u.heap, &u.stack)
	return u, err
}

func (c *child) proc(file string) string {
	return filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid), file)
}

func (c *child) usage() (u usage, err error) {
	text, err := os.ReadFile(c.proc("statm"))
	if err != nil {
		return u, err
	}
	pages, err := strconv.ParseInt(strings.Fields(string(text))[1], 10, 64)
	if err != nil {
		return u, err
	}
	files, err := os.ReadDir(c.proc("fd"))
	return usage{resident: pages * int64(os.Getpagesize()), files: len(files)}, err
}

// tick is the unit of times in /proc.
const tick = 10 * time.Millisecond

// cpu returns the time that the process has used; 0 if that is not known.
func (c *child) cpu() time.Duration {
	text, _ := os.ReadFile(c.proc("stat"))
	_, rest, _ := bytes.Cut(text, []byte(") "))
	fields := bytes.Fields(rest)
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(string(fields[11]))
	system, _ := strconv.Atoi(string(fields[12]))
	return time.Duration(user+system) * tick
}

// metric returns the sum of a metric over its labels.
func (c *child) metric(ctx context.Context, name string) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.ops+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	sum := 0.0
	for in := bufio.NewScanner(resp.Body); in.Scan(); {
		rest, ok := strings.CutPrefix(in.Text(), name)
		if _, value, found := strings.Cut(rest, " "); ok && found && (rest[0] == ' ' || rest[0] == '{') {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				return 0, err
			}
			sum += n
		}
	}
	return int(sum), nil
}
