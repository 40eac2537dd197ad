package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// prompt begins a line that the reader types.
const prompt = "$ "

// line is one line on the screen.
type line struct {
	at   time.Duration // since its command began; of a command: how long it took
	text string
}

func (l line) command() bool { return strings.HasPrefix(l.text, prompt) }

func format(lines []line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%.3f\t%s\n", l.at.Seconds(), l.text)
	}
	return b.String()
}

func parse(text string) ([]line, error) {
	var lines []line
	for row := range strings.Lines(text) {
		at, said, ok := strings.Cut(strings.TrimSuffix(row, "\n"), "\t")
		seconds, err := strconv.ParseFloat(at, 64)
		if !ok || err != nil || seconds < 0 {
			return nil, fmt.Errorf("line %d is not SECONDS, a tab, and a line of the screen", len(lines)+1)
		}
		lines = append(lines, line{time.Duration(seconds * float64(time.Second)), said})
	}
	if len(lines) == 0 || !lines[0].command() {
		return nil, fmt.Errorf("the recording does not begin with a command")
	}
	return lines, nil
}
