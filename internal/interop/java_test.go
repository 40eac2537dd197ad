package interop

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/testkit"
)

// A Java program builds its TLS context and its trust from the files that
// java-client.properties names, calls over SOAP and REST with the texts that the Java
// client has built in, and validates each signature with Bouncy Castle.
func TestJavaFiles(t *testing.T) {
	t.Parallel()
	jars := testkit.JavaPackages(t, "bouncycastle", folder(t, "java", "pom.xml")) + "/lib/*"
	w := newWorkshop(t, "java")
	w.run("javac", "--release", "8", "-Xlint:-options", "-encoding", "UTF-8", "-cp", jars, "Client.java")
	box := open(t)
	out := w.run("java", "-cp", ".:"+jars, "Client", box.Path(sandbox.JavaFile), box.Path(sandbox.APRSAP12File),
		newUser(t, signum.SIM), newUser(t, signum.App))
	want, err := os.ReadFile("testdata/java/want.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimSpace(string(want)), strings.TrimSpace(string(out))); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}
