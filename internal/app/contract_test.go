package app

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signum-mssp/signum/api"
)

var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.AppOpenAPI)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background(), openapi3.EnableExamplesValidation())
})

func TestDocument(t *testing.T) {
	t.Parallel()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	r := w.do("GET", "/app/v2/openapi.yaml", "", nil)
	if r.status != http.StatusOK || string(r.body) != string(api.AppOpenAPI) {
		t.Fatalf("%d", r.status)
	}
	// The service serves what the document describes, and nothing else.
	logo := testLogo(t, w)
	for path, item := range doc.Paths.Map() {
		path = strings.ReplaceAll(path, "{id}", logo)
		for method := range item.Operations() {
			if r := w.do(method, path, "", nil); r.status == http.StatusNotFound && r.member("error") == "unknown" {
				t.Errorf("%s %s is not served", method, path)
			}
		}
	}
	for _, c := range [][2]string{{"GET", "/app/v2/answer"}, {"POST", "/app/v2/none"}, {"OPTIONS", "/app/v2/answer"}, {"GET", "/"}} {
		if r := w.do(c[0], c[1], "", nil); r.status != http.StatusNotFound {
			t.Errorf("%v: %d", c, r.status)
		}
	}
}

// An App of the first version is told so by every call, whatever it sends.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range [][2]string{
		{"POST", "/app/v1/answer"}, {"POST", "/app/v1/enrol/begin"}, {"GET", "/app/v1/inbox"}, {"GET", "/app/v1/openapi.yaml"},
		{"DELETE", "/app/v1/device"}, {"POST", "/app/v1/none"}, {"GET", "/app/v1/"},
	} {
		r := w.do(c[0], c[1], "not a proof", []byte("not JSON"))
		r.is(t, http.StatusGone, "upgrade")
		if got := r.member("detail"); got != "This App is too old for the service. Install the current version." {
			t.Errorf("%v: detail %q", c, got)
		}
	}
}

// contract checks an exchange against the document. The body of a refused request
// may be anything.
func contract(method, uri string, request []byte, r reply) error {
	doc, err := document()
	if err != nil {
		return err
	}
	path, _, _ := strings.Cut(uri, "?")
	item := doc.Paths.Value(path)
	if strings.HasPrefix(path, logoPath) {
		item = doc.Paths.Value(logoPath + "{id}.png")
	}
	if item == nil || item.GetOperation(method) == nil {
		if r.status != http.StatusNotFound && !strings.HasPrefix(path, firstBase) {
			return fmt.Errorf("the contract has no %s %s", method, path)
		}
		return nil
	}
	op := item.GetOperation(method)
	if r.status < 300 && op.RequestBody != nil {
		if err := visit(op.RequestBody.Value.Content.Get("application/json"), request, openapi3.VisitAsRequest()); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	answer := op.Responses.Status(r.status)
	if answer == nil {
		return fmt.Errorf("the contract has no answer %d", r.status)
	}
	for name, h := range answer.Value.Headers {
		if h.Value.Required && r.head.Get(name) == "" {
			return fmt.Errorf("no header %s", name)
		}
	}
	if len(answer.Value.Content) == 0 {
		if len(r.body) > 0 {
			return fmt.Errorf("the contract has no body")
		}
		return nil
	}
	mime := r.head.Get("Content-Type")
	media := answer.Value.Content.Get(mime)
	if media == nil {
		return fmt.Errorf("the contract has no %s", mime)
	}
	if mime != "application/json" {
		return nil
	}
	return visit(media, r.body, openapi3.VisitAsResponse())
}

func visit(media *openapi3.MediaType, body []byte, as openapi3.SchemaValidationOption) error {
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(value, as, openapi3.EnableFormatValidation(), openapi3.MultiErrors())
}

// contractFrame checks a frame against its schema.
func contractFrame(schema string, body []byte) error {
	doc, err := document()
	if err != nil {
		return err
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return err
	}
	return doc.Components.Schemas[schema].Value.VisitJSON(value, openapi3.MultiErrors())
}
