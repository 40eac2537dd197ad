package smpp

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

var errTime = errors.New("smpp: not a time of SMPP")

// maxRelative is the longest duration that RelativeTime encodes.
const maxRelative = 63 * 7 * 24 * time.Hour

// RelativeTime formats a duration as "YYMMDDhhmmss000R" (SMPP 3.4, 7.1.1), rounded
// up to a second. The least is one second, the most 63 weeks, which is also the
// most that TP-VP can hold. Above 30 days, it counts months of 30 days and years
// of 365.
func RelativeTime(d time.Duration) string {
	s := int64((min(max(d, time.Second), maxRelative) + time.Second - 1) / time.Second)
	days, s := s/86400, s%86400
	var years, months int64
	if days > 30 {
		years, days = days/365, days%365
		months, days = days/30, days%30
	}
	return fmt.Sprintf("%02d%02d%02d%02d%02d%02d000R", years, months, days, s/3600, s/60%60, s%60)
}

// AbsoluteTime formats a time as "YYMMDDhhmmsst00+" (7.1.1), in UTC.
func AbsoluteTime(t time.Time) string {
	t = t.UTC()
	return fmt.Sprintf("%s%d00+", t.Format("060102150405"), t.Nanosecond()/100_000_000)
}

// ParseTime reads both forms; a relative time counts from now.
func ParseTime(s string, now time.Time) (time.Time, error) {
	if len(s) != lenTime-1 {
		return time.Time{}, errTime
	}
	var f [8]int // YY MM DD hh mm ss t nn
	for i, w := 0, 0; i < len(f); i, w = i+1, w+2 {
		from, to := w, w+2
		switch i {
		case 6:
			to = 13
		case 7:
			from, to = 13, 15
		}
		v, err := strconv.ParseUint(s[from:to], 10, 8)
		if err != nil {
			return time.Time{}, errTime
		}
		f[i] = int(v)
	}
	switch s[15] {
	case 'R':
		at := now.AddDate(f[0], f[1], f[2])
		return at.Add(time.Duration(f[3])*time.Hour + time.Duration(f[4])*time.Minute + time.Duration(f[5])*time.Second), nil
	case '+', '-':
	default:
		return time.Time{}, errTime
	}
	if f[1] < 1 || f[1] > 12 || f[2] < 1 || f[2] > 31 || f[3] > 23 || f[4] > 59 || f[5] > 59 || f[7] > 48 {
		return time.Time{}, errTime
	}
	zone := time.Duration(f[7]) * 15 * time.Minute // of local time, ahead of UTC if '+'
	if s[15] == '+' {
		zone = -zone
	}
	at := time.Date(2000+f[0], time.Month(f[1]), f[2], f[3], f[4], f[5], f[6]*100_000_000, time.UTC)
	return at.Add(zone), nil
}
