package node

import (
	"errors"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/config"
)

// TestCapacity: the listeners together leave the reserved files free, or the node says
// what does not fit.
func TestCapacity(t *testing.T) {
	for _, tt := range []struct {
		name     string
		files    int
		mss, web int // configured
		want     map[string]int
		problem  string
	}{
		{"shares", 20_000, 0, 0, map[string]int{"mss": 8 + 8870, "web": 8 + 8870, "pki": 8 + 1576, "ops": 200}, ""},
		{"plenty", 1 << 30, 0, 0, map[string]int{"mss": 40_000, "web": 60_000, "pki": 10_000, "ops": 200}, ""},
		{"nobody knows", 0, 0, 500, map[string]int{"mss": 40_000, "web": 500, "pki": 10_000, "ops": 200}, ""},
		{"own values", 2000, 1000, 500, map[string]int{"mss": 1000, "web": 500, "pki": 8 + 18, "ops": 8 + 4}, ""},
		{"too few", 1024, 1000, 0, nil, "this process may open 1024 files, but needs 1280: 256 for itself"},
	} {
		c := config.Default()
		c.Listen.MSS.Connections.Max, c.Listen.Web.Connections.Max = tt.mss, tt.web
		got, err := capacity(c, tt.files)
		sum := c.Limits.ReservedFiles
		for name, n := range tt.want {
			if got[name] != n {
				t.Errorf("%s: %s may have %d connections, want %d", tt.name, name, got[name], n)
			}
			sum += got[name]
		}
		if tt.files > 0 && tt.want != nil && sum > tt.files {
			t.Errorf("%s: %d files of %d", tt.name, sum, tt.files)
		}
		problem, _ := errors.AsType[*config.Problem](err)
		if (problem != nil) != (tt.problem != "") || problem != nil && !strings.Contains(problem.Error(), tt.problem) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if n := openFiles(); n < 0 {
		t.Errorf("openFiles: %d", n)
	}
}
