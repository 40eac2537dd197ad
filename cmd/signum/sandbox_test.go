//go:build !nolab

package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/testkit"
)

// startSandbox runs the command until the test ends and returns what it said
// until it was ready.
func startSandbox(t *testing.T, args ...string) string {
	t.Helper()
	said, stop := serveSandbox(args...)
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
	return said
}

// serveSandbox runs the command until stop is called, which returns its error.
func serveSandbox(args ...string) (said string, stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	errs := new(testkit.Buffer)
	cmd := newRootCmd()
	cmd.SetArgs(append([]string{"sandbox", "--addr", "127.0.0.1:0"}, args...))
	cmd.SetOut(w)
	cmd.SetErr(errs)
	ended := make(chan error, 1)
	go func() {
		err := cmd.ExecuteContext(ctx)
		w.Close()
		ended <- err
	}()
	var b strings.Builder
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		b.WriteString(lines.Text() + "\n")
		if strings.HasPrefix(lines.Text(), "ready https://") {
			break
		}
	}
	go io.Copy(io.Discard, r)
	return b.String(), func() error {
		cancel()
		if err := <-ended; err != nil {
			return fmt.Errorf("sandbox: %w\n%s", err, errs)
		}
		return nil
	}
}

func TestSandboxOnce(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	cmd := newRootCmd()
	cmd.SetArgs([]string{"sandbox", "--once", "--addr", "127.0.0.1:0", "--dir", t.TempDir()})
	cmd.SetOut(&out)
	cmd.SetErr(&errs)
	if err := cmd.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("%v\n%s%s", err, &out, &errs)
	}
	if n := strings.Count(out.String(), "VERIFIED"); n != 2 {
		t.Errorf("%d verified signatures, want 2\n%s", n, &out)
	}
}

