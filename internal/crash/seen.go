//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"
)

// seen is what phones with SIM cards showed, as "signum smsc --events" wrote it. A line that a
// kill cut short is left out.
type seen struct {
	shown map[string][]time.Time // by number, operation and transaction
	texts map[string][]time.Time // by text
}

func readSeen(path string) (*seen, error) {
	s := &seen{shown: make(map[string][]time.Time), texts: make(map[string][]time.Time)}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		var e struct {
			Time    time.Time `json:"time"`
			Kind    string    `json:"kind"`
			MSISDN  string    `json:"msisdn"`
			Op      string    `json:"op"`
			TransID string    `json:"trans_id"`
			Text    string    `json:"text"`
		}
		if json.Unmarshal(in.Bytes(), &e) != nil {
			continue
		}
		switch e.Kind {
		case "shown":
			key := e.MSISDN + " " + e.Op + " " + e.TransID
			s.shown[key] = append(s.shown[key], e.Time)
		case "text":
			s.texts[e.Text] = append(s.texts[e.Text], e.Time)
		}
	}
	return s, in.Err()
}

// shownTwice finds requests that a phone showed again, although it was not switched off
// in between: a card recognises a transaction.
func (f *findings) shownTwice(s *seen, off []time.Time) {
	f.shown = len(s.shown)
	for key, times := range s.shown {
		for i := 1; i < len(times); i++ {
			if !between(off, times[i-1], times[i]) {
				f.fault("a phone showed %s %d times", key, len(times))
				break
			}
		}
	}
}

// password is a one-time password that was asked for.
type password struct {
	text     string
	began    time.Time
	ended    time.Time
	accepted bool // by an answer
}

// passwords judges the texts: what was accepted was sent. A text comes twice only if a node died
// between the acceptance by the network and the commit, which kills are rarely in time for.
func (f *findings) passwords(all []password, s *seen, off []time.Time) {
	for _, p := range all {
		if p.accepted {
			f.otps++
		}
		n := len(s.texts[p.text])
		switch {
		case n > 1:
			f.otpTwice++
		case n == 0 && p.accepted && !between(off, p.began, p.ended.Add(textPatience)):
			f.fault("the one-time password %q was accepted and not sent", p.text)
		}
		if n > 2 {
			f.fault("the one-time password %q was sent %d times", p.text, n)
		}
	}
	if f.otps == 0 {
		f.fault("no one-time password was accepted")
	}
}

// textPatience is how long the network may take to deliver a text.
const textPatience = 10 * time.Second

// between reports whether any of the times is in an interval.
func between(times []time.Time, from, to time.Time) bool {
	for _, t := range times {
		if !t.Before(from) && !t.After(to) {
			return true
		}
	}
	return false
}
