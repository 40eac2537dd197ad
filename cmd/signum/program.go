//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"unicode/utf8"
)

// program returns how a shell runs this program, for commands that it prints: the word with
// which it was started, or with go run, which starts a file that it removes afterwards, the
// go command.
func program(started string, built *debug.BuildInfo) string {
	if !strings.Contains(filepath.ToSlash(filepath.Dir(started)), "/go-build") {
		return quote(started)
	}
	if built != nil && strings.HasPrefix(built.Main.Version, "v") && !strings.Contains(built.Main.Version, "+dirty") {
		return "go run " + built.Path + "@" + built.Main.Version
	}
	return "go run ./cmd/signum"
}

// selfProgram is program for this process.
func selfProgram() string {
	built, _ := debug.ReadBuildInfo()
	return program(os.Args[0], built)
}

// fold breaks a command where its arguments begin if it is wider than a terminal.
func fold(command, arguments string) string {
	const indent = "  "
	if utf8.RuneCountInString(indent+command+" "+arguments) <= columns {
		return indent + command + " " + arguments
	}
	return indent + command + " \\\n" + indent + indent + arguments
}
