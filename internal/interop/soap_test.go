package interop

import (
	"os"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/testkit"
)

// PHP's SoapClient reads the WSDL that the sandbox serves, when it starts.
func TestPHP(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "php")
	w := newWorkshop(t, "php")
	w.partyPEM("party.pem")
	check(t, w.run("php", "-n", "-d", "extension=soap", "client.php"))
}

// partyPEM writes the certificate of the party with its key, for clients that want
// both in one file.
func (w *workshop) partyPEM(name string) {
	w.t.Helper()
	var both []byte
	for _, file := range []string{"ap.crt", "ap.key"} {
		b, err := os.ReadFile(open(w.t).Path(file))
		if err != nil {
			w.t.Fatal(err)
		}
		both = append(both, b...)
	}
	w.write(name, both)
}

// zeep reads the served WSDL when it starts, and in its strict mode refuses answers that
// are not as the WSDL says.
func TestZeep(t *testing.T) {
	t.Parallel()
	packages := testkit.PythonPackages(t, "zeep", folder(t, "zeep", "requirements.txt"))
	w := newWorkshop(t, "zeep")
	check(t, w.run(packages+"/.venv/bin/python", "client.py"))
}

// wsimport makes classes from the served WSDL, all in one package.
func TestWsimport(t *testing.T) {
	t.Parallel()
	jars := testkit.JavaPackages(t, "wsimport", folder(t, "wsimport", "pom.xml")) + "/lib/*"
	w := newWorkshop(t, "wsimport")
	w.write("signum.wsdl", served(t, "/soap/services/MSS_SignaturePort?wsdl"))
	w.run("java", "-cp", jars, "com.sun.tools.ws.WsImport", "-quiet", "-extension", "-p", "mobileid", "signum.wsdl")
	w.run("javac", "-encoding", "UTF-8", "-cp", ".:"+jars, "Client.java")
	out := w.run("java", "-cp", ".:"+jars,
		"-Djavax.net.ssl.keyStore="+open(t).Path(sandbox.APP12File), "-Djavax.net.ssl.keyStorePassword="+sandbox.Password,
		"-Djavax.net.ssl.trustStore="+open(t).Path(sandbox.TruststoreFile), "-Djavax.net.ssl.trustStorePassword="+sandbox.Password,
		"Client")
	check(t, out)
}

// gSOAP makes C from the served WSDL, and checks answers strictly.
func TestGSOAP(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "wsdl2h", "soapcpp2", "gcc")
	w := newWorkshop(t, "gsoap")
	w.partyPEM("party.pem")
	w.write("signum.wsdl", served(t, "/soap/services/MSS_SignaturePort?wsdl"))
	w.run("wsdl2h", "-c", "-g", "-t", "typemap.dat", "-o", "signum.h", "signum.wsdl")
	w.run("soapcpp2", "-c", "-C", "-x", "-L", "signum.h")
	w.run("gcc", "-O0", "-DWITH_IPV6", "-DWITH_OPENSSL", "-DWITH_GZIP", "-DWITH_DOM", "-o", "client", "client.c", "soapC.c", "soapClient.c", "-lgsoapssl")
	check(t, w.run("./client"))
}
