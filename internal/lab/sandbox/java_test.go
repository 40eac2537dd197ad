package sandbox

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestJavaProperties(t *testing.T) {
	t.Parallel()
	i := &Info{BaseURL: "https://127.0.0.1:8443", APID: "mid://sandbox"}
	got := string(i.javaProperties("/tmp/böx"))
	for _, want := range []string{
		"client.msspApId=mid://sandbox\n",
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
