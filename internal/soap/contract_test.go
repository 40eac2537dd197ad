package soap

import (
	"bytes"
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/api/contract"
)

// The golden answers, all faults, and the requests from clients that follow the
// contract are valid under it. The other clients use other namespaces, or send what
// the contract does not define.
func TestMessagesKeepTheContract(t *testing.T) {
	others := map[string]bool{"php.xml": true, "soap11.xml": true, "unqualified.xml": true, "services.xml": true, "profile-getters.xml": true}
	var messages [][]byte
	for name := range fixtures {
		if !others[name] {
			messages = append(messages, fixture(t, name))
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "answers", "*.xml"))
	if err != nil || len(files) < 30 {
		t.Fatal(len(files), err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		messages = append(messages, b)
	}
	for _, r := range answers {
		for _, form := range forms {
			messages = append(messages, Wire{}.AppendResponse(nil, form, r))
		}
	}
	portal := Wire{PortalURL: "https://portal.example/?a=1&b=2"}
	for c := signum.Code(0); c < 1000; c++ {
		if c.Known() && c >= 100 {
			messages = append(messages, portal.AppendFault(nil, 0, signum.NewFault(c)))
		}
	}
	contract.SOAP(t, messages...)
}

// Every endpoint serves the contract, with addresses below whatever base URL the
// client used.
func TestDocuments(t *testing.T) {
	endpoints, docs := Wire{}.Endpoints(), Wire{}.Documents()
	if len(docs) != len(endpoints) {
		t.Fatalf("%d documents for %d endpoints", len(docs), len(endpoints))
	}
	for _, base := range []string{"https://localhost:8443", `https://a"b'c<&>`, api.Base} {
		for i, doc := range docs {
			if doc.Path != endpoints[i].Path || doc.Query != "wsdl" || doc.ContentType != "text/xml;charset=utf-8" {
				t.Errorf("%+v", doc)
			}
			got := locations(t, doc.Body(base))
			if len(got) != len(endpoints) {
				t.Errorf("locations %v", got)
			}
			if !got[base+doc.Path] {
				t.Errorf("no location %s in %v", base+doc.Path, got)
			}
		}
	}
}

func locations(t *testing.T, wsdl []byte) map[string]bool {
	t.Helper()
	list := make(map[string]bool)
	for d := xml.NewDecoder(bytes.NewReader(wsdl)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return list
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := token.(xml.StartElement); ok && e.Name.Local == "address" {
			list[e.Attr[0].Value] = true
		}
	}
}
