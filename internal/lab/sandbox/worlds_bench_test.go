package sandbox

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/worlds"
)

// BenchmarkNewWorld is what a test waits for before it begins.
func BenchmarkNewWorld(b *testing.B) {
	box := openBench(b)
	for b.Loop() {
		w, err := box.worlds.Load().Create(b.Context(), worlds.Options{})
		if err == nil {
			err = box.worlds.Load().Drop(w.Name)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkWorlds makes 1,000 worlds, lets 10 users of each sign, and says what that takes.
// Beside it stands the same with one world for all: 10,000 users of the directory.
func BenchmarkWorlds(b *testing.B) {
	const many, users = 1000, 10
	for _, methods := range [][]signum.Method{{signum.SIM}, {signum.App}} {
		b.Run(fmt.Sprintf("%s/world each", methods[0]), func(b *testing.B) {
			for b.Loop() {
				box := openBench(b)
				before := resident(b)
				_, sb := clientOfBench(b, box)
				all := make([]*worlds.World, many)
				start := time.Now()
				for i := range all {
					w, err := box.worlds.Load().Create(b.Context(), worlds.Options{
						Name: fmt.Sprintf("w%d", i), Users: []scenario.User{{MSISDN: "+4179*", Methods: methods}},
					})
					if err != nil {
						b.Fatal(err)
					}
					all[i] = w
				}
				b.ReportMetric(float64(time.Since(start).Microseconds())/many/1000, "ms/world")
				b.ReportMetric((resident(b)-before)*1024/many, "KiB/world")
				signs(b, sb, many*users, users, func(i int) (string, string) {
					return all[i/users].APID, fmt.Sprintf("+4179%07d", i%users)
				})
				b.ReportMetric(resident(b)-before, "MiB")
				start = time.Now()
				for _, w := range all {
					if err := box.worlds.Load().Drop(w.Name); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(time.Since(start).Microseconds())/many/1000, "ms/drop")
				b.ReportMetric(resident(b)-before, "MiB-after")
			}
		})
		b.Run(fmt.Sprintf("%s/one world", methods[0]), func(b *testing.B) {
			for b.Loop() {
				box := openBench(b)
				before := resident(b)
				_, sb := clientOfBench(b, box)
				if _, err := box.PutUser(b.Context(), scenario.User{MSISDN: "+4179*", Methods: methods}); err != nil {
					b.Fatal(err)
				}
				signs(b, sb, many*users, users, func(i int) (string, string) { return APID, fmt.Sprintf("+4179%07d", i) })
				b.ReportMetric(resident(b)-before, "MiB")
			}
		})
	}
}

// signs asks n users for their first signature, several at a time. Users of one party follow each
// other, and share a connection.
func signs(b *testing.B, sb *client.Sandbox, n, each int, who func(i int) (apID, msisdn string)) {
	b.Helper()
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(8)
	for from := 0; from < n; from += each {
		g.Go(func() error {
			cfg := sb.Config
			cfg.APID, _ = who(from)
			c, err := client.New(cfg)
			if err != nil {
				return err
			}
			defer c.Close()
			var signing errgroup.Group
			for i := from; i < from+each; i++ {
				signing.Go(func() error {
					_, msisdn := who(i)
					_, err := c.Sign(b.Context(), client.SignRequest{MSISDN: msisdn, Text: "Sandbox: Hello", Lang: "en"})
					return err
				})
			}
			return signing.Wait()
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "first-signatures/s")
}

// resident is the memory of this process in MiB after a collection.
func resident(b *testing.B) float64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("only Linux tells the memory of a process")
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		b.Fatal(err)
	}
	return float64(kib) / 1024
}

func clientOfBench(b *testing.B, box *Sandbox) (*client.Client, *client.Sandbox) {
	b.Helper()
	sb, err := client.LoadSandbox(box.Dir)
	if err != nil {
		b.Fatal(err)
	}
	c, err := client.New(sb.Config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(c.Close)
	return c, sb
}
