package sandbox

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/softapp"
	"github.com/signum-mssp/signum/internal/mssp"
)

const own = "+41797895164"

// both are the profiles that choose each of an own user's phones.
var both = map[signum.Method]string{signum.SIM: signum.ProfileSTK, signum.App: signum.ProfileDevice}

// call makes a signature request of the first party to a running sandbox.
func call(t *testing.T, box *Sandbox, msisdn, profile string) error {
	t.Helper()
	c, sb := clientOf(t, box.Dir)
	resp, err := c.Sign(t.Context(), client.SignRequest{MSISDN: msisdn, Text: DTBDPrefix + "Hello", Profile: profile})
	if err == nil {
		_, err = client.Verify(resp.Signature, sb.UserRoots)
	}
	return err
}

func accountOf(t *testing.T, box *Sandbox, msisdn string) *mssp.Subscriber {
	t.Helper()
	s, err := box.Store.Subscriber(t.Context(), msisdn)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// listed reports whether sandbox.json lists a number.
func listed(t *testing.T, dir, msisdn string) (u User, ok bool) {
	t.Helper()
	info, err := ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range info.Users {
		if u.MSISDN == msisdn {
			if ok {
				t.Errorf("%s is listed twice", msisdn)
			}
			return u, true
		}
	}
	return u, false
}

// A user who is added signs with SIM and App, takes a behaviour, and stays in the
// directory.
func TestOwnUser(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const declines = "+4915735985678"
	box, stop := runUntil(t, Config{
		Dir: dir, Users: []string{"41 79 789 51 64", own, declines},
		Behaviours: map[string]person.Behaviour{declines: {Do: person.Cancel}},
	})
	for _, msisdn := range []string{own, declines} {
		if u, ok := listed(t, dir, msisdn); !ok || len(u.Methods) != 2 || u.KeyType != signum.EC {
			t.Errorf("listed: %+v, %v", u, ok)
		}
	}
	for m, profile := range both {
		if err := call(t, box, own, profile); err != nil {
			t.Errorf("%s: %v", m, err)
		}
		if err := call(t, box, declines, profile); !errors.Is(err, &signum.Fault{Code: signum.UserCancel}) {
			t.Errorf("%s: %v, want 401", m, err)
		}
	}
	serial := accountOf(t, box, own).Serial
	stop()

	box, stop = runUntil(t, Config{Dir: dir, Users: []string{"+41791234567"}})
	for _, msisdn := range []string{own, declines, "+41791234567"} {
		if _, ok := listed(t, dir, msisdn); !ok {
			t.Errorf("%s is not listed", msisdn)
		}
		for m, profile := range both {
			if err := call(t, box, msisdn, profile); err != nil {
				t.Errorf("the next run, %s, %s: %v", msisdn, m, err)
			}
		}
	}
	if got := accountOf(t, box, own).Serial; got != serial {
		t.Errorf("the account has another serial: %s, %s", got, serial)
	}
	stop()
}

// An account that somebody made for an App gets a SIM.
func TestOwnUserOfExistingAccount(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	box, stop := runUntil(t, Config{Dir: dir})
	if err := box.AddUser(t.Context(), User{MSISDN: own, Methods: []signum.Method{signum.App}, KeyType: signum.EC}); err != nil {
		t.Fatal(err)
	}
	serial := accountOf(t, box, own).Serial
	stop()
	box = run(t, Config{Dir: dir, Users: []string{own}})
	for m, profile := range both {
		if err := call(t, box, own, profile); err != nil {
			t.Errorf("%s: %v", m, err)
		}
	}
	if s := accountOf(t, box, own); s.Serial != serial || len(s.Devices) != 2 {
		t.Errorf("the account is %+v, serial %s before", s, serial)
	}
}

// A number that cannot be a user is refused before anything is made.
func TestOwnUserRefused(t *testing.T) {
	t.Parallel()
	for number, want := range map[string]string{
		"0797895164":       "not a phone number with its country code",
		"+4179":            "not a phone number",
		"+410797895164":    "not a phone number",
		"Lena":             "not a phone number",
		"":                 "not a phone number",
		"+41000092401":     "a test number, which returns the fault",
		"+41000092999":     "a test number",
		"41 79 100 00 01":  "every sandbox has this user already",
		"+41700092501":     "every sandbox has this user already",
		"+41791000004 ":    "every sandbox has this user already",
		"+41797895164,bad": "not a phone number",
	} {
		dir := filepath.Join(t.TempDir(), "box")
		_, err := Open(t.Context(), Config{Dir: dir, Addr: "127.0.0.1:0", Users: []string{own, number}})
		wrong, ok := errors.AsType[*OptionError](err)
		if !ok || wrong.Option != "Users" || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), own+":") {
			t.Errorf("%q: %v, want %q", number, err, want)
		}
		if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%q: the directory was made", number)
		}
	}
}

