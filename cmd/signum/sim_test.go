//go:build !nolab

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSimCommands(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	const id = fakeICCID
	for _, tc := range []struct {
		name string
		args []string
		code int
		out  []string
		err  string // in it
		sent string
	}{
		{"swap", []string{"swap", "41791000001", id}, 0, nil, "", `{"msisdn":"+41791000001","iccid":"` + id + `"}`},
		{"swap, serial kept", []string{"swap", "--keep-serial", "+41791000001", id}, 0, nil, "", `{"msisdn":"+41791000001","iccid":"` + id + `","keep_serial":true}`},
		{"end", []string{"end", "41791000001"}, 0, nil, "", `{"msisdn":"+41791000001"}`},
		{"reopen", []string{"reopen", "+41791000001"}, 0, nil, "", `{"msisdn":"+41791000001"}`},
		{"reopen, serial kept", []string{"reopen", "--keep-serial", "41791000001"}, 0, nil, "", `{"msisdn":"+41791000001","keep_serial":true}`},
		{"swap refused", []string{"swap", "+41791000001", "1"}, exitRefused, nil, `refused by the sandbox: nothing\x1b there`, `{"msisdn":"+41791000001","iccid":"1"}`},
		{"swap nothing", []string{"swap", id}, exitLocal, nil, "sim swap needs an MSISDN and an ICCID", ""},
		{"renumber", []string{"renumber", "+41791000001", "odd"}, exitUnreachable, nil, "is not a sandbox", `{"from":"+41791000001","to":"odd"}`},
		{"block", []string{"block", id}, 0, nil, "", `{"iccid":"` + id + `","state":"BLOCKED"}`},
		{"unblock", []string{"unblock", id}, 0, nil, "", `{"iccid":"` + id + `","state":"ACTIVE"}`},
		{"advance all", []string{"advance", "--all"}, 0, []string{"Moved        5002 by 65536\nLeast left   7\n"}, "5000 cards\n", `{"by":65536,"after":"8941"}`},
		{"advance all, only look", []string{"advance", "--all", "--dry-run", "9"}, 0, []string{"Would move   5002 by 9\n"}, "5000 cards\n", `{"by":9,"dry_run":true,"after":"8941"}`},
		{"advance one", []string{"advance", id, "1099511627775"}, exitRefused, []string{"Refused      1\nLeast left   3\n"}, "1 cards have too few counters left", `{"card":"` + id + `","by":1099511627775}`},
		{"advance a number", []string{"advance", "41791000001"}, exitRefused, nil, "refused by the sandbox", `{"card":"+41791000001","by":65536}`},
		{"advance nothing", []string{"advance"}, exitLocal, nil, "which card? give an ICCID or a number, or --all", ""},
		{"advance both", []string{"advance", "--all", id, "1"}, exitLocal, nil, "--all and a CARD", ""},
		{"advance by none", []string{"advance", "--all", "0"}, exitLocal, nil, "0: COUNT must be a number from 1 to 1099511627775", ""},
		{"advance too far", []string{"advance", id, "1099511627776"}, exitLocal, nil, "COUNT must be a number", ""},
		{"show", []string{"show", id}, 0, []string{"Card         " + id + "\n", "State        ACTIVE\n", "Key set      2, AES\n", "Profile      default\n",
			"Counters     7 sent, 5 received\n", "Account      MIDCHE0123456789 ACTIVE\n", "SIM          ACTIVE, EC, PIN blocked\n",
			"Certificate  GOOD beef, until 2029-01-02 "}, "", `{"card":"` + id + `"}`},
		{"show as JSON", []string{"show", "--json", id}, 0, []string{fakeCard}, "", `{"card":"` + id + `"}`},
		{"show none", []string{"show", "+41"}, exitRefused, nil, "refused", `{"card":"+41"}`},
	} {
		f.body = ""
		stdout, stderr, code := execute(t.Context(), newSimCmd(), "", tc.args...)
		if code != tc.code || !strings.Contains(stderr, tc.err) || tc.err == "" && stderr != "" || f.body != tc.sent || len(tc.out) == 0 && stdout != "" {
			t.Errorf("%s: exit %d\n%s%ssent %s", tc.name, code, stdout, stderr, f.body)
		}
		for _, want := range tc.out {
			if !strings.Contains(stdout, want) {
				t.Errorf("%s: no %q in\n%s", tc.name, want, stdout)
			}
		}
	}
}

