package card_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/lab/card"
)

func openDir(t rapid.TB, path string) *card.Dir {
	t.Helper()
	d, err := card.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func closeDir(t rapid.TB, d *card.Dir) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyDir returns what a process leaves behind that is killed now.
func copyDir(t *testing.T, path string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(path)); err != nil {
		t.Fatal(err)
	}
	return to
}

func names(t *testing.T, path string) (out []string) {
	t.Helper()
	files, err := os.ReadDir(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode() != 0o600 {
			t.Errorf("%s has the mode %v", f.Name(), info.Mode())
		}
		out = append(out, f.Name())
	}
	return out
}

// A directory keeps a card beyond the end of the process, in complete files that only their
// owner can read. The end may be a proper one or a sudden one.
func TestDir(t *testing.T) {
	path := t.TempDir()
	dir := openDir(t, path)
	p := newPhone(t, func(c *card.Config) { c.Store = dir })
	key := p.card.PublicKey()
	p.do = []press{ok, pin("0"), ended}
	p.send(signRequest(1, "a"))
	if got := names(t, path); !reflect.DeepEqual(got, []string{iccid + ".json", "journal"}) {
		t.Errorf("%v", got)
	}
	killed := copyDir(t, path)
	closeDir(t, dir)
	if got := names(t, path); !reflect.DeepEqual(got, []string{iccid + ".json"}) {
		t.Errorf("%v after a proper end", got)
	}
	for _, path := range []string{path, killed} {
		dir := openDir(t, path)
		p.cfg.Store = dir
		p.insert()
		if !reflect.DeepEqual(p.card.PublicKey(), key) || p.card.TriesLeft() != 2 || p.counterKept() != p.counter {
			t.Error("another card")
		}
		closeDir(t, dir)
	}
	if err := openDir(t, t.TempDir()).SaveCard("../x", &card.State{}); err == nil {
		t.Error("a path")
	}
}

