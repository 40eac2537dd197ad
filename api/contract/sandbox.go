package contract

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signum-mssp/signum/api"
)

// sandboxDocument is the contract of the control addresses, which must itself be valid.
var sandboxDocument = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.SandboxOpenAPI)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background(), openapi3.EnableExamplesValidation())
})

// Exchange is a request to a control address of a sandbox, and its answer.
type Exchange struct {
	Method, Path      string // the path as it is sent
	RequestType       string // Content-Type
	Request, Response []byte
	Status            int
	ResponseType      string
}

// Sandbox reports what the contract of the control addresses does not allow in an answer
// and, if the sandbox accepted it, in the request.
func Sandbox(x Exchange) error {
	doc, err := sandboxDocument()
	if err != nil {
		return err
	}
	item := sandboxPath(doc, x.Path)
	switch {
	case item == nil && x.Status == http.StatusNotFound:
		return nil // no address of the sandbox
	case item == nil:
		return fmt.Errorf("the contract has no %s", x.Path)
	}
	op := item.GetOperation(x.Method)
	switch {
	case op == nil && (x.Status == http.StatusMethodNotAllowed || x.Method == http.MethodHead):
		return nil
	case op == nil:
		return fmt.Errorf("the contract has no %s %s", x.Method, x.Path)
	}
	if x.Status/100 == 2 {
		if err := sandboxRequest(op, x); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	answer := op.Responses.Status(x.Status)
	if answer == nil {
		return fmt.Errorf("the contract has no answer %d of %s %s", x.Status, x.Method, x.Path)
	}
	if err := body(answer.Value.Content, x.ResponseType, x.Response, openapi3.VisitAsResponse()); err != nil {
		return fmt.Errorf("answer %d: %w", x.Status, err)
	}
	return nil
}

func sandboxRequest(op *openapi3.Operation, x Exchange) error {
	switch {
	case op.RequestBody == nil && len(x.Request) > 0:
		return errors.New("the contract has no body there")
	case op.RequestBody == nil, len(x.Request) == 0 && !op.RequestBody.Value.Required:
		return nil
	}
	contentType := x.RequestType
	if contentType == "" || contentType == "application/x-www-form-urlencoded" {
		contentType = "application/json" // what curl -d sends is read as JSON
	}
	return body(op.RequestBody.Value.Content, contentType, x.Request, openapi3.VisitAsRequest())
}

// body validates JSON by its schema. Of other types it knows only whether they are there.
func body(content openapi3.Content, contentType string, data []byte, as openapi3.SchemaValidationOption) error {
	if len(content) == 0 {
		if len(data) > 0 {
			return fmt.Errorf("a body, which the contract does not have: %q", data)
		}
		return nil
	}
	name, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return fmt.Errorf("Content-Type %q: %w", contentType, err)
	}
	media := content.Get(name)
	if media == nil {
		return fmt.Errorf("the contract has no %s there", name)
	}
	if !strings.HasSuffix(name, "json") {
		return nil
	}
	var value any
	if err := json.Unmarshal(data, &value); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(value, as, openapi3.EnableFormatValidation(), openapi3.MultiErrors())
}

// sandboxPath finds the path of the document that covers a path. One without parameters
// wins.
func sandboxPath(doc *openapi3.T, path string) *openapi3.PathItem {
	if item := doc.Paths.Value(path); item != nil {
		return item
	}
	parts := strings.Split(path, "/")
	for _, template := range doc.Paths.InMatchingOrder() {
		names := strings.Split(template, "/")
		if len(names) != len(parts) {
			continue
		}
		fits := true
		for i, name := range names {
			text, err := url.PathUnescape(parts[i])
			fits = fits && err == nil && (name == text || strings.HasPrefix(name, "{") && text != "")
		}
		if fits {
			return doc.Paths.Value(template)
		}
	}
	return nil
}

// SandboxOperations returns the operations of the contract of the control addresses as
// patterns of http.ServeMux.
func SandboxOperations() (patterns []string, err error) {
	doc, err := sandboxDocument()
	if err != nil {
		return nil, err
	}
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			patterns = append(patterns, method+" "+path)
		}
	}
	return patterns, nil
}
