package contract

import (
	_ "embed"
	"fmt"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"
)

//go:embed mobileid.yaml
var publicYAML []byte

// public is the contract of the public Mobile ID web service. Some of its own examples
// do not follow it.
var public = sync.OnceValues(func() (*openapi3.T, error) { return openapi3.NewLoader().LoadFromData(publicYAML) })

// Public reports what the contract of the public Mobile ID web service does not allow
// in a request. It is for examples, because a developer who copies one should reach
// both services.
func Public(path string, request []byte) error {
	doc, err := public()
	if err != nil {
		return err
	}
	item := doc.Paths.Value(path)
	if item == nil || item.Post == nil {
		return fmt.Errorf("the public contract has no POST %s", path)
	}
	return visit(item.Post.RequestBody.Value.Content, request, openapi3.VisitAsRequest())
}
