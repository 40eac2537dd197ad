package contract

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signum-mssp/signum/api"
)

// document is the OpenAPI document, which must itself be valid.
var document = sync.OnceValues(func() (*openapi3.T, error) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI)
	if err != nil {
		return nil, err
	}
	return doc, doc.Validate(context.Background(), openapi3.EnableExamplesValidation())
})

// REST reports what the contract does not allow in the answer of a path and,
// unless it is nil, in the request.
func REST(path string, request []byte, status int, response []byte) error {
	doc, err := document()
	if err != nil {
		return err
	}
	item := doc.Paths.Value(path)
	if item == nil || item.Post == nil {
		return fmt.Errorf("the contract has no POST %s", path)
	}
	if request != nil {
		if err := visit(item.Post.RequestBody.Value.Content, request, openapi3.VisitAsRequest()); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	answer := item.Post.Responses.Status(status)
	if answer == nil {
		return fmt.Errorf("the contract has no answer %d of %s", status, path)
	}
	if err := visit(answer.Value.Content, response, openapi3.VisitAsResponse()); err != nil {
		return fmt.Errorf("response: %w", err)
	}
	return instants(response)
}

// inAnswers is the form of instants in answers. The document describes it in words and
// not by a pattern: generators turn instants into times, and a pattern applies to
// strings only.
var inAnswers = regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}[.][0-9]{3}Z$`)

// instants reports an instant of an answer that has another form.
func instants(response []byte) error {
	for _, m := range instantMember.FindAllSubmatch(response, -1) {
		if !inAnswers.Match(m[2]) {
			return fmt.Errorf("response: %s is %s, want UTC with milliseconds", m[1], m[2])
		}
	}
	return nil
}

var instantMember = regexp.MustCompile(`"(Instant|Timestamp)"\s*:\s*"([^"]*)"`)

func visit(content openapi3.Content, body []byte, as openapi3.SchemaValidationOption) error {
	media := content.Get("application/json")
	if media == nil {
		return errors.New("the contract has no JSON there")
	}
	var value any
	if err := json.Unmarshal(bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF")), &value); err != nil {
		return err
	}
	return media.Schema.Value.VisitJSON(value, as, openapi3.EnableFormatValidation(), openapi3.MultiErrors())
}
