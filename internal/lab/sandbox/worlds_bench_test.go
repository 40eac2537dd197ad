package sandbox

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum/client"
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

// BenchmarkWorlds starts the program, makes 1,000 worlds, lets 10 users of each sign, and says what
// that takes. Beside it stands the same with one world for all: 10,000 users of the directory.
func BenchmarkWorlds(b *testing.B) {
	const many, users = 1000, 10
	program := filepath.Join(b.TempDir(), "signum")
	if out, err := exec.CommandContext(b.Context(), "go", "build", "-o", program, "../../../cmd/signum").CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, out)
	}
	for _, method := range []string{"SIM", "App"} {
		user := fmt.Sprintf(`{"msisdn":"+4179*","methods":[%q]}`, method)
		b.Run(method+"/world each", func(b *testing.B) {
			for b.Loop() {
				p := startProgram(b, program)
				all := make([]string, many)
				start := time.Now()
				var g errgroup.Group
				g.SetLimit(4)
				for i := range all {
					g.Go(func() (err error) { all[i], err = p.newWorld(`{"users":[` + user + `]}`); return err })
				}
				if err := g.Wait(); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(time.Since(start).Microseconds())/many/1000, "ms/world")
				b.ReportMetric((p.resident()-p.started)*1024/many, "KiB/world")
				p.sign(many, users, func(i int) (string, string) { return all[i/users], fmt.Sprintf("+4179%07d", i%users) })
			}
		})
		if method == "App" {
			continue // 10,000 Apps of the directory keep their inboxes open, which is another matter
		}
		b.Run(method+"/one world", func(b *testing.B) {
			for b.Loop() {
				p := startProgram(b, program)
				if _, err := p.control(http.MethodPut, "/sandbox/v1/users/+4179*", user); err != nil {
					b.Fatal(err)
				}
				p.sign(many, users, func(i int) (string, string) { return APID, fmt.Sprintf("+4179%07d", i) })
			}
		})
	}
}

// program is a sandbox in a process of its own.
type program struct {
	b       *testing.B
	sandbox *client.Sandbox
	http    *http.Client
	pid     int
	started float64 // MiB
}

func startProgram(b *testing.B, name string) *program {
	b.Helper()
	dir := b.TempDir()
	cmd := exec.Command(name, "sandbox", "--dir", dir, "--addr", "127.0.0.1:0", "--log", "error")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "ready ") {
	}
	go io.Copy(io.Discard, out) //nolint:errcheck // until the process ends
	p := &program{b: b, pid: cmd.Process.Pid}
	if p.sandbox, err = client.LoadSandbox(dir); err != nil {
		b.Fatal(err)
	}
	p.http = &http.Client{Transport: &http.Transport{TLSClientConfig: p.sandbox.Config.TLS.Clone()}}
	p.started = p.resident()
	return p
}

// control calls a control address.
func (p *program) control(method, path, body string) ([]byte, error) {
	r, err := http.NewRequestWithContext(p.b.Context(), method, p.sandbox.BaseURL+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return nil, err
	}
	resp, err := p.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s: %s", resp.Status, data)
	}
	return data, err
}

// newWorld returns the AP_ID of a new world.
func (p *program) newWorld(body string) (string, error) {
	data, err := p.control(http.MethodPost, "/sandbox/v1/worlds", body)
	var w struct {
		APID string `json:"ap_id"`
	}
	if err == nil {
		err = json.Unmarshal(data, &w)
	}
	return w.APID, err
}

// sign asks the users of many parties for their first signature. Users of one party share a
// connection.
func (p *program) sign(many, users int, who func(i int) (apID, msisdn string)) {
	p.b.Helper()
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(8)
	for from := 0; from < many*users; from += users {
		g.Go(func() error {
			cfg := p.sandbox.Config
			cfg.APID, _ = who(from)
			c, err := client.New(cfg)
			if err != nil {
				return err
			}
			defer c.Close()
			var signing errgroup.Group
			for i := from; i < from+users; i++ {
				signing.Go(func() error {
					_, msisdn := who(i)
					_, err := c.Sign(p.b.Context(), client.SignRequest{MSISDN: msisdn, Text: "Sandbox: Hello", Lang: "en"})
					return err
				})
			}
			return signing.Wait()
		})
	}
	if err := g.Wait(); err != nil {
		p.b.Fatal(err)
	}
	p.b.ReportMetric(float64(many*users)/time.Since(start).Seconds(), "first-signatures/s")
	p.b.ReportMetric(p.resident(), "MiB")
}

// resident is the memory of the process in MiB.
func (p *program) resident() float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
	if err != nil {
		p.b.Skip("only Linux tells the memory of a process")
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		p.b.Fatal(err)
	}
	return float64(kib) / 1024
}
