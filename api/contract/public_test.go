package contract

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// requestPaths are where the messages go.
var requestPaths = map[string]string{
	"MSS_SignatureReq": "/rest/service/sign", "MSS_StatusReq": "/rest/service/status",
	"MSS_ReceiptReq": "/rest/service/receipt", "MSS_ProfileReq": "/rest/service/profile",
}

// TestExamplesArePublic: the examples of requests in the README and that of the sandbox's
// directory are valid under both contracts. Those of docs/api.md are sent to a sandbox, whose
// tests hold them against both.
func TestExamplesArePublic(t *testing.T) {
	// What a shell or a template puts in.
	fill := strings.NewReplacer("'$(date +%s%N)'", "1", "'$(date -u +%FT%TZ)'", "2026-01-01T12:00:00Z", `'"$id"'`, "1", `'"$now"'`, "2026-01-01T12:00:00Z", `'"$number"'`, "+41791000001",
		"{{.APID}}", "mid://sandbox", "{{.DTBDPrefix}}", "Sandbox: ")
	begin := regexp.MustCompile(`\{"(MSS_[A-Za-z]+Req)":`)
	for file, least := range map[string]int{"../../README.md": 1, "../../internal/lab/sandbox/guide/rest.sh.tmpl": 1} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text := fill.Replace(string(b))
		found := begin.FindAllStringSubmatchIndex(text, -1)
		if len(found) < least {
			t.Errorf("%s: only %d examples", file, len(found))
		}
		for _, at := range found {
			var message json.RawMessage
			if err := json.NewDecoder(strings.NewReader(text[at[0]:])).Decode(&message); err != nil {
				t.Fatalf("%s: %v in %.200s", file, err, text[at[0]:])
			}
			path := requestPaths[text[at[2]:at[3]]]
			if err := Public(path, message); err != nil {
				t.Errorf("%s: %v in %s", file, err, message)
			}
			if err := REST(path, message, 500, example(t, "fault")); err != nil {
				t.Errorf("%s: %v", file, err)
			}
		}
	}
}

// TestContractExamplesArePublic: so are the examples of requests in the OpenAPI document.
func TestContractExamplesArePublic(t *testing.T) {
	for path, list := range calls {
		for _, c := range list {
			if err := Public(path, example(t, c[0])); err != nil {
				t.Errorf("%s: %v", c[0], err)
			}
		}
	}
}

// TestPublicRefuses: the public contract requires what its text says is not required.
func TestPublicRefuses(t *testing.T) {
	const request = `{"MSS_StatusReq":{"AP_Info":{"AP_ID":"x","AP_TransID":"y","Instant":"2026-01-01T12:00:00Z"},"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"},"Instant":"2026-01-01T12:00:00Z"},"MajorVersion":"1","MinorVersion":"1","MSSP_TransID":"h"}}`
	if err := Public("/rest/service/status", []byte(request)); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{strings.Replace(request, `,"Instant":"2026-01-01T12:00:00Z"},"Major`, `},"Major`, 1), "{}", "{"} {
		if bad == request || Public("/rest/service/status", []byte(bad)) == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
	if Public("/rest/service", []byte(request)) == nil {
		t.Error("the public service has no common address")
	}
}

// The requests of the Go client follow the contract, too. Left out are those that are
// wrong on purpose and those with a service that the contract does not have.
func TestClientIsPublic(t *testing.T) {
	for name, path := range map[string]string{
		"sign": "/rest/service/sign", "sign-async": "/rest/service/sign", "status": "/rest/service/status",
		"receipt": "/rest/service/receipt", "profile": "/rest/service/profile",
	} {
		request, err := os.ReadFile(filepath.Join("..", "..", "client", "testdata", name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if err := Public(path, request); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
