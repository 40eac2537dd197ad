package rest

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/api/contract"
)

// paths are the endpoints of the messages.
var paths = map[string]string{
	"MSS_Signature": "/rest/service/sign", "MSS_Status": "/rest/service/status",
	"MSS_Receipt": "/rest/service/receipt", "MSS_Profile": "/rest/service/profile",
}

func pathOf(t *testing.T, body []byte) string {
	t.Helper()
	for name, path := range paths {
		if bytes.Contains(body[:min(len(body), 40)], []byte(`"`+name)) {
			return path
		}
	}
	t.Fatalf("no message in %.40s", body)
	return ""
}

// The golden answers follow the contract.
func TestAnswersKeepTheContract(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "answers", "*.json"))
	if err != nil || len(files) < 15 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		body, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		status, list := 200, []string{"/rest/service"}
		if strings.HasPrefix(filepath.Base(name), "fault-") {
			status = 500
			for _, path := range paths {
				list = append(list, path)
			}
		} else {
			list = append(list, pathOf(t, body))
		}
		for _, path := range list {
			if err := contract.REST(path, nil, status, body); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	for c := signum.Code(0); c < 1000; c++ {
		if c.Detail() == "" || c.IsStatus() {
			continue
		}
		if err := contract.REST("/rest/service/sign", nil, 500, Wire{}.AppendFault(nil, 0, signum.NewFault(c))); err != nil {
			t.Error(err)
		}
	}
}

// The requests in testdata from clients that follow the contract are valid under it.
// The other clients write numbers and booleans in place of strings.
func TestRequestsKeepTheContract(t *testing.T) {
	others := map[string]bool{"java.json": true, "receipt-java.json": true, "profile-array.json": true}
	for name := range fixtures {
		body := fixture(t, name)
		path := pathOf(t, bytes.TrimPrefix(body, byteOrderMark))
		for _, p := range []string{path, "/rest/service"} {
			err := contract.REST(p, body, 500, Wire{}.AppendFault(nil, 0, nil))
			if (err != nil) != others[name] {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}

// Endpoints and contract have the same paths.
func TestContractPaths(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(Wire{}.Endpoints()); doc.Paths.Len() != n {
		t.Errorf("%d paths for %d endpoints", doc.Paths.Len(), n)
	}
	for _, ep := range (Wire{}).Endpoints() {
		if doc.Paths.Value(ep.Path) == nil {
			t.Errorf("no path %s", ep.Path)
		}
	}
}

// The document names the server by whatever address the client used.
func TestDocuments(t *testing.T) {
	docs := Wire{}.Documents()
	if len(docs) != 1 || docs[0].Path != "/rest/openapi.yaml" || docs[0].Query != "" || docs[0].ContentType != "application/yaml" {
		t.Fatalf("%+v", docs)
	}
	for _, base := range []string{"https://localhost:8443", `https://a"b'c<&>{}#: \`, api.Base} {
		doc, err := openapi3.NewLoader().LoadFromData(docs[0].Body(base))
		if err != nil {
			t.Fatal(err)
		}
		if len(doc.Servers) != 1 || doc.Servers[0].URL != base {
			t.Errorf("servers %+v, want %s", doc.Servers[0], base)
		}
	}
}
