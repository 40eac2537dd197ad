package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// The release build sets these with -ldflags -X. An ordinary build leaves them
// empty; then the Go command's record of the checkout tells.
var (
	releaseVersion string // such as v1.2.0
	releaseCommit  string // full hash
	releaseDate    string // of the commit, RFC 3339, UTC
)

// buildInfo says from what the program was built. A part that is not known is
// empty, but version never is.
type buildInfo struct {
	version  string
	commit   string
	date     string
	modified bool // the checkout had changes that were not committed
}

func build() buildInfo {
	bi, ok := debug.ReadBuildInfo()
	if !ok {
		bi = new(debug.BuildInfo)
	}
	return buildInfo{version: releaseVersion, commit: releaseCommit, date: releaseDate}.complete(bi)
}

// complete fills in what the release build left empty.
func (b buildInfo) complete(bi *debug.BuildInfo) buildInfo {
	if b.version == "" {
		b.version = bi.Main.Version
	}
	if b.version == "" {
		b.version = "(devel)"
	}
	if b.commit != "" {
		return b
	}
	for _, s := range bi.Settings {
		switch s.Key {
		case "vcs.revision":
			b.commit = s.Value
		case "vcs.time":
			b.date = s.Value
		case "vcs.modified":
			b.modified = s.Value == "true"
		}
	}
	return b
}

func (b buildInfo) String() string {
	var s strings.Builder
	fmt.Fprintf(&s, "signum %s\n", b.version)
	if b.commit != "" {
		fmt.Fprintf(&s, "commit %s", b.commit)
		if b.modified {
			s.WriteString(" with local changes")
		}
		fmt.Fprintf(&s, "\ndate   %s\n", b.date)
	}
	fmt.Fprintf(&s, "built  with %s for %s/%s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return s.String()
}

// line is the answer to --version: the version, with commit and day if they are known.
func (b buildInfo) line() string {
	if b.commit == "" {
		return b.version
	}
	commit, day := b.commit[:min(len(b.commit), 12)], b.date[:min(len(b.date), len(time.DateOnly))]
	if b.modified {
		commit += " with local changes"
	}
	return fmt.Sprintf("%s (commit %s, %s)", b.version, commit, day)
}

func newVersionCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, with the commit and its date",
		Args:  argumentsOfUse,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_, err := fmt.Fprint(cmd.OutOrStdout(), build())
			return err
		},
	}
}
