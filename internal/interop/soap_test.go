package interop

import (
	"os"
	"testing"

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
