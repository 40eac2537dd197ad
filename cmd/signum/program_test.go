//go:build !nolab

package main

import (
	"runtime/debug"
	"testing"
)

func TestProgram(t *testing.T) {
	t.Parallel()
	local := &debug.BuildInfo{Path: "github.com/signum-mssp/signum/cmd/signum", Main: debug.Module{Version: "(devel)"}}
	release := &debug.BuildInfo{Path: local.Path, Main: debug.Module{Version: "v1.2.0"}}
	for _, tt := range []struct {
		started string
		built   *debug.BuildInfo
		want    string
	}{
		{"signum", release, "signum"},
		{"bin/signum", local, "bin/signum"},
		{"/opt/my tools/signum", release, "'/opt/my tools/signum'"},
		{"/tmp/go-build123/b001/exe/signum", local, "go run ./cmd/signum"},
		{"/tmp/go-build123/b001/exe/signum", nil, "go run ./cmd/signum"},
		{"/root/.cache/go-build/ab/abcd-d/signum", release, "go run github.com/signum-mssp/signum/cmd/signum@v1.2.0"},
	} {
		if got := program(tt.started, tt.built); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.started, got, tt.want)
		}
	}
}

func TestFold(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ command, want string }{
		{"signum sign", "  signum sign +41791000001"},
		{"go run ./cmd/signum sign --sandbox /tmp/a/directory/with/a/long/name/x", "  go run ./cmd/signum sign --sandbox /tmp/a/directory/with/a/long/name/x \\\n    +41791000001"},
	} {
		if got := fold(tt.command, "+41791000001"); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
