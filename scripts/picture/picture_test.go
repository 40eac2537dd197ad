package main

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

const (
	recorded = "../../docs/img/first-minute.txt"
	drawn    = "../../docs/img/first-minute.svg"
)

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The picture in the documents is that of the recording, and each line fits the screen.
func TestPicture(t *testing.T) {
	lines, err := parse(read(t, recorded))
	if err != nil {
		t.Fatal(err)
	}
	if draw(lines) != read(t, drawn) {
		t.Error("the picture is not that of the recording; run: go run ./scripts/picture draw " + recorded[6:] + " " + drawn[6:])
	}
	for _, l := range lines {
		if n := utf8.RuneCountInString(l.text); n > columns {
			t.Errorf("%d columns: %s", n, l.text)
		}
	}
	if format(lines) != read(t, recorded) {
		t.Error("the recording does not survive being read and written")
	}
}

// Every character of a recording is in the picture, in order, and nothing else is but the
// times of commands.
func TestDraw(t *testing.T) {
	for name, c := range map[string]struct{ recording, want string }{
		"a command and its output": {"1.500\t$ a <b> & c\n0.100\t  two  spaces\n", "$ a <b> & c|1.50 s|  two  spaces"},
		"a comment takes no time":  {"0.000\t$ # elsewhere\n", "$ # elsewhere"},
		"colours":                  {"0.010\t$ a\n0.010\t   12 ms  AP    VERIFIED: \"x\"\n", "$ a|0.01 s|   12 ms  AP    VERIFIED: \"x\""},
		"a line that wraps":        {"0.000\t$ a\n0.000\t" + strings.Repeat("x", 81) + "\n", "$ a|" + strings.Repeat("x", 80) + "|x"},
		"an empty line":            {"0.000\t$ a\n0.000\t\n0.000\tb\n", "$ a|b"},
	} {
		lines, err := parse(c.recording)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := texts(t, draw(lines)); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// The screen only rolls forwards, and no line appears before those above it, even if it was recorded
// earlier: the empty line after the output of a command is of the next recording.
func TestPlayInOrder(t *testing.T) {
	lines, err := parse("1.000\t$ a\n0.900\tlate\n0.000\t\n0.100\t$ b\n")
	if err != nil {
		t.Fatal(err)
	}
	screen, _ := play(lines)
	for i, r := range screen[1:] {
		if r.at < screen[i].at {
			t.Errorf("%q appears at %s, %q above it at %s", r.text, r.at, screen[i].text, screen[i].at)
		}
	}
}

// What is no recording is refused.
func TestParse(t *testing.T) {
	for _, bad := range []string{"", "no time", "x\t$ a\n", "-1\t$ a\n", "0.1\toutput without a command\n"} {
		if lines, err := parse(bad); err == nil {
			t.Errorf("%q is read as %v", bad, lines)
		}
	}
}

// texts returns the text elements of a picture, which must be XML.
func texts(t *testing.T, picture string) string {
	t.Helper()
	var all []string
	inside := false
	for d := xml.NewDecoder(strings.NewReader(picture)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return strings.Join(all, "|")
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			if e.Name.Local == "text" {
				all, inside = append(all, ""), true
			}
		case xml.EndElement:
			inside = inside && e.Name.Local != "text"
		case xml.CharData:
			if inside {
				all[len(all)-1] += string(e)
			}
		}
	}
}
