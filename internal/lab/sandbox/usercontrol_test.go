package sandbox

import (
	"strings"
	"testing"

	"github.com/signum-mssp/signum/internal/lab/person"

	"github.com/signum-mssp/signum"
)

// Users are added, changed, cancelled and removed over HTTP.
func TestUserControl(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const users, msisdn = "/sandbox/v1/users", "+41791234567"
	check := func(method, path, body string, status int, want string) {
		t.Helper()
		got, answer := f.control(t, method, path, body)
		if got != status || !strings.Contains(answer, want) {
			t.Errorf("%s %s %s: %d %s, want %d %s", method, path, body, got, answer, status, want)
		}
	}
	check("GET", users, "", 200, `{"users":[{"msisdn":"+41700092501","methods":["SIM"]`)
	check("GET", users+"/"+msisdn, "", 404, msisdn+": no such user")
	check("DELETE", users+"/"+msisdn, "", 404, "no such user")
	check("PATCH", users+"/"+msisdn, `{"state":"ACTIVE"}`, 404, "no such user")
	check("PUT", users+"/41791234567", `{"methods":["SIM"],"state":"PIN_BLOCKED"}`, 201, `"state":"PIN_BLOCKED"`)
	check("PATCH", users+"/"+msisdn, `{"state":null,"location":"DE"}`, 200, `"state":"ACTIVE","network":"22801","location":"DE"`)
	check("PUT", users+"/"+msisdn, `{"msisdn":"+41791234567","methods":[]}`, 200, `"methods":[]`)
	check("PUT", users+"/+4179001*", `{}`, 201, `"msisdn":"+4179001*"`)
	check("DELETE", users+"/+4179001*", "", 204, "")
	for body, want := range map[string]string{
		`{"msisdn":"+41791234568"}`: "differs", `{"languge":"de"}`: "unknown field", `{"state":"asleep"}`: "not one of active", `[]`: "not the expected JSON",
		`{"methods":["App"],"key_type":"RSA"}`: "always EC", ``: "not the expected JSON",
	} {
		check("PUT", users+"/"+msisdn, body, 400, want)
		check("PATCH", users+"/"+msisdn, body, 400, want)
	}
	check("PUT", users+"/0791234567", `{}`, 400, "not a phone number")
	check("DELETE", users+"/"+msisdn, "", 204, "")

	silent := f.addUser(person.Silent, signum.SIM)
	check("POST", "/sandbox/v1/phones/"+silent+"/cancel", "", 200, `{"cancelled":[]}`)
	waiting := f.open(silent)
	check("POST", "/sandbox/v1/phones/"+silent+"/cancel", "", 200, `"operation":"signature"`)
	<-waiting
	check("POST", "/sandbox/v1/phones/"+msisdn+"/cancel", "", 404, "no such user")
	check("POST", "/sandbox/v1/reset", "", 204, "")
}
