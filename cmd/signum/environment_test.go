//go:build !nolab

package main

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// TestEnvironment: every flag of the sandbox has a variable. A flag takes precedence over it.
func TestEnvironment(t *testing.T) {
	for _, tt := range []struct {
		flag, text string
		args       []string
		want       string // of the flag, as pflag prints it
	}{
		{"addr", "0.0.0.0:8443", nil, "0.0.0.0:8443"},
		{"addr", "0.0.0.0:8443", []string{"--addr", "127.0.0.1:1"}, "127.0.0.1:1"},
		{"addr", "", nil, "127.0.0.1:8443"},
		{"pki-addr", "0.0.0.0:8445", nil, "0.0.0.0:8445"},
		{"once", "true", nil, "true"},
		{"once", "true", []string{"--once=false"}, "false"},
		{"phone-delay", "1s", nil, "1s"},
		{"host", "signum;localhost", nil, "[signum,localhost]"},
		{"host", "signum,localhost", nil, "[signum,localhost]"},
		{"host", "signum", []string{"--host", "a", "--host", "b"}, "[a,b]"},
		{"user", "+41791234567; +41791234568 ;", nil, "[+41791234567,+41791234568 ]"},
		{"party", "mid://a,prefix=A: ,lang=de;mid://b", nil, `["mid://a,prefix=A: ,lang=de",mid://b]`},
		{"party", "mid://a,prefix=A; \n mid://b\n", nil, `["mid://a,prefix=A; ",mid://b]`},
		{"location", "+41791000001=CH,age=3h;+41791000003=DE", nil, `["+41791000001=CH,age=3h",+41791000003=DE]`},
		{"phone", "+41791000001=cancel;", nil, "[+41791000001=cancel]"},
		{"smsc", "smpp://u:a;b@h:1", nil, "smpp://u:a;b@h:1"},
	} {
		t.Setenv(variable(tt.flag), tt.text)
		fl := newSandboxCmd().Flags()
		if err := fl.Parse(tt.args); err != nil {
			t.Fatal(err)
		}
		_, err := setFromEnvironment(fl, nil)
		if got := fl.Lookup(tt.flag).Value.String(); err != nil || got != tt.want {
			t.Errorf("%s=%q, %v: %s, want %s; %v", variable(tt.flag), tt.text, tt.args, got, tt.want, err)
		}
		t.Setenv(variable(tt.flag), "")
	}
	newSandboxCmd().Flags().VisitAll(func(f *pflag.Flag) {
		t.Setenv(variable(f.Name), map[string]string{"bool": "true", "duration": "5s", "stringToString": "+41=cancel"}[f.Value.Type()]+map[bool]string{true: "x"}[strings.HasPrefix(f.Value.Type(), "string") && f.Value.Type() != "stringToString"])
		fl := newSandboxCmd().Flags()
		if set, err := setFromEnvironment(fl, nil); err != nil || !slices.Equal(set, []string{f.Name}) {
			t.Errorf("%s sets %v, %v", variable(f.Name), set, err)
		}
		t.Setenv(variable(f.Name), "")
	})
}

// TestEnvironmentErrors: an error names the variable whose value is wrong, and the flag if that was given.
func TestEnvironmentErrors(t *testing.T) {
	for _, tt := range []struct{ name, text, args, want string }{
		{"SIGNUM_PHONE_DELAY", "soon", "", `$SIGNUM_PHONE_DELAY: time: invalid duration "soon"`},
		{"SIGNUM_ONCE", "perhaps", "", "$SIGNUM_ONCE: "},
		{"SIGNUM_ADDR", "nowhere", "", "$SIGNUM_ADDR: \"nowhere\" is not host:port"},
		{"SIGNUM_ADDR", "nowhere", "--addr elsewhere", "--addr: \"elsewhere\" is not host:port"},
		{"SIGNUM_PHONES", "nobody", "", "$SIGNUM_PHONES nobody: not one of"},
		{"SIGNUM_HOST", "signum:8443", "", "$SIGNUM_HOST: "},
		{"SIGNUM_PHONE", "+41799999999=cancel", "--addr 127.0.0.1:0", "$SIGNUM_PHONE: +41799999999: no phone that answers by itself has this number; --user adds"},
	} {
		t.Setenv(tt.name, tt.text)
		args := append([]string{"sandbox", "--dir", t.TempDir()}, strings.Fields(tt.args)...)
		if _, stderr, code := execute(t.Context(), newRootCmd(), "", args...); code != exitLocal || !strings.Contains(stderr, tt.want) {
			t.Errorf("%s=%s %s: exit %d, %q; want %q", tt.name, tt.text, tt.args, code, stderr, tt.want)
		}
		t.Setenv(tt.name, "")
	}
}

