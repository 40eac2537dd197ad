//go:build linux

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// What phones showed twice, and what they did not get, is found; not if they were switched
// off meanwhile.
func TestSeen(t *testing.T) {
	at := func(s int) time.Time { return time.Unix(int64(1_800_000_000+s), 0).UTC() }
	line := func(s int, rest string) string { return `{"time":"` + at(s).Format(time.RFC3339) + `",` + rest + "}\n" }
	shown := func(s int, id string) string {
		return line(s, `"kind":"shown","msisdn":"+41790000001","op":"sign","trans_id":"`+id+`"`)
	}
	text := func(s int, text string) string {
		return line(s, `"kind":"text","msisdn":"+41790000001","text":"`+text+`"`)
	}
	once := []password{{"code 1", at(10), at(11), true}}
	for _, tt := range []struct {
		name  string
		lines string
		off   []time.Time
		wrong int
		twice int
	}{
		{"once", shown(1, "A") + shown(2, "B") + text(10, "code 1"), nil, 0, 0},
		{"a request twice", shown(1, "A") + shown(3, "A") + text(10, "code 1"), nil, 1, 0},
		{"after the phones were off", shown(1, "A") + shown(3, "A") + text(10, "code 1"), []time.Time{at(2)}, 0, 0},
		{"off before", shown(2, "A") + shown(3, "A") + text(10, "code 1"), []time.Time{at(1)}, 1, 0},
		{"a password twice", text(10, "code 1") + text(11, "code 1"), nil, 0, 1},
		{"three times", text(10, "code 1") + text(11, "code 1") + text(12, "code 1"), nil, 1, 1},
		{"not at all", text(10, "code 2"), nil, 1, 0},
		{"not at all, with the phones off", text(10, "code 2"), []time.Time{at(12)}, 0, 0},
		{"a line that was cut short", text(10, "code 1") + `{"time":"2027`, nil, 0, 0},
	} {
		path := filepath.Join(t.TempDir(), "phones.jsonl")
		if err := os.WriteFile(path, []byte(tt.lines), 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := readSeen(path)
		if err != nil {
			t.Fatal(err)
		}
		var f findings
		f.shownTwice(s, tt.off)
		f.passwords(once, s, tt.off)
		if len(f.wrong) != tt.wrong || f.otpTwice != tt.twice || f.otps != 1 {
			t.Errorf("%s: %q, %d twice", tt.name, f.wrong, f.otpTwice)
		}
	}
	var f findings
	f.passwords(nil, &seen{}, nil)
	if len(f.wrong) != 1 {
		t.Error("a run without passwords is right")
	}
}