func TestUserImport(t *testing.T) {
	f := newFakeService(t)
	t.Setenv(envSandbox, f.dir)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, bad, odd := file("good.csv", "good"), file("bad.csv", "bad"), file("odd.csv", "odd")
	const kek = "000102030405060708090A0B0C0D0E0F"
	key, short := file("kek", kek+"\n"), file("short", kek[:30])
	const sum = "Rows         3\nNew          2\nUnchanged    1\n"
	for _, tc := range []struct {
		name    string
		args    []string
		stdin   string
		code    int
		out     string
		err     string // in it
		options string
		cards   string
	}{
		{"plain", []string{good, "--plain-keys"}, "", 0, sum, "", `{"plain_keys":true}`, "good"},
		{"wrapped", []string{good, "--kek-file", key}, "", 0, sum, "", `{"kek":"` + kek + `","plain_keys":false}`, "good"},
		{"blocked", []string{good, "--plain-keys", "--blocked"}, "", 0, sum, "", `{"default_state":"BLOCKED","plain_keys":true}`, "good"},
		{"standard input", []string{"-", "--plain-keys"}, "a good one", 0, sum, "", `{"plain_keys":true}`, "a good one"},
		{"as JSON", []string{good, "--plain-keys", "--json"}, "", 0,
			`{"rows":3,"new":2,"swapped":0,"renumbered":0,"updated":0,"unchanged":1,"failed":0}` + "\n", "", `{"plain_keys":true}`, "good"},
		{"some rows", []string{bad, "--plain-keys"}, "", exitRefused, "Rows         7\nSwapped      1\nRenumbered   1\nUpdated      1\nFailed       4\n",
			"line 3: odd\\x1b\nline 4, card 8941: old\nand 2 more\nsignum: 4 of 7 rows were refused\n", `{"plain_keys":true}`, "bad"},
		{"refused", []string{key, "--plain-keys"}, "", exitRefused, "", "refused by the sandbox", `{"plain_keys":true}`, kek + "\n"},
		{"no sandbox", []string{odd, "--plain-keys"}, "", exitUnreachable, "", "is not a sandbox of this version", `{"plain_keys":true}`, "odd"},
		{"no keys", []string{good}, "", exitLocal, "", "--kek-file FILE, or --plain-keys", "", ""},
		{"both", []string{good, "--kek-file", key, "--plain-keys"}, "", exitLocal, "", "exclude each other", "", ""},
		{"no key file", []string{good, "--kek-file", "/nowhere"}, "", exitLocal, "", "/nowhere", "", ""},
		{"short key", []string{good, "--kek-file", short}, "", exitLocal, "", "16, 24 or 32 bytes in hex", "", ""},
		{"no file", []string{"/nowhere", "--plain-keys"}, "", exitLocal, "", "/nowhere", "", ""},
		{"directory", []string{dir, "--plain-keys"}, "", exitLocal, "", "is a directory", "", ""},
	} {
		f.body = ""
		stdout, stderr, code := execute(t.Context(), newUserImportCmd(), tc.stdin, tc.args...)
		if code != tc.code || stdout != tc.out || !strings.Contains(stderr, tc.err) || tc.err == "" && stderr != "" {
			t.Errorf("%s: exit %d\n%s%s", tc.name, code, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, kek) {
			t.Errorf("%s: the key is shown: %s%s", tc.name, stdout, stderr)
		}
		if got := f.form(); got["options"] != tc.options || got["cards"] != tc.cards {
			t.Errorf("%s: sent %v", tc.name, got)
		}
	}
}

func TestWatchedReader(t *testing.T) {
	var out strings.Builder
	r := &watchedReader{r: strings.NewReader(strings.Repeat("x", 3_000_000)), size: 6_000_000, w: &out, live: true}
	if _, err := r.Read(make([]byte, 1_500_000)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); err != nil { // too soon to be shown
		t.Fatal(err)
	}
	r.end()
	if want := "\r\x1b[Ksent 1.5 MB of 6.0, 25 %\r\x1b[K"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}

// TestEndToEndCards imports cards into a sandbox, moves and blocks them.
func TestEndToEndCards(t *testing.T) {
	box := t.TempDir()
	startSandbox(t, "--dir", box, "--phone-delay", "10ms")
	t.Setenv(envSandbox, box)
	run := func(code int, stdin, want string, args ...string) string {
		t.Helper()
		stdout, stderr, got := execute(t.Context(), newRootCmd(), stdin, args...)
		if got != code || !strings.Contains(stdout+stderr, want) {
			t.Fatalf("signum %s: exit %d, want %d and %q\n%s%s", strings.Join(args, " "), got, code, want, stdout, stderr)
		}
		if strings.Contains(stdout+stderr, "000102") {
			t.Errorf("a key is shown: %s%s", stdout, stderr)
		}
		return stdout
	}
	const (
		one, two, three = "89410123456789012342", "89014103211118510720", "89148000000745809013"
		user, other     = "+41791234567", "+41791234568"
		header          = "iccid;msisdn;key_set;algorithm;kic;kid\n"
		keys            = ";1;AES;000102030405060708090a0b0c0d0e0f;000102030405060708090a0b0c0d0e0f\n"
		// Wrapped under the key of RFC 3394, clause 4.1.
		kek, wrapped = "000102030405060708090A0B0C0D0E0F", ";1;AES;1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5;1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5\n"
	)
	kekFile := filepath.Join(t.TempDir(), "kek")
	if err := os.WriteFile(kekFile, []byte(kek), 0o600); err != nil {
		t.Fatal(err)
	}
	file := header + one + ";" + user + keys + two + ";" + keys
	run(0, file, "New          2", "user", "import", "--plain-keys", "-")
	run(0, file, "Unchanged    2", "user", "import", "--plain-keys", "-")
	run(0, header+three+";"+wrapped, "New          1", "user", "import", "--kek-file", kekFile, "-")
	run(exitRefused, header+three+";"+other+wrapped+one+";"+wrapped, "line 3, card "+one+": the card is in use", "user", "import", "--kek-file", kekFile, "-")
	run(exitRefused, "iccid,puk\n", `unknown column "puk"; the columns are iccid, msisdn`, "user", "import", "--plain-keys", "-")

	run(exitNotSigned, "", "404 NO_KEY_FOUND", "sign", "--ap-id", "mid://sandbox/basic", "--profile", "auth1", user, "Hello")
	run(0, "", "", "sim", "block", one)
	run(exitRefused, "", "105 UNKNOWN_CLIENT", "sign", "--ap-id", "mid://sandbox/basic", "--profile", "auth1", user, "Hello")
	run(0, "", "State        BLOCKED", "sim", "show", user)
	run(0, "", "", "sim", "unblock", one)
	run(exitNotSigned, "", "404 NO_KEY_FOUND", "sign", "--ap-id", "mid://sandbox/basic", "--profile", "auth1", user, "Hello")

	run(0, "", "", "sim", "swap", user, two)
	run(0, "", "SIM          REGISTERED", "sim", "show", user)
	run(0, "", "State        RETIRED", "sim", "show", one)
	run(exitRefused, "", "RETIRED, not in stock", "sim", "swap", user, one)
	run(exitRefused, "", "has an account of its own", "sim", "renumber", user, "+41791000001")
	run(0, "", "", "sim", "renumber", user, "+41791234569")
	run(0, "", `"msisdn":"+41791234569"`, "sim", "show", "--json", two)
	run(exitRefused, "", "has no card", "sim", "show", user)
	run(exitRefused, "", "neither an ICCID", "sim", "show", "89")

	// A user of the sandbox gets a card: the certificate of the old SIM is revoked.
	run(0, "", "SIM     ACTIVE", "profile", "+41791000001")
	run(0, header+"8944500102198304826;+41791000001"+keys, "Swapped      1", "user", "import", "--plain-keys", "-")
	run(exitNotSigned, "", "404 NO_KEY_FOUND", "sign", "--ap-id", "mid://sandbox/basic", "--profile", "auth1", "+41791000001", "Hello")
}
