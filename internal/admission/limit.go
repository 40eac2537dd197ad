package admission

import (
	"bytes"
	"math"
	"os"
	"path"
	"runtime/debug"
	"strconv"
	"strings"
)

// share is which part of the memory that the process may have can be in use. With GOGC=100
// the heap grows to twice of what is in use before it is collected.
const share = 0.45

// Limit returns how much memory may be in use: a share of what the configuration, GOMEMLIMIT
// or the control group of the process allow, whichever is the least; 0 if nothing limits
// it. The configuration's may be 0.
func Limit(configured int64) int64 {
	least := int64(math.MaxInt64)
	for _, n := range []int64{configured, debug.SetMemoryLimit(-1), groupLimit(os.ReadFile)} {
		if n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return 0
	}
	return int64(float64(least) * share)
}

// groupLimit returns the limit of the process's control group (version 2) or of one above
// it; 0 if there is none.
func groupLimit(read func(string) ([]byte, error)) (least int64) {
	groups, err := read("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(groups) {
		dir, ok := strings.CutPrefix(strings.TrimSpace(string(line)), "0::")
		for ; ok && strings.HasPrefix(dir, "/"); dir = path.Dir(dir) {
			b, err := read(path.Join("/sys/fs/cgroup", dir, "memory.max"))
			n, perr := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
			if err == nil && perr == nil && n > 0 && (least == 0 || n < least) {
				least = n
			}
			if dir == "/" {
				break
			}
		}
	}
	return least
}
