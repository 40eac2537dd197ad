package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// javaKeys are the settings that the command line of the Java client (1.5.7 to 1.6.0)
// reads. Without client.tls.sslContext it does not connect over SOAP.
var javaKeys = []string{
	"client.msspApId", "client.msspApPassword",
	"client.keyStore.file", "client.keyStore.password", "client.keyStore.keyPassword", "client.keyStore.certAlias",
	"client.tls.sslContext",
	"client.http.connectionTimeoutInSeconds", "client.http.responseTimeoutInSeconds",
	"client.signatureValidation.trustStore.file", "client.signatureValidation.trustStore.password", "client.signatureValidation.trustStore.type",
	"client.proxy.enabled", "client.proxy.host", "client.proxy.port", "client.proxy.username", "client.proxy.password",
	"server.trustStore.file", "server.trustStore.password", "server.hostnameVerification",
	"server.rest.url",
	"server.soap.signatureUrl", "server.soap.statusQueryUrl", "server.soap.receiptUrl", "server.soap.profileQueryUrl",
}

func TestJavaProperties(t *testing.T) {
	t.Parallel()
	i := &Info{BaseURL: "https://127.0.0.1:8443"}
	got := string(i.javaProperties("/tmp/böx"))
	var keys []string
	for line := range strings.Lines(got) {
		key, _, _ := strings.Cut(line, "=")
		keys = append(keys, key)
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(javaKeys)), slices.Sorted(slices.Values(keys))); diff != "" {
		t.Errorf("settings (-read by the client +written):\n%s", diff)
	}
	for _, want := range []string{
		"client.msspApId=mid://sandbox/open\n",
		"client.tls.sslContext=TLS\n",
		`client.keyStore.file=/tmp/b\u00f6x/ap.p12` + "\n",
		`server.trustStore.file=/tmp/b\u00f6x/truststore.p12` + "\n",
		"client.keyStore.certAlias=1\n",
		"server.rest.url=https://127.0.0.1:8443/rest/service\n",
		"server.soap.profileQueryUrl=https://127.0.0.1:8443/soap/services/MSS_ProfileQueryPort\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in\n%s", want, got)
		}
	}
	for in, want := range map[string]string{
		"":              "",
		`C:\Users\me=x`: `C:\\Users\\me=x`,
		" a b #!":       `\ a b #!`,
		"é\t😀":          `\u00e9\u0009\ud83d\ude00`,
	} {
		if got := javaValue(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// The paths are absolute even if the directory was given as a relative one.
func TestJavaFileIsAbsolute(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("box", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := (&Info{}).write("box"); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join("box", JavaFile))
	if err != nil {
		t.Fatal(err)
	}
	_, path, _ := strings.Cut(string(b), "client.keyStore.file=")
	path, _, _ = strings.Cut(path, "\n")
	if !filepath.IsAbs(path) || filepath.Base(path) != APP12File {
		t.Errorf("the key store is %q", path)
	}
}
