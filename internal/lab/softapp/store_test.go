package softapp_test

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/testkit"
)

func TestAppStores(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	opened, err := softapp.OpenDir(filepath.Join(dir, "new"))
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]softapp.Store{"memory": new(softapp.Memory), "directory": opened} {
		t.Run(name, func(t *testing.T) {
			if ids, err := s.Apps(); len(ids) != 0 || err != nil {
				t.Error(ids, err)
			}
			if _, err := s.App("a"); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			for _, id := range []string{"b/..", "a", "A"} { // a file system may ignore case
				r := &softapp.Record{DeviceID: id, Rounds: 1, Salt: []byte{1}}
				for _, r.Name = range []string{"old", "new"} {
					if err := s.PutApp(r); err != nil {
						t.Fatal(err)
					}
				}
				got, err := s.App(id)
				if err != nil || !cmp.Equal(got, r) {
					t.Errorf("%v, %v", got, err)
				}
			}
			if ids, err := s.Apps(); !slices.Equal(ids, []string{"A", "a", "b/.."}) || err != nil {
				t.Error(ids, err)
			}
			for range 2 {
				if err := s.RemoveApp("A"); err != nil {
					t.Error(err)
				}
			}
			if ids, err := s.Apps(); len(ids) != 2 || err != nil {
				t.Error(ids, err)
			}
		})
	}
	files, err := os.ReadDir(filepath.Join(dir, "new"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		if i, err := f.Info(); err != nil || runtime.GOOS != "windows" && i.Mode() != 0o600 {
			t.Error(i.Mode(), err)
		}
	}
	path := filepath.Join(dir, "new", files[0].Name())
	for _, text := range []string{"", "{}", `{"device":"a"`, `{"device":"other"}`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := opened.App("a"); err == nil {
			t.Errorf("%q was read", text)
		}
	}
	// A damaged record does not stop the others.
	var log testkit.Buffer
	apps, err := softapp.New(softapp.Config{Base: "https://x", Store: opened, Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	defer apps.Close()
	if l := apps.List(); len(l) != 0 || !strings.Contains(log.String(), "device=a ") || !strings.Contains(log.String(), "device=b/.. ") {
		t.Errorf("the Apps are %v; log: %s", l, log.String())
	}
}

// A new process has the Apps of the one before, with their keys.
func TestAppRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	store, err := softapp.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	c := plain
	c.Store, c.Passcode = store, func(i softapp.Info) string { return "pass of " + i.Name }
	inBubble(t, c, func(l *appLab) {
		id := l.enrol(softapp.EnrolOptions{Name: "Mine", Passcode: "pass of Mine"})
		wrong := l.enrol(softapp.EnrolOptions{Name: "Other", Passcode: "something else"})
		text, err := os.ReadFile(filepath.Join(dir, "%41pp-1.app"))
		if err != nil || strings.Contains(string(text), "pass of") {
			t.Errorf("%s, %v", text, err)
		}
		l.quit()
		l.service.ask(id, l.service.toSign("h1", "a")) // while the Apps are down
		l.wait(5 * time.Second)
		l.start()
		if l.Connected() != 2 || len(l.List()) != 2 || len(l.service.called("heartbeat")) != 2 {
			t.Fatalf("%d inboxes", l.Connected())
		}
		l.wait(time.Second)
		if got := l.answers(); len(got) != 1 || got[0]["signature"] == nil {
			t.Errorf("%v", got)
		}
		l.service.ask(wrong, l.service.toSign("h2", "a"))
		l.wait(time.Second)
		if got := l.device(wrong).TriesLeft(); got != 2 {
			t.Errorf("%d tries left", got)
		}
		_ = l.Behave(msisdn, person.Behaviour{Do: person.WrongPIN})
		l.service.ask(id, l.service.toSign("h3", "a"))
		l.wait(time.Second)
		l.quit()
		l.start() // blocked, as the service reports
		l.wait(time.Second)
		if got := l.device(id).TriesLeft(); got != 0 {
			t.Errorf("%d tries left", got)
		}
		if err := l.Unenrol(l.t.Context(), id); err != nil {
			t.Fatal(err)
		}
		l.service.set(func() { delete(l.service.apps, wrong) }) // the service has removed it
		if err := l.Unenrol(l.t.Context(), wrong); err != nil {
			t.Fatal(err)
		}
		l.wait(time.Minute)
		if files, err := os.ReadDir(dir); len(files) != 0 || err != nil || l.Connected() != 0 || len(l.List()) != 0 {
			t.Errorf("%v, %v, %d inboxes", files, err, l.Connected())
		}
	})
}

// Printing a record reveals no secret.
func TestAppRecordString(t *testing.T) {
	t.Parallel()
	r := softapp.Record{DeviceID: "d", Secret: []byte("secret"), AuthKey: []byte("secret")}
	if s := fmt.Sprintf("%v %+v %#v %s", r, &r, r, &r); s != "App d App d App d App d" {
		t.Error(s)
	}
}

// An idle App costs one goroutine, and another one of the fake service. The test
// is not parallel, because it counts the goroutines of the process.
func TestManyApps(t *testing.T) {
	const n = 300
	inBubble(t, softapp.Config{FastKDF: true}, func(l *appLab) {
		ids := make([]string, n)
		for i := range ids {
			l.service.set(func() { l.service.codes["c"] = fmt.Sprintf("+4179%07d", i) })
			info, err := l.Enrol(l.t.Context(), "c", softapp.EnrolOptions{})
			if err != nil {
				t.Fatal(err)
			}
			ids[i] = info.DeviceID
		}
		l.wait(time.Minute)
		if l.Connected() != n {
			t.Fatalf("%d inboxes", l.Connected())
		}
		with := runtime.NumGoroutine()
		l.quit()
		synctest.Wait()
		if cost := with - runtime.NumGoroutine(); cost > 2*n+20 { // one of the App, one of the service
			t.Errorf("%d goroutines for %d Apps and the service", cost, n)
		}
		l.start()
		l.wait(time.Second)
		for _, id := range ids {
			l.service.ask(id, l.service.toSign("h"+id, "a"))
		}
		l.wait(10 * time.Second)
		if got := len(l.answers()); got != n || l.Connected() != n {
			t.Errorf("%d answers, %d inboxes", got, l.Connected())
		}
	})
}
