package smsc

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// FaultNames are those that ParseFaults knows.
const FaultNames = "loss, duplicate, reorder, throttle, disconnect, delay, jitter"

// maxFaultDelay is longer than any request waits.
const maxFaultDelay = time.Hour

// ParseFaults parses a list of faults: probabilities from 0 to 1 and times, such as
// "loss=0.1,duplicate=0.05,delay=500ms,jitter=2s". An empty list has none.
func ParseFaults(text string) (f Faults, err error) {
	if text == "" {
		return f, nil
	}
	chances := map[string]*float64{
		"loss": &f.Loss, "duplicate": &f.Duplicate, "reorder": &f.Reorder, "throttle": &f.Throttle, "disconnect": &f.Disconnect,
	}
	times := map[string]*time.Duration{"delay": &f.Delay, "jitter": &f.DelayJitter}
	for part := range strings.SplitSeq(text, ",") {
		name, value, _ := strings.Cut(part, "=")
		switch {
		case chances[name] != nil:
			*chances[name], err = strconv.ParseFloat(value, 64)
			if p := *chances[name]; err != nil || !(p >= 0 && p <= 1) {
				return Faults{}, fmt.Errorf("%s must be a number from 0 to 1, such as %s=0.1", name, name)
			}
		case times[name] != nil:
			*times[name], err = time.ParseDuration(value)
			if d := *times[name]; err != nil || d < 0 || d > maxFaultDelay {
				return Faults{}, fmt.Errorf("%s must be a time of up to %s, such as %s=500ms", name, maxFaultDelay, name)
			}
		default:
			return Faults{}, fmt.Errorf("unknown fault %q; the faults are %s", name, FaultNames)
		}
	}
	return f, nil
}
