package backup

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
)

var quiet = store.WithLogger(slog.New(slog.DiscardHandler))

// databases are empty, one of each engine.
func databases(t *testing.T) map[string]string {
	return map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "a file?.db"), "postgres": pgtest.URL(t)}
}

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const iccid = "89410000000000000001"

// fill writes rows with values of every type, and a transaction that is outstanding.
func fill(t *testing.T, s *store.Store) {
	t.Helper()
	ctx := t.Context()
	at := time.UnixMicro(1_700_000_000_000_001).UTC()
	must(t, s.PutParty(ctx, &mssp.Party{ID: "mid://ä \"\\\u2028", DTBDPrefix: "<&>: ", DefaultLang: "de", AutoActivation: true}))
	sub := &mssp.Subscriber{MSISDN: "+41790000001", Serial: "MIDCHE0000000001", State: mssp.SubscriberActive,
		Devices: []mssp.Device{{ID: "sim", Method: signum.SIM, State: signum.DeviceRegistered}}}
	must(t, s.EnrolCard(ctx, sub, &mssp.Card{ICCID: iccid, DeviceID: "sim", State: mssp.CardActive, KeySet: 1, Algorithm: mssp.CardAES,
		KIc: []byte{0, 255, 10, 13}, KID: []byte{1}, Counter: 1 << 39, ReplySeen: 1 << 63, Created: at, Changed: at}))
	for i := range 5 {
		tx := storetest.NewTransaction(i)
		must(t, s.InsertTransaction(ctx, tx))
		if i > 0 {
			_, err := storetest.Sign(ctx, s, tx, tx.Created)
			must(t, err)
		}
	}
	must(t, s.InsertReceipt(ctx, &mssp.Receipt{TransID: storetest.NewTransaction(1).ID, Text: "pending"}))
}

// rows are all rows of a database as text, sorted, by table.
func rows(t *testing.T, url string) map[string][]string {
	t.Helper()
	s, err := store.OpenSnapshot(t.Context(), url, quiet)
	must(t, err)
	defer s.Close()
	all := make(map[string][]string)
	for _, table := range s.Tables {
		must(t, s.Rows(t.Context(), table, func(values []any) error {
			line, err := appendRow(nil, values)
			all[table.Name] = append(all[table.Name], string(line))
			return err
		}))
		slices.Sort(all[table.Name])
	}
	return all
}

