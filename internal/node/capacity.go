package node

import (
	"cmp"
	"fmt"

	"github.com/signum-mssp/signum/internal/config"
)

// share is the part of the connections that a listener gets if its own maximum is not
// configured: percent of what is left, up to a maximum of what is of any use.
type share struct {
	name          string
	percent, most int
}

var shares = []share{{"mss", 45, 40_000}, {"web", 45, 60_000}, {"pki", 8, 10_000}, {"ops", 2, 200}}

// fewest is the least that a listener without a maximum of its own can do with.
const fewest = 8

// capacity returns how many connections each listener may have, so that together they
// leave the reserved files free. files is how many the process may open; 0: nobody
// knows. The listeners have separate parts: one that is full takes nothing from the
// others.
func capacity(c config.Config, files int) (map[string]int, error) {
	own := map[string]int{
		"mss": c.Listen.MSS.Connections.Max, "web": c.Listen.Web.Connections.Max, "pki": c.Listen.PKI.Connections.Max, "ops": c.Listen.Ops.Connections.Max,
	}
	needed := c.Limits.ReservedFiles
	for _, most := range own {
		needed += cmp.Or(most, fewest)
	}
	if files > 0 && files < needed {
		return nil, &config.Problem{Path: "limits.reserved_files", Text: fmt.Sprintf(
			"this process may open %d files, but needs %d: %d for itself, the rest for connections (listen.*.connections.max); "+
				"raise the limit (ulimit -n, or LimitNOFILE= of systemd) or lower these values", files, needed, c.Limits.ReservedFiles)}
	}
	left := files - needed
	room := make(map[string]int)
	for _, s := range shares {
		switch {
		case own[s.name] > 0:
			room[s.name] = own[s.name]
		case files == 0:
			room[s.name] = s.most
		default:
			room[s.name] = min(fewest+left*s.percent/100, s.most)
		}
	}
	return room, nil
}
