package interop

import (
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// SoapClient sends every element of the WSDL that has the name of a member: each must be
// there once.
func TestPHP(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "php")
	w := newWorkshop(t, "php")
	w.follow("contracts")
	check(t, w.follow("php"))
}

// zeep, in its strict mode, refuses answers that are not as the WSDL says.
func TestZeep(t *testing.T) {
	t.Parallel()
	packages := testkit.PythonPackages(t, "zeep", folder(t, "zeep", "requirements.txt"))
	w := newWorkshop(t, "zeep")
	w.path(filepath.Join(packages, ".venv", "bin"))
	check(t, w.follow("zeep"))
}

// wsimport makes classes of the WSDL, all in one package.
func TestWsimport(t *testing.T) {
	t.Parallel()
	packages := testkit.JavaPackages(t, "wsimport", folder(t, "wsimport", "pom.xml"))
	w := newWorkshop(t, "wsimport")
	w.link(filepath.Join(packages, "lib"), "lib")
	w.follow("contracts")
	check(t, w.follow("wsimport"))
}

// gSOAP makes C of the WSDL. The program has its strict checks of XML.
func TestGSOAP(t *testing.T) {
	t.Parallel()
	testkit.Needs(t, "wsdl2h", "soapcpp2", "gcc")
	w := newWorkshop(t, "gsoap")
	w.follow("contracts")
	check(t, w.follow("gsoap"))
}
