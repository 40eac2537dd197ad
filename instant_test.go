package signum_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum"
)

func TestParseInstant(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for sent, want := range map[string]time.Time{
		"2026-03-01T12:00:00Z":                                   noon,
		"2026-03-01T12:00:00.0Z":                                 noon,
		"2026-03-01T12:00:00.5Z":                                 noon.Add(500 * time.Millisecond),
		"2026-03-01T12:00:00.123456789Z":                         noon.Add(123456789),
		"2026-03-01T12:00:00.1234567899999Z":                     noon.Add(123456789),
		"2026-03-01T12:00:00+00:00":                              noon,
		"2026-03-01T12:00:00-00:00":                              noon,
		"2026-03-01T14:00:00.000+02:00":                          noon,
		"2026-03-02T02:00:00+14:00":                              noon,
		"2026-02-28T22:00:00-14:00":                              noon,
		"2026-03-02T01:59:00+13:59":                              noon,
		"2026-02-28T24:00:00Z":                                   noon.Add(-12 * time.Hour),
		"2026-02-28T24:00:00.000Z":                               noon.Add(-12 * time.Hour),
		"2026-03-01T24:00:00+12:00":                              noon,
		"2025-12-31T24:00:00Z":                                   time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		"2024-02-29T24:00:00Z":                                   time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC),
		"0001-01-01T00:00:00Z":                                   {},
		"9999-12-31T24:00:00-14:00":                              time.Date(10000, 1, 1, 14, 0, 0, 0, time.UTC),
		"2000-02-29T00:00:00." + strings.Repeat("0", 1000) + "Z": time.Date(2000, 2, 29, 0, 0, 0, 0, time.UTC),
	} {
		if got, ok := signum.ParseInstant(sent); !ok || !got.Equal(want) {
			t.Errorf("%s: %s %v, want %s", sent, got, ok, want)
		}
	}
	for _, sent := range []string{
		"", "now", "2026-03-01", "12:00:00Z",
		"2026-03-01T12:00:00",       // no zone
		"2026-03-01T12:00:00,5Z",    // comma
		"2026-03-01T12:00:00.Z",     // no digits after the point
		"2026-03-01T9:00:00Z",       // one digit
		"2026-3-1T12:00:00Z",        //
		"2026-03-01T12:0:00Z",       //
		"2026-03-01T12:00Z",         // no seconds
		"2026-03-01T12:00:00+14:01", // beyond 14:00
		"2026-03-01T12:00:00-15:00", //
		"2026-03-01T12:00:00+23:59", //
		"2026-03-01T12:00:00+02:60", //
		"2026-03-01T12:00:00+2:00",  //
		"2026-03-01T12:00:00+0200",  //
		"2026-03-01T12:00:00+02",    //
		"2026-03-01T12:00:00 Z",     //
		"2026-03-01T12:00:00ZZ",     //
		"2026-03-01T24:00:01Z",      // past the end of the day
		"2026-03-01T24:00:00.001Z",  //
		"2026-03-01T24:01:00Z",      //
		"2026-03-01T25:00:00Z",      //
		"2026-03-01T23:59:60Z",      // leap second
		"2016-12-31T23:59:60Z",      //
		"2026-03-01T12:60:00Z",      //
		"2026-02-29T12:00:00Z",      // no leap year
		"1900-02-29T24:00:00Z",      //
		"2026-04-31T12:00:00Z",      //
		"2026-13-01T12:00:00Z",      //
		"2026-00-01T12:00:00Z",      //
		"2026-03-00T24:00:00Z",      //
		"0000-03-01T12:00:00Z",      // there is no year 0
		"-2026-03-01T12:00:00Z",     // years of other lengths and signs are never now
		"12026-03-01T12:00:00Z",     //
		"2026-03-01t12:00:00Z",      // case counts
		"2026-03-01T12:00:00z",      //
		"2026-03-01 12:00:00Z",      //
		" 2026-03-01T12:00:00Z",     //
		"2026-03-01T12:00:00Z\n",    //
		"٢026-03-01T12:00:00Z",      // ASCII digits only
	} {
		if got, ok := signum.ParseInstant(sent); ok {
			t.Errorf("%q was read as %s", sent, got)
		}
	}
}

// TestInstantIsRead: what FormatInstant and time.RFC3339Nano write is read, in any time
// zone that there is.
func TestInstantIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := time.Unix(rapid.Int64Range(-62135596800+86400, 253402300799-86400).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds"))
		minutes := rapid.IntRange(-14*60, 14*60).Draw(t, "offset")
		local := at.In(time.FixedZone("", minutes*60))
		if got, ok := signum.ParseInstant(local.Format(time.RFC3339Nano)); !ok || !got.Equal(at) {
			t.Fatalf("%s: %s %v", local.Format(time.RFC3339Nano), got, ok)
		}
		written := signum.FormatInstant(at)
		if got, ok := signum.ParseInstant(written); !ok || !got.Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("%s: %s %v", written, got, ok)
		}
	})
}

// FuzzParseInstant: everything that is read has the form of an xs:dateTime, and is
// written again as the same instant, to the millisecond.
func FuzzParseInstant(f *testing.F) {
	for _, seed := range []string{"2026-03-01T24:00:00Z", "2026-03-01T12:00:00,5Z", "2026-03-01T12:00:00.123+14:00", "2026-03-01T9:00:00Z"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		at, ok := signum.ParseInstant(s)
		if !ok {
			return
		}
		var year, month, day, hour, minute, second int
		if n, err := fmt.Sscanf(s[:19], "%04d-%02d-%02dT%02d:%02d:%02d", &year, &month, &day, &hour, &minute, &second); n != 6 || err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		if hour > 24 || minute > 59 || second > 59 || hour == 24 && minute+second > 0 || strings.ContainsAny(s, ", tz") {
			t.Fatalf("%q was read as %s", s, at)
		}
		if at.UTC().Year() < 1 || at.UTC().Year() > 9999 {
			return // cannot be written in four digits
		}
		if again, ok := signum.ParseInstant(signum.FormatInstant(at)); !ok || !again.Equal(at.Truncate(time.Millisecond)) {
			t.Fatalf("%q: %s, then %s %v", s, at, again, ok)
		}
	})
}