func TestSandboxErrors(t *testing.T) {
	const badSMSC = "smpp://signum:s3cret@127.0.0.1:1?speed=9"
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	inUse := taken.Addr().String()
	other, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free := other.Addr().String()
	other.Close()
	t.Chdir(t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	for _, tt := range []struct {
		args string
		want string
		smsc string // of the environment
	}{
		{"--log loud", "--log loud: not one of", ""},
		{"--phone +41791000001=dance", "--phone +41791000001:", ""},
		{"--phone +41791000001=cancel:-1s", "the delay -1s is negative", ""},
		{"--phone +41791000001=cancel:2h", "longer than an hour", ""},
		{"--phone 0791000001=cancel", "--phone: 0791000001: not a phone number with its country code, such as +41791234567", ""},
		{"--phone +41799999999=cancel", "--phone: +41799999999: no phone that answers by itself has this number; --user adds a user", ""},
		{"--phones web --phone +41791000002=cancel", "--phone: +41791000002: no phone that answers by itself", ""},
		{"--phone-delay -5s", "--phone-delay: the delay -5s is negative", ""},
		{"--phone-delay 25h", "--phone-delay: the delay 25h0m0s is longer than an hour", ""},
		{"--user 0797895164 --user +4179", "--user: 0797895164: not a phone number with its country code, such as +41791234567; +4179: not a phone number", ""},
		{"--party example", `--party "example": the AP_ID must be a URI`, ""},
		{"--party urn:ap --party urn:ap", "--party: urn:ap: given twice", ""},
		{"--user +41791000001", "--user: +41791000001: every sandbox has this user already", ""},
		{"--location +41799999999=DE", "--location: +41799999999: no phone", ""},
		{"--location +41791000001=XX", `"XX" is not a country in two capital letters (ISO 3166-1), such as CH`, ""},
		{"--location +41791000001=CH,accuracy=-1", "-1 is negative", ""},
		{"--location +41791000001=CH,age=-1h", "negative", ""},
		{"--addr " + inUse, "another sandbox may be running: choose another address, port 0 for a free one", ""},
		{"--pki-addr " + inUse, "another sandbox may be running: choose another address, port 0 for a free one", ""},
		{"--addr nowhere", `--addr: "nowhere" is not host:port`, ""},
		{"--addr 127.0.0.1:70000", `--addr: "127.0.0.1:70000" is not host:port with a port from 0 to 65535`, ""},
		{"--addr 192.0.2.1:0", "this machine does not have the address: choose one of its own, or 0.0.0.0 for all", ""},
		{"--ops-addr nowhere.invalid:0", "--ops-addr: this machine finds no address of the name nowhere.invalid", ""},
		{"--pki-addr nowhere", `--pki-addr: "nowhere" is not host:port`, ""},
		{"--web-addr nowhere", `--web-addr: "nowhere" is not host:port`, ""},
		{"--addr " + free + " --web-addr " + free, "is that of another address of this sandbox", ""},
		{"--auth-uri :::", "--auth-uri: must be a URI", ""},
		{"--auth-uri JavaScript:alert(1)", "--auth-uri: must be a URI", ""},
		{"--auth-uri data:text/html,x", "--auth-uri: must be a URI", ""},
		{"--store mysql://x", `--store: unknown database "mysql"`, ""},
		{"--store foo", "--store: must be sqlite:PATH or postgres://…; a file needs sqlite: before its name", ""},
		{"--phones nobody", "--phones nobody: not one of auto, web", ""},
		{"--once --phones web", "needs an App that answers by itself", ""},
		{"--pki-addr signum.invalid:0", "--pki-addr: this machine finds no address of the name signum.invalid", ""},
		{"--web-url example.com", "--web-url: must be an address such as https://", ""},
		{"--ca-profile md5", `--ca-profile: unknown profile "md5"`, ""},
		{"extra", "extra", ""},
		{"--smsc " + badSMSC, `--smsc: smpp://signum:xxxxx@127.0.0.1:1?speed=9: unknown option "speed"`, ""},
		{"", `$SIGNUM_SMSC: smpp://signum:xxxxx@127.0.0.1:1?speed=9: unknown option "speed"`, badSMSC},
		{"--smsc http://flag", "--smsc: http://flag: must be an address", badSMSC},
		{"--once", "--once and $SIGNUM_SMSC: the example", badSMSC},
	} {
		t.Setenv("SIGNUM_SMSC", tt.smsc)
		cmd := newRootCmd()
		var out, errs bytes.Buffer
		cmd.SetArgs(append([]string{"sandbox", "--addr", "127.0.0.1:0", "--dir", filepath.Join("made", "box")}, strings.Fields(tt.args)...))
		cmd.SetOut(&out)
		cmd.SetErr(&errs)
		err := cmd.ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: got %v, want %q", tt.args, err, tt.want)
		}
		if err != nil && strings.Contains(err.Error(), "another sandbox") && !strings.Contains(tt.args, inUse) {
			t.Errorf("%s suggests another sandbox: %v", tt.args, err)
		}
		if out.Len()+errs.Len() > 0 {
			t.Errorf("%s: said %s%s", tt.args, &out, &errs)
		}
	}
	if left := tree(t, "."); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
}

