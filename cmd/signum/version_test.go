package main

import (
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

func TestBuildInfo(t *testing.T) {
	checkout := &debug.BuildInfo{Main: debug.Module{Version: "v0.0.0-2026"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"}}}
	for name, tt := range map[string]struct {
		release buildInfo
		bi      *debug.BuildInfo
		want    buildInfo
	}{
		"nothing is known":    {buildInfo{}, new(debug.BuildInfo), buildInfo{version: "(devel)"}},
		"go install @version": {buildInfo{}, &debug.BuildInfo{Main: debug.Module{Version: "v1.2.0"}}, buildInfo{version: "v1.2.0"}},
		"a checkout":          {buildInfo{}, checkout, buildInfo{"v0.0.0-2026", "abc", "2026-01-02T03:04:05Z", true}},
		"a release":           {buildInfo{version: "v1.2.0", commit: "def", date: "2026-02-02T00:00:00Z"}, checkout, buildInfo{"v1.2.0", "def", "2026-02-02T00:00:00Z", false}},
	} {
		if got := tt.release.complete(tt.bi); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

// TestReleaseFlags: the variables that scripts/release.sh sets exist in the program. The linker would
// ignore an unknown name.
func TestReleaseFlags(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "signum")
	flags := "-X main.releaseVersion=v9.8.7 -X main.releaseCommit=abcdef -X main.releaseDate=2026-01-02T03:04:05Z"
	if err := testkit.GoBuild(".", ".", program, "-tags", "nolab", "-ldflags", flags); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	if want := "signum v9.8.7\ncommit abcdef\ndate   2026-01-02T03:04:05Z\nbuilt  with "; err != nil || !strings.HasPrefix(string(out), want) {
		t.Errorf("%v, %q, want it to begin with %q", err, out, want)
	}
	out, err = exec.CommandContext(t.Context(), program, "--version").CombinedOutput()
	if want := "signum version v9.8.7 (commit abcdef, 2026-01-02)\n"; err != nil || string(out) != want {
		t.Errorf("--version: %v, %q, want %q", err, out, want)
	}
}