// A developer who starts with persons as Apps does not want the Apps of an earlier run to answer
// for them.
func TestWebPhonesAfterSoftwareApps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const app, sim, blocked, suspended = "+41791000002", "+41791000003", "+41791000007", "+41791234567"
	box, stop := runUntil(t, Config{Dir: dir, Users: []string{suspended}})
	if err := call(t, box, app, signum.ProfileDevice); err != nil {
		t.Fatal(err)
	}
	serials := map[string]string{app: accountOf(t, box, app).Serial, sim: accountOf(t, box, sim).Serial}
	// Apps that cannot sign are removed, too.
	if err := box.Behave(blocked, person.Behaviour{Do: person.WrongPIN}); err != nil {
		t.Fatal(err)
	}
	if err := call(t, box, blocked, signum.ProfileDevice); !errors.Is(err, &signum.Fault{Code: signum.PINBlocked}) {
		t.Fatalf("wrong passcodes: %v, want 402", err)
	}
	if err := box.Store.SetSubscriberState(t.Context(), suspended, mssp.SubscriberInactive); err != nil {
		t.Fatal(err)
	}
	stop()

	box, stop = runUntil(t, Config{Dir: dir, WebPhones: true, Users: []string{own}})
	if got := strings.Join(box.Retired, " "); got != "+41791000002 +41791000003 +41791000007 +41791234567" {
		t.Errorf("removed Apps: %s", got)
	}
	for _, msisdn := range []string{app, sim, own} {
		if err := call(t, box, msisdn, signum.ProfileDevice); !errors.Is(err, &signum.Fault{Code: signum.UnknownClient}) && !errors.Is(err, &signum.Fault{Code: signum.UnsupportedProfile}) {
			t.Errorf("%s: %v, want a refusal, as long as nobody is the App", msisdn, err)
		}
	}
	for _, msisdn := range []string{sim, own} {
		if err := call(t, box, msisdn, signum.ProfileSTK); err != nil {
			t.Errorf("%s: %v", msisdn, err)
		}
	}
	i, err := box.InviteTrusted(t.Context(), app)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := box.SoftApps.Enrol(t.Context(), i.Code, softapp.EnrolOptions{}); err != nil { // in place of a browser
		t.Fatal(err)
	}
	for msisdn, serial := range serials {
		if got := accountOf(t, box, msisdn).Serial; got != serial {
			t.Errorf("the account of %s has another serial", msisdn)
		}
	}
	stop()

	box = run(t, Config{Dir: dir})
	for _, msisdn := range []string{app, sim, blocked, own} {
		if err := call(t, box, msisdn, signum.ProfileDevice); err != nil {
			t.Errorf("by itself again, %s: %v", msisdn, err)
		}
	}
}

// A user whose App was ended has an App again after the next start.
func TestAppAfterItsEnd(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const msisdn = "+41791000003"
	box, stop := runUntil(t, Config{Dir: dir})
	ended := methods(accountOf(t, box, msisdn))[signum.App].ID
	if err := box.Store.EndDevice(t.Context(), ended, mssp.EndedByUser, time.Now()); err != nil {
		t.Fatal(err)
	}
	stop()
	box = run(t, Config{Dir: dir})
	if err := call(t, box, msisdn, signum.ProfileDevice); err != nil {
		t.Error(err)
	}
	for _, i := range box.SoftApps.List() {
		if i.DeviceID == ended {
			t.Error("the App that was ended is still there")
		}
	}
}

// A start that fails leaves no temporary directory with keys behind.
func TestNothingLeftOfFailedStart(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	for name, cfg := range map[string]Config{
		"SMSC": {SMSC: "foo"}, "CAProfile": {CAProfile: "foo"}, "WebURL": {WebURL: "ftp://x"},
		"Behaviours": {Behaviours: map[string]person.Behaviour{"+41799999999": {Do: person.Cancel}}},
	} {
		cfg.Addr = "127.0.0.1:0"
		box, err := Open(t.Context(), cfg)
		if err == nil {
			err = errors.Join(box.Run(t.Context()), box.Close())
		}
		if wrong, ok := errors.AsType[*OptionError](err); !ok || wrong.Option != name {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadDir(tmp)
		if err != nil || len(left) > 0 {
			t.Errorf("%s: %v, left %v", name, err, left)
		}
	}
}