// tree lists the files under a directory, with their sizes and times.
func tree(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		st, err := d.Info()
		if err == nil && !d.IsDir() {
			path += fmt.Sprint(" ", st.Size(), " ", st.Mode(), " ", st.ModTime())
		}
		all = append(all, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestSandboxWebPhones: the sandbox prints the link with which a browser becomes a phone; until a
// person has enrolled an App, the user has none.
func TestSandboxWebPhones(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	said := startSandbox(t, "--dir", dir, "--phones", "web")
	if !strings.Contains(said, "Be the phone of +41791000002: open\n  http://localhost:") || strings.Contains(said, "are removed") {
		t.Errorf("said\n%s", said)
	}
	_, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "--sandbox", dir, "+41791000002", "Hello")
	if code != exitRefused && code != exitNotSigned {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestSandboxUsers: users who are added sign at once, and a person who wants to be one of them gets
// a link. The Apps that answered by themselves are gone then.
func TestSandboxUsers(t *testing.T) {
	t.Parallel()
	const own, other = "+41797895164", "+4915735985678"
	dir := t.TempDir()
	said, stop := serveSandbox("--dir", dir, "--phone-delay", "0", "--user", own, "--user", "4915735985678", "--phone", other+"=cancel")
	for _, msisdn := range []string{own, other} {
		if !strings.Contains(said, msisdn+"  SIM and App\n") {
			t.Errorf("%s is not listed:\n%s", msisdn, said)
		}
	}
	for _, profile := range []string{"stk", "device"} {
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "--sandbox", dir, "--profile", profile, own, "Hello"); code != 0 {
			t.Errorf("%s, %s: exit %d: %s", own, profile, code, stderr)
		}
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "--sandbox", dir, "--profile", profile, other, "Hello"); code != exitNotSigned {
			t.Errorf("%s, %s: exit %d: %s", other, profile, code, stderr)
		}
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}

	said = startSandbox(t, "--dir", dir, "--phones", "web")
	for _, want := range []string{
		"The Apps that answered by themselves are removed (--phones auto makes new ones):\n  +41791000002, +41791000003, +41791000007, " + own + ", " + other + "\n",
		"Be the phone of " + own + ": open\n  http://localhost:", "Be the phone of " + other + ": open\n  http://localhost:",
		own + "  SIM and App (once a person has enrolled)\n",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in\n%s", want, said)
		}
	}
}

// TestGuide runs the commands of the sandbox's directory, as they are. They work whether or not Apps
// answer by themselves, and from any directory. If there is no signature, they show the fault.
func TestGuide(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "curl", "openssl", "sed", "base64", "sh")
	for _, phones := range []string{phonesAuto, phonesWeb} {
		t.Run(phones, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "a box")
			said := startSandbox(t, "--dir", dir, "--phone-delay", "10ms", "--phones", phones)
			if !strings.Contains(said, "  sh '"+dir+"/rest.sh'\n") {
				t.Errorf("it does not print the command:\n%s", said)
			}
			for _, wire := range []string{"rest", "soap"} {
				script := filepath.Join(dir, wire+".sh")
				out, errs, err := shell(t, "sh", script)
				if want := "Sandbox: Hello over " + strings.ToUpper(wire) + "\n"; err != nil || out != want || !strings.Contains(errs, "CMS Verification successful") {
					t.Errorf("%s: %q, %v\n%s", wire, out, err, errs)
				}
				if out, errs, err := shell(t, "sh", script, "+41000092404"); err == nil || out != "" || !strings.Contains(errs, "NO_KEY_FOUND") {
					t.Errorf("%s shows no fault: %q, %v\n%s", wire, out, err, errs)
				}
			}
		})
	}
}

// TestReadmeCurl runs the first curl command of the README, which shows a fault, too.
func TestReadmeCurl(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "curl", "openssl", "sed", "base64", "sh")
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile("(?s)### curl\n.*?```sh\n(.*?)```").FindSubmatch(readme)
	if command == nil {
		t.Fatal("no command")
	}
	dir := t.TempDir()
	startSandbox(t, "--dir", dir, "--phone-delay", "10ms")
	box, err := sandbox.ReadInfo(dir)
	if err != nil {
		t.Fatal(err)
	}
	script := "cd " + dir + "\n" + strings.ReplaceAll(string(command[1]), "https://127.0.0.1:8443", box.BaseURL)
	if out, errs, err := shell(t, "sh", "-c", script); err != nil || out != "Sandbox: Hello over REST" || !strings.Contains(errs, "CMS Verification successful") {
		t.Errorf("%s\ngave %q, %v\n%s", script, out, err, errs)
	}
	if out, errs, _ := shell(t, "sh", "-c", strings.Replace(script, "Sandbox: Hello", "Hello", 1)); !strings.Contains(out, "INAPPROPRIATE_DATA") || errs != "" {
		t.Errorf("without the prefix: %q\n%s", out, errs)
	}
}