// TestRestore: a database is restored on either engine, from either, with what a restore
// must change: nothing is outstanding, and the counters of cards are ahead.
func TestRestore(t *testing.T) {
	for from, url := range databases(t) {
		s := open(t, url)
		fill(t, s)
		must(t, s.PutValue(t.Context(), "secret of all nodes", "x", []byte("key"), time.Now().Add(time.Hour)))
		dir := t.TempDir()
		file := filepath.Join(dir, "backup")
		m, err := WriteFile(t.Context(), file, url, "test", nil) // the store is open
		must(t, err)
		must(t, s.Close())
		if m.table("shared_values") != nil {
			t.Errorf("%s: keys that nodes share are in the archive", from)
		}
		before := rows(t, url)
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 || m.Rows() < 9 || m.Engine != from {
			t.Errorf("%s: %v %v, %+v", from, info.Mode(), err, m)
		}
		if _, err := WriteFile(t.Context(), file, url, "test", nil); err == nil || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("%s: it was overwritten: %v", from, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 1 {
			t.Errorf("%s: files left: %v", from, left)
		}
		for to, target := range databases(t) {
			t.Run(from+" to "+to, func(t *testing.T) {
				r, err := Restore(t.Context(), file, Options{Log: slog.New(slog.DiscardHandler), URL: target})
				must(t, err)
				if r.Ended != 1 || r.Cards.Moved != 1 || r.Replaced != "" {
					t.Errorf("report: %+v", r)
				}
				after := rows(t, target)
				for table := range before {
					changed := table == "transactions" || table == "receipts" || table == "sim_cards" || table == "outstanding" || table == "shared_values"
					if d := cmp.Diff(before[table], after[table]); d != "" && !changed {
						t.Errorf("%s: %s", table, d)
					}
				}
				s := open(t, target)
				if partitions, rest, err := s.Partitions(t.Context()); err != nil || (partitions > 0) != (to == "postgres") || rest != 0 {
					t.Errorf("%d partitions, %d rows in none: %v", partitions, rest, err)
				}
				c, err := s.Card(t.Context(), iccid)
				if err != nil || c.Counter != 1<<39+CounterStep || c.ReplySeen != 1<<63 || !bytes.Equal(c.KIc, []byte{0, 255, 10, 13}) {
					t.Errorf("card: %+v, %v", c, err)
				}
				tx, err := s.Transaction(t.Context(), storetest.NewTransaction(0).ID)
				if err != nil || tx.State != mssp.StateFailed || tx.Outcome.Code != signum.InternalError {
					t.Errorf("outstanding: %+v, %v", tx, err)
				}
				receipt, err := s.Receipt(t.Context(), storetest.NewTransaction(1).ID)
				if err != nil || receipt.Result != signum.ReceiptLost {
					t.Errorf("receipt: %+v, %v", receipt, err)
				}
				must(t, s.InsertTransaction(t.Context(), storetest.NewTransaction(9)))
				if _, err := Restore(t.Context(), file, Options{Log: slog.New(slog.DiscardHandler), URL: target}); err == nil {
					t.Error("a node uses it: restored")
				}
				must(t, s.Close())
				if _, err := Restore(t.Context(), file, Options{Log: slog.New(slog.DiscardHandler), URL: target}); !errors.Is(err, store.ErrNotEmpty) {
					t.Errorf("it is not empty: %v", err)
				}
				r, err = Restore(t.Context(), file, Options{Log: slog.New(slog.DiscardHandler), URL: target, Replace: true})
				must(t, err)
				if d := cmp.Diff(len(after["transactions"]), len(rows(t, target)["transactions"])); d != "" {
					t.Error(d)
				}
				if to == "sqlite" {
					if len(rows(t, "sqlite:"+r.Replaced)["transactions"]) != 6 {
						t.Error("what was replaced is not kept")
					}
				}
			})
		}
	}
}

// TestBackupUnderLoad: what was answered before the backup is in it, each transaction is
// whole, and the writer goes on meanwhile.
func TestBackupUnderLoad(t *testing.T) {
	for engine, url := range databases(t) {
		t.Run(engine, func(t *testing.T) {
			s := open(t, url)
			fill(t, s)
			defer s.Close()
			var writer sync.WaitGroup
			answered, stop := make(chan int, 1000), make(chan struct{})
			writer.Go(func() {
				defer close(answered)
				for i := 100; i < 1000; i++ {
					select {
					case <-stop:
						return
					default:
					}
					if err := s.InsertTransaction(t.Context(), storetest.NewTransaction(i)); err != nil {
						t.Error(err)
						return
					}
					answered <- i
				}
			})
			for i := range answered {
				if i == 120 {
					break
				}
			}
			var archive bytes.Buffer
			m, err := Write(t.Context(), &archive, url, "test", nil)
			close(stop)
			writer.Wait()
			must(t, err)
			if got := m.table("transactions").Rows; got < 26 {
				t.Errorf("%d transactions", got)
			}
			if _, err := Verify(t.Context(), bytes.NewReader(archive.Bytes()), nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestInterruptedBackup leaves nothing that looks like a backup.
func TestInterruptedBackup(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	s := open(t, url)
	fill(t, s)
	must(t, s.Close())
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	_, err := WriteFile(ctx, filepath.Join(dir, "backup"), url, "test", func(string, int64) { cancel() })
	if err == nil {
		t.Error("it was written")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := WriteFile(t.Context(), filepath.Join(dir, "backup"), "sqlite:"+filepath.Join(dir, "none"), "test", nil); err == nil {
		t.Error("a database that does not exist")
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
}

// TestKilledBackup: the next backup removes what a killed one left, and nothing else.
func TestKilledBackup(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	must(t, open(t, url).Close())
	dir := t.TempDir()
	left, running, other := filepath.Join(dir, partBegin+"A"+partEnd), filepath.Join(dir, partBegin+"B"+partEnd), filepath.Join(dir, "other.part")
	for _, name := range []string{left, other} {
		must(t, os.WriteFile(name, []byte("half"), 0o600))
	}
	lock, err := durable.Lock(running) // as a backup that is being written
	must(t, err)
	defer lock.Close()
	name := filepath.Join(dir, "backup")
	_, err = WriteFile(t.Context(), name, url, "test", nil)
	must(t, err)
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	must(t, err)
	if d := cmp.Diff([]string{running, name, other}, files); d != "" {
		t.Error(d)
	}
}

// TestManyMembers: a table of any size is written and read in parts that fit into memory.
func TestManyMembers(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	s := open(t, url)
	const rows = 150
	for i := range rows {
		tx := storetest.NewTransaction(i)
		tx.Text = strings.Repeat("long ", 10_000)
		must(t, s.InsertTransaction(t.Context(), tx))
	}
	must(t, s.Close())
	name := filepath.Join(t.TempDir(), "backup")
	m, err := WriteFile(t.Context(), name, url, "test", nil)
	must(t, err)
	if len(m.Members) < rows*50_000/memberSize {
		t.Errorf("%d members", len(m.Members))
	}
	r, err := Restore(t.Context(), name, Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "b.db")})
	if err != nil || r.Ended != rows {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestForeignBackup: a backup of another service, or one whose keys are not at hand, is
// refused before the database is changed.
func TestForeignBackup(t *testing.T) {
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	key := []byte("a master key of thirty-two bytes")
	files := instance.Files{Directory: t.TempDir(), MasterKey: key}
	_, err := ca.LoadOrCreate(files.Directory, ca.Config{Profile: ca.ECDSA, RootName: "Root", IssuingName: "Issuing", URL: "http://pki.invalid"}, time.Now())
	must(t, err)
	s, err := store.Open(t.Context(), url, quiet, store.WithInstance(func(known mssp.Ties) (mssp.Instance, error) {
		i, _, err := files.Match(known, time.Now())
		return i, err
	}))
	must(t, err)
	must(t, s.Close())
	name, target := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "b.db")
	_, err = WriteFile(t.Context(), name, url, "test", nil)
	must(t, err)
	for want, f := range map[string]instance.Files{
		"has no CA":                   {Directory: t.TempDir(), MasterKey: key},
		"sim.master_key is missing":   {Directory: files.Directory},
		"(sim.master_key) is another": {Directory: files.Directory, MasterKey: []byte("another key, of thirty-two bytes")},
	} {
		if _, err := Restore(t.Context(), name, Options{URL: "sqlite:" + target, Files: f}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("the database was made")
	}
	if _, err := Restore(t.Context(), name, Options{URL: "sqlite:" + target, Files: files}); err != nil {
		t.Error(err)
	}
}

// archive writes one for tests.
func archive(t testing.TB) []byte {
	t.Helper()
	url := "sqlite:" + filepath.Join(t.TempDir(), "a.db")
	s, err := store.Open(context.Background(), url, quiet)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(s.PutParty(context.Background(), &mssp.Party{ID: "p"}), s.InsertTransaction(context.Background(), storetest.NewTransaction(1)), s.Close())
	var b bytes.Buffer
	if err == nil {
		_, err = Write(context.Background(), &b, url, "test", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// repack changes the members of an archive. A member without data is left out.
func repack(t *testing.T, packed []byte, change func(name string, data []byte) []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	must(t, members(t.Context(), bytes.NewReader(packed), func(name string, data []byte) error {
		if data = change(name, data); data == nil {
			return nil
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(data)), Mode: 0o600}); err != nil {
			return err
		}
		_, err := w.Write(data)
		return err
	}))
	must(t, errors.Join(w.Close(), z.Close()))
	return out.Bytes()
}

// TestDamagedArchive: an archive that is cut or changed is refused, and the refusal names
// the member.
func TestDamagedArchive(t *testing.T) {
	good := archive(t)
	if _, err := Verify(t.Context(), bytes.NewReader(good), nil); err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < len(good); cut += 97 {
		if _, err := Verify(t.Context(), bytes.NewReader(good[:cut]), nil); err == nil {
			t.Errorf("cut at %d of %d: taken", cut, len(good))
		}
	}
	isParty := func(name string) bool { return strings.HasPrefix(name, "parties/") }
	for want, change := range map[string]func(string, []byte) []byte{
		"manifest.json, its last member, is missing": func(name string, data []byte) []byte {
			if name == manifestName {
				return nil
			}
			return data
		},
		"the member parties/": func(name string, data []byte) []byte {
			if isParty(name) {
				return bytes.Replace(data, []byte(`"p"`), []byte(`"q"`), 1)
			}
			return data
		},
		"is missing": func(name string, data []byte) []byte {
			if isParty(name) {
				return nil
			}
			return data
		},
		"use a newer program": func(name string, data []byte) []byte {
			return bytes.Replace(data, []byte(`"format_version": 1`), []byte(`"format_version": 2`), 1)
		},
		"not a backup of Signum": func(name string, data []byte) []byte {
			return bytes.Replace(data, []byte(`"signum-backup"`), []byte(`"other"`), 1)
		},
		"table \"parties; DROP": func(name string, data []byte) []byte {
			return bytes.ReplaceAll(data, []byte(`"name": "parties"`), []byte(`"name": "parties; DROP"`))
		},
	} {
		_, err := Verify(t.Context(), bytes.NewReader(repack(t, good, change)), nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	name := filepath.Join(t.TempDir(), "damaged")
	must(t, os.WriteFile(name, good[:len(good)-20], 0o600))
	target := filepath.Join(t.TempDir(), "new.db")
	if _, err := Restore(t.Context(), name, Options{Log: slog.New(slog.DiscardHandler), URL: "sqlite:" + target}); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(target); err == nil {
		t.Error("a refused archive made a database")
	}
}

// TestUnfinishedRestore: no node opens a database whose restore was interrupted.
func TestUnfinishedRestore(t *testing.T) {
	url := pgtest.URL(t)
	l, err := store.OpenLoad(t.Context(), url, 18, nil, false, quiet)
	must(t, err)
	must(t, l.Commit())
	l.Close()
	if _, err := store.Open(t.Context(), url, quiet, store.WithMigrations()); !errors.Is(err, store.ErrUnfinishedRestore) {
		t.Errorf("opened: %v", err)
	}
	name := filepath.Join(t.TempDir(), "backup")
	must(t, os.WriteFile(name, archive(t), 0o600))
	if _, err := Restore(t.Context(), name, Options{Log: slog.New(slog.DiscardHandler), URL: url, Replace: true}); err != nil {
		t.Fatal(err)
	}
	must(t, open(t, url).Close())
}

func FuzzVerify(f *testing.F) {
	good := archive(f)
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Verify(t.Context(), bytes.NewReader(data), nil)
		if (m == nil) == (err == nil) {
			t.Errorf("%v, %v", m, err)
		}
		if err != nil {
			return
		}
		n := int64(0)
		_ = members(t.Context(), bytes.NewReader(data), func(name string, data []byte) error {
			for _, x := range m.Members {
				if x.Name == name {
					return m.lines(x, data, func([]any) error { n++; return nil })
				}
			}
			return nil
		})
		if n > m.Rows() {
			t.Errorf("%d rows of %d", n, m.Rows())
		}
	})
}

func FuzzRow(f *testing.F) {
	f.Add([]byte(`["a",1,true,{"b64":"AA=="},null]`))
	columns := []store.Column{{Name: "a", Type: store.Text}, {Name: "b", Type: store.Integer}, {Name: "c", Type: store.Boolean},
		{Name: "d", Type: store.Bytes}, {Name: "e", Type: store.Text}}
	f.Fuzz(func(t *testing.T, line []byte) {
		row, err := parseRow(line, columns)
		if err != nil {
			return
		}
		again, err := appendRow(nil, row)
		if err != nil {
			t.Fatal(err)
		}
		same, err := parseRow(again, columns)
		if err != nil || fmt.Sprint(same...) != fmt.Sprint(row...) {
			t.Errorf("%s: %v became %v, %v", again, row, same, err)
		}
	})
}
