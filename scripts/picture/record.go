package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// server is the first command of the story. It runs until the end, and the others begin
// when it has printed that it is ready.
const server = "signum sandbox --dir ./box"

const ready = "ready https://"

// story is what the reader types next, in another terminal. A command may fail.
var story = []string{
	"",
	`# in another terminal`,
	`signum sign --sandbox ./box +41791000001 "Log in to example.com?"`,
	`signum phone set --sandbox ./box +41791000001 cancel`,
	`signum sign --sandbox ./box +41791000001 "Log in to example.com?"`,
}

// record runs the story with a program, in a new directory.
func record(program string) ([]line, error) {
	dir := filepath.Join(os.TempDir(), "demo") // the sandbox prints it
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	program, err := filepath.Abs(program)
	if err != nil {
		return nil, err
	}
	if err := os.Symlink(program, filepath.Join(dir, "signum")); err != nil {
		return nil, err
	}
	lines, stop, err := serve(dir)
	if err != nil {
		return nil, err
	}
	for _, command := range story {
		lines = append(lines, try(dir, command)...)
	}
	return lines, stop()
}

// shell runs a command in which signum is the program.
func shell(dir, command string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", "exec "+command)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return cmd
}

// serve starts the server and returns what it prints until it is ready.
func serve(dir string) (lines []line, stop func() error, err error) {
	cmd := shell(dir, server)
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, nil, err
	}
	stop = func() error { return errors.Join(cmd.Process.Signal(os.Interrupt), cmd.Wait()) }
	lines = []line{{0, prompt + server}}
	for said := bufio.NewScanner(out); said.Scan(); {
		lines = append(lines, line{time.Since(begin), said.Text()})
		if strings.HasPrefix(said.Text(), ready) {
			lines[0].at = time.Since(begin)
			return lines, stop, nil
		}
	}
	return nil, nil, fmt.Errorf("%s: %w\n%s", server, cmd.Wait(), &stderr)
}

// try runs a command, which may fail, and returns what it prints.
func try(dir, command string) []line {
	switch {
	case command == "":
		return []line{{}}
	case strings.HasPrefix(command, "#"):
		return []line{{0, prompt + command}}
	}
	begin := time.Now()
	out, _ := shell(dir, command).CombinedOutput()
	took := time.Since(begin)
	lines := []line{{took, prompt + command}}
	for said := range strings.Lines(string(out)) {
		lines = append(lines, line{took, strings.TrimSuffix(said, "\n")})
	}
	return lines
}