// A damaged file is named and stays as it is.
func TestDamagedCard(t *testing.T) {
	path := t.TempDir()
	file := filepath.Join(path, iccid+".json")
	for name, text := range map[string]string{
		"cut": `{"counter":`, "tries": `{"tries_left":4}`, "PIN": `{"pin":"12"}`, "key": `{"key":"AAAA"}`,
		"answers": `{"answers":[` + strings.TrimSuffix(strings.Repeat(`{},`, 17), ",") + `]}`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, sudden := range []bool{false, true} {
			if sudden {
				if err := os.WriteFile(filepath.Join(path, "journal"), nil, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			dir := openDir(t, path)
			_, err := card.New(card.Config{ICCID: iccid, Keys: keys, Store: dir})
			if err == nil || !strings.Contains(err.Error(), iccid) {
				t.Errorf("%s: %v", name, err)
			}
			closeDir(t, dir)
			if now, err := os.ReadFile(file); err != nil || string(now) != text {
				t.Errorf("%s: the file was replaced by %s", name, now)
			}
		}
	}
}

// A damaged journal is named with its line and stays as it is, and so do the cards.
func TestDamagedJournal(t *testing.T) {
	for _, text := range []string{"{}\n{\n{}\n", "{}\nx\n", `{"saves":1}` + "\n" + `{"saves":-1}` + "\n", "{}\n" + `{"forgotten":-1}` + "\n"} {
		path := t.TempDir()
		journal := filepath.Join(path, "journal")
		if err := os.WriteFile(journal, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := card.OpenDir(path); err == nil || !strings.Contains(err.Error(), journal+" is corrupt: line 2") {
			t.Errorf("%q: %v", text, err)
		}
		if now, err := os.ReadFile(journal); err != nil || string(now) != text {
			t.Errorf("%q became %q", text, now)
		}
		if err := os.Truncate(journal, 0); err != nil { // as the error says
			t.Fatal(err)
		}
		closeDir(t, openDir(t, path))
	}
}

// Keys in their PKCS #8 form.
var ecKey, otherKey = newKey(), newKey()

func newKey() []byte {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		panic(err)
	}
	return der
}

// state returns a state after n changes.
func state(n int) *card.State {
	s := &card.State{Counter: uint64(n), Replies: uint64(16 * n), PIN: "1234", TriesLeft: n % 4, Key: ecKey}
	for i := max(0, n-16); i < n; i++ {
		s.Answers = append(s.Answers, card.Answer{Op: applet.Sign, ID: id(i), Reply: []byte{byte(i)}})
	}
	return s
}

// A process may be killed while it writes, and a power cut may leave zeros: what
// SaveCard has done is there, and the rest is not.
func TestTornJournal(t *testing.T) {
	path := t.TempDir()
	dir := openDir(t, path)
	var sizes []int
	for n := range 20 {
		if err := dir.SaveCard(iccid, state(n)); err != nil {
			t.Fatal(err)
		}
		sizes = append(sizes, len(readFile(t, path, "journal")))
	}
	text := readFile(t, path, "journal")
	for cut := sizes[len(sizes)-3]; cut <= len(text); cut += 7 {
		want := 0
		for want+1 < len(sizes) && sizes[want+1] <= cut {
			want++
		}
		for _, tail := range []string{"", "\x00\x00\x00"} {
			killed := copyDir(t, path)
			if err := os.WriteFile(filepath.Join(killed, "journal"), append(text[:cut:cut], tail...), 0o600); err != nil {
				t.Fatal(err)
			}
			checkState(t, openDir(t, killed), iccid, state(want), true)
		}
	}
}

// text does not tell empty from nil.
func text(t rapid.TB, s *card.State) string {
	t.Helper()
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func readFile(t rapid.TB, dir, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checkState(t rapid.TB, d *card.Dir, iccid string, want *card.State, sudden bool) {
	t.Helper()
	expected := *want
	if sudden {
		expected.Replies += card.Skipped
	}
	got, err := d.LoadCard(iccid)
	if err != nil {
		t.Fatal(err)
	}
	if a, b := text(t, got), text(t, &expected); a != b {
		t.Fatalf("%s, want %s", a, b)
	}
}

// A full disk costs the change that does not fit, and nothing else.
func TestFullDisk(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		path := t.TempDir()
		dir := openDir(t, path)
		save := func(n int) error { return dir.SaveCard(iccid, state(n)) }
		for n := range 3 {
			if err := save(n); err != nil {
				t.Fatal(err)
			}
		}
		empty := dir.FillDisk(10, stuck)
		if err := save(3); err == nil || !strings.Contains(err.Error(), iccid+": no space left") {
			t.Error(err)
		}
		checkState(t, dir, iccid, state(2), false)
		empty()
		if err := save(3); (err != nil) != stuck {
			t.Errorf("stuck %t: %v", stuck, err)
		}
		want := 3
		if stuck {
			want = 2
		}
		checkState(t, openDir(t, copyDir(t, path)), iccid, state(want), true)
		closeDir(t, dir)
		checkState(t, openDir(t, path), iccid, state(want), false)
	}
}

// Files of versions without a journal are read, and such a version can read the files
// after a proper end.
func TestOldDir(t *testing.T) {
	path := t.TempDir()
	old := `{"key_set":"AES 2","counter":7,"replies":16,"pin":"4711","tries_left":2,"key":null,` +
		`"answers":[{"op":1,"id":[1,2,3,4,5,6,7,8],"reply":"AA=="}]}`
	if err := os.WriteFile(filepath.Join(path, iccid+".json"), []byte(old), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := openDir(t, path)
	s, err := dir.LoadCard(iccid)
	if err != nil || s.KeySet != "AES 2" || s.Counter != 7 || s.Replies != 16 || s.PIN != "4711" || s.TriesLeft != 2 || len(s.Answers) != 1 {
		t.Fatalf("%+v, %v", *s, err)
	}
	s.Counter++
	if err := dir.SaveCard(iccid, s); err != nil {
		t.Fatal(err)
	}
	closeDir(t, dir)
	if now := string(readFile(t, path, iccid+".json")); !strings.HasPrefix(now, `{"key_set":"AES 2","counter":8,"replies":16,"pin":"4711"`) {
		t.Error(now)
	}
}

// The cards of a directory have the states that were saved last, whenever the process is
// killed: between two changes, or while the journal moves into the files.
func TestDirProperty(t *testing.T) {
	base := t.TempDir()
	runs := 0
	rapid.Check(t, func(t *rapid.T) {
		runs++
		path := filepath.Join(base, fmt.Sprint(runs))
		dir := openDir(t, path)
		dir.LimitJournal(1000)
		want := make(map[string]*card.State)
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			switch rapid.IntRange(0, 19).Draw(t, "step") {
			case 0:
				closeDir(t, dir)
				dir = openDir(t, path)
			case 1: // it is killed: its file stays open, but it writes no more
				dir = openDir(t, path)
				raise(want)
			case 2: // it is killed while the journal moves into the files
				before := snapshot(t, path)
				closeDir(t, dir)
				for name, text := range before {
					if name == "journal" || rapid.Bool().Draw(t, "old "+name) {
						if err := os.WriteFile(filepath.Join(path, name), text, 0o600); err != nil {
							t.Fatal(err)
						}
					}
				}
				dir = openDir(t, path)
				raise(want)
			default:
				iccid := fmt.Sprintf("8941%014d", rapid.IntRange(0, 3).Draw(t, "card"))
				s := changed(t, want[iccid])
				if err := dir.SaveCard(iccid, s); err != nil {
					t.Fatal(err)
				}
				want[iccid] = s
			}
			dir.LimitJournal(1000)
			for iccid, s := range want {
				checkState(t, dir, iccid, s, false)
			}
		}
		closeDir(t, dir)
	})
}

// raise is what a sudden end does to the counters of replies.
func raise(all map[string]*card.State) {
	for iccid, s := range all {
		next := *s
		next.Replies += card.Skipped
		all[iccid] = &next
	}
}

func snapshot(t *rapid.T, path string) map[string][]byte {
	out := make(map[string][]byte)
	err := fs.WalkDir(os.DirFS(path), ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			out[name], err = os.ReadFile(filepath.Join(path, name))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// changed returns a state that differs from the one before in any way.
func changed(t *rapid.T, old *card.State) *card.State {
	s := new(card.State)
	if old != nil {
		*s = *old
	}
	s.Counter = rapid.Uint64Range(0, 1<<40-1).Draw(t, "counter")
	s.Replies += rapid.Uint64Range(0, 16).Draw(t, "replies")
	s.TriesLeft = rapid.IntRange(0, 3).Draw(t, "tries")
	if rapid.IntRange(0, 19).Draw(t, "secrets") == 0 {
		s.KeySet = rapid.SampledFrom([]string{"", "AES 1", "AES 2"}).Draw(t, "key set")
		s.PIN = rapid.SampledFrom([]string{"", "1234", "0000"}).Draw(t, "PIN")
		s.Key = rapid.SampledFrom([][]byte{nil, ecKey, otherKey}).Draw(t, "key")
	}
	s.Answers = append([]card.Answer(nil), s.Answers[rapid.IntRange(0, len(s.Answers)).Draw(t, "forgotten"):]...)
	for range rapid.IntRange(0, 2).Draw(t, "answers") {
		n := rapid.IntRange(0, 3).Draw(t, "id") // some are equal
		s.Answers = append(s.Answers, card.Answer{Op: applet.Sign, ID: id(n), Reply: []byte{byte(n)}})
	}
	if len(s.Answers) > 16 {
		s.Answers = s.Answers[len(s.Answers)-16:]
	}
	return s
}

// FuzzJournal: no journal makes the program panic, and what it accepts is whole lines.
func FuzzJournal(f *testing.F) {
	dir := f.TempDir()
	d := openDir(f, dir)
	for n := range 3 {
		if err := d.SaveCard(iccid, state(n)); err != nil {
			f.Fatal(err)
		}
	}
	f.Add(readFile(f, dir, "journal"))
	f.Add([]byte("{}\n{\x00\x00"))
	f.Fuzz(func(t *testing.T, text []byte) {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "journal"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(path, iccid+".json")
		if err := os.WriteFile(file, []byte(`{"tries_left":3,"saves":1}`), 0o600); err != nil {
			t.Fatal(err)
		}
		d, err := card.OpenDir(path)
		if (err == nil) != (card.ParseJournal(text) == nil) {
			t.Fatal(err)
		}
		if err != nil {
			return
		}
		if s, err := d.LoadCard(iccid); err != nil || s.Replies < card.Skipped {
			t.Errorf("%+v, %v", *s, err)
		}
		closeDir(t, d)
	})
}
