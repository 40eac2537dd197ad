package daemon

import (
	"os"
	"strings"
	"syscall"
	"testing"
)

// TestLife: a server tells the service manager what it does, in the order of its life, over a socket
// in the file system and over an abstract one.
func TestLife(t *testing.T) {
	t.Parallel()
	for name, socket := range map[string]string{"path": "", "abstract": "@signum-test-" + t.Name() + "-" + strings.TrimPrefix(shortDir(t), "/")} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := writeConfig(t, "")
			p := start(t, file, socket, nil)
			if ready := p.hear(t, "READY=1"); !strings.Contains(ready, "STATUS=Serving") {
				t.Errorf("ready: %q", ready)
			}
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for more, want := range map[string]string{
				"lgo: {level: warn}\n":                 "a reload failed: " + file + ":10: lgo: unknown key, did you mean log?",
				"engine: {sweep: 1s}\n":                "a reload failed: nothing was reloaded, because these keys take effect at a restart only: engine.sweep",
				"limits: {party: {max_open: 7}}\n":     "STATUS=Serving\n",
				"app: {limits: {begin: {burst: 7}}}\n": "STATUS=Serving\n",
			} {
				if err := os.WriteFile(file, append(data[:len(data):len(data)], more...), 0o600); err != nil {
					t.Fatal(err)
				}
				p.signal(t, syscall.SIGHUP)
				if reloading := p.hear(t, "RELOADING=1"); !strings.Contains(reloading, "\nMONOTONIC_USEC=") || strings.Contains(reloading, "USEC=0\n") {
					t.Errorf("%s: reloading: %q", more, reloading)
				}
				if again := p.hear(t, "READY=1"); !strings.Contains(again+"\n", want) {
					t.Errorf("%s: after the reload: %q", more, again)
				}
			}
			for _, tt := range []struct{ more, says string }{
				{"log: {level: debug}\n", "STATUS=Serving"},
				{"service: {name: Other, mssp_uri: http://mss.example.com/}\n", "a reload failed: "}, // a second service
				{"engine: {poll: 7s}\n", "engine.poll"},                                              // takes a restart
				{"", "STATUS=Serving"},
			} {
				if err := os.WriteFile(file, append(data[:len(data):len(data)], tt.more...), 0o600); err != nil {
					t.Fatal(err)
				}
				p.signal(t, syscall.SIGHUP)
				if again := p.hear(t, "READY=1"); !strings.Contains(again, tt.says) {
					t.Errorf("after a reload with %q: %q", tt.more, again)
				}
			}
			p.signal(t, syscall.SIGTERM)
			if stopping := p.hear(t, "STOPPING=1"); !strings.Contains(stopping, "\nEXTEND_TIMEOUT_USEC=") {
				t.Errorf("stopping: %q", stopping)
			}
			if code := p.code(); code != ExitStopped {
				t.Errorf("exit %d\n%s", code, p.stderr)
			}
		})
	}
}
