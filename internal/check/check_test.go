package check

import (
	"database/sql"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/simcards"
	"github.com/signum-mssp/signum/internal/store"
	"github.com/signum-mssp/signum/internal/store/pgtest"
	"github.com/signum-mssp/signum/internal/store/storetest"
	"github.com/signum-mssp/signum/internal/testkit"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// service makes a database with a party, a card and a certificate, and its CA.
func service(t *testing.T, url string) instance.Files {
	t.Helper()
	f := instance.Files{Directory: t.TempDir(), MasterKey: []byte("a master key of thirty-two bytes")}
	a, err := ca.LoadOrCreate(f.Directory, ca.Config{Profile: ca.ECDSA, RootName: "Root", IssuingName: "Issuing", Organization: "Test", URL: "http://pki.invalid"}, time.Now())
	must(t, err)
	s, err := store.Open(t.Context(), url, store.WithLogger(slog.New(slog.DiscardHandler)), store.WithInstance(func(known mssp.Ties) (mssp.Instance, error) {
		i, _, err := f.Match(known, time.Now())
		return i, err
	}))
	must(t, err)
	defer s.Close()
	issuer, err := ca.New(a, s, ca.Options{URL: "http://pki.invalid"})
	must(t, err)
	_, err = issuer.Issue(t.Context(), "MIDCHE0000000001", "device", testkit.ECKey(t).Public())
	must(t, err)
	must(t, s.PutParty(t.Context(), &mssp.Party{ID: "p"}))
	ring, err := simcards.NewKeyRing(f.MasterKey)
	must(t, err)
	card := &mssp.Card{ICCID: "89410000000000000001", State: mssp.CardStock, KeySet: 1, Algorithm: mssp.CardAES, Created: time.Now(), Changed: time.Now()}
	must(t, ring.SetKeys(card, scp80.Keys{KIc: []byte("sixteen bytes 01"), KID: []byte("sixteen bytes 02")}))
	must(t, s.PutCard(t.Context(), card))
	return f
}

// TestRun: a good database has no findings, and each kind of damage has its own.
func TestRun(t *testing.T) {
	for engine, url := range map[string]string{"sqlite": "sqlite:" + filepath.Join(t.TempDir(), "a.db"), "postgres": pgtest.URL(t)} {
		t.Run(engine, func(t *testing.T) {
			expect := func(f instance.Files, check, want string) {
				t.Helper()
				found, err := Run(t.Context(), Options{URL: url, Files: f})
				must(t, err)
				for _, x := range found {
					if x.Check == check && strings.Contains(x.Text, want) && x.Do != "" {
						return
					}
				}
				t.Errorf("no %s about %q in %+v", check, want, found)
			}
			none := func(f instance.Files, check string) {
				t.Helper()
				found, err := Run(t.Context(), Options{URL: url, Files: f})
				must(t, err)
				for _, x := range found {
					if x.Check == check {
						t.Errorf("it also finds %+v", x)
					}
				}
			}
			expect(instance.Files{}, "schema", "the database is empty")
			f := service(t, url)
			found, err := Run(t.Context(), Options{URL: url, Files: f})
			must(t, err)
			for _, x := range found {
				if x.Check != "disk" && !strings.Contains(x.Text, "fsync=off") && !strings.Contains(x.Text, "full_page_writes=off") { // those of the machine that runs the test
					t.Errorf("nothing is wrong, but: %+v", x)
				}
			}
			other := f
			other.Directory = t.TempDir()
			expect(other, "instance", "no CA")
			other = f
			other.MasterKey = []byte("another key, of thirty-two bytes")
			expect(other, "instance", "master key")
			none(other, "cards")
			other.MasterKey = nil
			expect(other, "cards", "no master key")

			s, err := store.Open(t.Context(), url, store.WithLogger(slog.New(slog.DiscardHandler)))
			must(t, err)
			late := storetest.NewTransaction(1)
			late.Created, late.Expires = time.Now().Add(-time.Hour), time.Now().Add(-2*time.Minute)
			must(t, s.InsertTransaction(t.Context(), late))
			must(t, s.Close())
			expect(f, "expiry", late.ID)

			driver, name := "pgx", url
			if path, ok := strings.CutPrefix(url, "sqlite:"); ok {
				driver, name = "sqlite", path
			}
			db, err := sql.Open(driver, name)
			must(t, err)
			defer db.Close()
			for _, tt := range []struct{ statement, check, want string }{
				{`UPDATE parties SET geofence = 'x'`, "rows", "party p cannot be read"},
				{`UPDATE sim_cards SET kic = kid`, "cards", "89410000000000000001"},
				{`UPDATE sim_cards SET counter = 1099511627000`, "cards", "has 775 counters left"},
				{`UPDATE certificates SET der = CAST('x' AS ` + map[string]string{"pgx": "bytea", "sqlite": "blob"}[driver] + `)`, "certificates", "cannot be read"},
				{`DELETE FROM signum_schema WHERE version = (SELECT MAX(version) FROM signum_schema)`, "schema", "this program needs version"},
			} {
				_, err := db.Exec(tt.statement)
				must(t, err)
				expect(f, tt.check, tt.want)
			}
		})
	}
}

// TestDamagedFile: what SQLite itself finds, and references to rows that do not exist.
func TestDamagedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	f := service(t, "sqlite:"+path)
	db, err := sql.Open("sqlite", path)
	must(t, err)
	_, err = db.Exec(`INSERT INTO devices (id, msisdn, method, state, key_type) VALUES ('d', '+41', 'SIM', 'REGISTERED', '')`)
	must(t, err)
	must(t, db.Close())
	found, err := Run(t.Context(), Options{URL: "sqlite:" + path, Files: f})
	must(t, err)
	for _, x := range found {
		if x.Check == "integrity" && strings.Contains(x.Text, "a row of devices refers to a row of subscribers") {
			return
		}
	}
	t.Errorf("%+v", found)
}