// shell runs a command outside of the sandbox's directory.
func shell(t *testing.T, name string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
	defer stop()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = t.TempDir()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

// TestGuideAsynchronous sends an asynchronous request and its status query with the same curl
// commands, over both wires.
func TestGuideAsynchronous(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "curl", "openssl", "sed", "base64", "sh")
	dir := t.TempDir()
	startSandbox(t, "--dir", dir, "--phone-delay", "10ms")
	for _, wire := range []string{"rest", "soap"} {
		guide, err := os.ReadFile(filepath.Join(dir, wire+".sh"))
		if err != nil {
			t.Fatal(err)
		}
		command := regexp.MustCompile(`(?s)answer=\$\((curl .*?)\) \|\| exit`).FindSubmatch(guide)
		if command == nil {
			t.Fatalf("no command in\n%s", guide)
		}
		ask := strings.ReplaceAll(string(command[1]), `"synch"`, `"asynchClientServer"`)
		query := regexp.MustCompile(`(?s)-d '.*`).ReplaceAllString(strings.NewReplacer(
			"/rest/service/sign", "/rest/service/status", "MSS_SignaturePort", "MSS_StatusQueryPort").Replace(ask), "")
		head := regexp.MustCompile(`(?s)"AP_Info":\{.*?\}|<mss:AP_Info .*?/>`).FindString(ask)
		head = strings.ReplaceAll(head, `"$id"`, `"Q$i"`)
		if wire == "rest" {
			query += `-d '{"MSS_StatusReq":{"MajorVersion":"1","MinorVersion":"1",` + head + `,"MSSP_TransID":"'$trans'"}}'`
		} else {
			query += `-d '<soapenv:Envelope xmlns:soapenv="http://www.w3.org/2003/05/soap-envelope"><soapenv:Body>` +
				`<MSS_StatusQuery><mss:MSS_StatusReq xmlns:mss="http://uri.etsi.org/TS102204/v1.1.2#" MajorVersion="1" MinorVersion="1" MSSP_TransID="'$trans'">` +
				head + `</mss:MSS_StatusReq></MSS_StatusQuery></soapenv:Body></soapenv:Envelope>'`
		}
		script := "cd " + dir + "\nnumber=+41791000001 id=A$$ now=$(date -u +%FT%TZ)\n" +
			`trans=$(` + ask + ` | sed -n 's/.*MSSP_TransID[":=]*\([a-z0-9]*\)".*/\1/p')
for i in $(seq 600); do
  now=$(date -u +%FT%TZ)
  sig=$(` + query + ` | sed -n 's/.*Base64Signature[">:]*\([A-Za-z0-9+/=]\{9,\}\).*/\1/p')
  [ -n "$sig" ] && break
  sleep 0.2
done
echo "$sig" | base64 -d | openssl cms -verify -inform der -CAfile user-ca.pem -purpose sslclient`
		out, errs, err := shell(t, "sh", "-c", script)
		if err != nil || !strings.Contains(out, "Sandbox: Hello over "+strings.ToUpper(wire)) {
			t.Errorf("%s\ngave %v\n%s%s", script, err, out, errs)
		}
	}
}

// TestJavaTrustStore: the trust store and the party's key open in Java.
func TestJavaTrustStore(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "keytool")
	dir := t.TempDir()
	startSandbox(t, "--dir", dir, "--phone-delay", "0")
	b, err := os.ReadFile(filepath.Join(dir, sandbox.JavaFile))
	if err != nil {
		t.Fatal(err)
	}
	_, alias, _ := strings.Cut(string(b), "client.keyStore.certAlias=")
	alias, _, _ = strings.Cut(alias, "\n")
	for file, tc := range map[string]struct {
		args []string
		want string
	}{
		"truststore.p12": {nil, "trustedCertEntry"},
		"ap.p12":         {[]string{"-alias", alias}, "PrivateKeyEntry"},
		"ap-rsa.p12":     {[]string{"-alias", alias}, "PrivateKeyEntry"},
	} {
		args := append([]string{"-list", "-storetype", "PKCS12", "-keystore", dir + "/" + file, "-storepass", "secret"}, tc.args...)
		out, err := exec.CommandContext(t.Context(), "keytool", args...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), tc.want) {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
}