// TestEnvironmentTypos: a variable that looks like another is a typing error; what Kubernetes sets for a
// service with the name signum is not.
func TestEnvironmentTypos(t *testing.T) {
	for name, want := range map[string]string{
		"SIGNUM_PHONE_DELY": "SIGNUM_PHONE_DELAY", "SIGNUM_PKIADDR": "SIGNUM_PKI_ADDR", "SIGNUM_HOSTS": "SIGNUM_HOST", "SIGNUM_PUBLIC": "SIGNUM_PUBLIC_URL", "SIGNUM_PUBLIC_URI": "SIGNUM_PUBLIC_URL",
		"SIGNUM_ADDR": "", "SIGNUM_SANDBOX": "", "SIGNUM_AP_PASSWORD": "", "SIGNUM_URL": "", "SIGNUM_SERVICE_HOST": "", "SIGNUM_SERVICE_PORT": "", "SIGNUM_PORT": "",
		"SIGNUM_PORT_8443_TCP_ADDR": "", "SIGNUM_LISTEN_MSS_ADDRESS": "", "SIGNUMX": "", "HOSTS": "",
	} {
		hints := mistyped(newSandboxCmd().Flags(), []string{name + "=x"})
		if want == "" && len(hints) > 0 || want != "" && (len(hints) != 1 || !strings.HasSuffix(hints[0], "did you mean "+want+"?")) {
			t.Errorf("%s: %q", name, hints)
		}
	}
}

// TestEnvironmentOfClients: the variables of a client's flags stand for them, but not beside --sandbox.
func TestEnvironmentOfClients(t *testing.T) {
	f, other := newFakeService(t), newFakeService(t)
	t.Setenv(envSandbox, "")
	t.Setenv("SIGNUM_URL", f.url)
	t.Setenv("SIGNUM_AP_ID", "mid://test")
	t.Setenv("SIGNUM_SERVER_CA", f.dir+"/server-ca.pem")
	t.Setenv("SIGNUM_USER_CA", f.dir+"/user-ca.pem")
	t.Setenv("SIGNUM_CERT", f.dir+"/nothing.crt")
	if _, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "+41791000001", "Test: Hello"); code != exitLocal || !strings.Contains(stderr, "$SIGNUM_CERT and --key: open") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	t.Setenv("SIGNUM_CERT", f.dir+"/ap.crt")
	t.Setenv("SIGNUM_KEY", f.dir+"/ap.key")
	if _, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "+41791000001", "Test: Hello"); code != 0 {
		t.Errorf("exit %d, %q", code, stderr)
	}
	t.Setenv("SIGNUM_URL", "https://127.0.0.1:1")
	if _, stderr, code := execute(t.Context(), newRootCmd(), "", "sign", "--sandbox", other.dir, "+41791000001", "Test: Hello"); code != 0 {
		t.Errorf("--sandbox beside the variables: exit %d, %q", code, stderr)
	}
}

func TestInTermsOf(t *testing.T) {
	cause := errors.New("--pki-addr and --pki-addr-x and --addr: --pki-addr")
	err := inTermsOf([]string{"pki-addr"}, cause)
	if err.Error() != "$SIGNUM_PKI_ADDR and --pki-addr-x and --addr: $SIGNUM_PKI_ADDR" || !errors.Is(err, cause) {
		t.Error(err)
	}
	if inTermsOf([]string{"pki-addr"}, nil) != nil {
		t.Error("an error out of nothing")
	}
}

func TestWideWildcards(t *testing.T) {
	hints := wideWildcards([]string{"*.test", "*.signum.test", "signum", "signum.test", "*."})
	if len(hints) != 1 || !strings.HasPrefix(hints[0], "--host *.test: ") || !strings.Contains(hints[0], "*.signum.test works") {
		t.Errorf("%q", hints)
	}
}
