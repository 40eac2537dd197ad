package signum

import (
	"regexp"
	"strings"
	"time"
)

// FormatInstant writes t as an xs:dateTime in the form of the answers: UTC with
// milliseconds.
func FormatInstant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// dateTime is the lexical form of an xs:dateTime (XML Schema 1.0, part 2, clause
// 3.2.7) with a time zone and a year of four digits. The groups are date, time of
// day, fraction and zone.
var dateTime = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?(Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)$`)

// ParseInstant reads an xs:dateTime. It must have a time zone, because without one
// it does not name an instant. The hour 24 is midnight at the end of the day; there
// are no leap seconds. What is finer than a nanosecond is cut off.
func ParseInstant(s string) (time.Time, bool) {
	part := dateTime.FindStringSubmatch(s)
	if part == nil || part[1][:4] == "0000" {
		return time.Time{}, false
	}
	date, clock, fraction, zone := part[1], part[2], part[3], part[4]
	days := 0
	if clock == "24:00:00" && strings.Trim(fraction, ".0") == "" {
		days, clock = 1, "00:00:00"
	}
	at, err := time.Parse(time.RFC3339Nano, date+"T"+clock+fraction+zone)
	if err != nil {
		return time.Time{}, false
	}
	return at.AddDate(0, 0, days), true
}
