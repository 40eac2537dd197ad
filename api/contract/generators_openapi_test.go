package contract

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signum-mssp/signum/api"
)

// notStrings are the formats for which generators use a type that is no string, to
// which they then apply a pattern or a length.
var notStrings = []string{"date-time", "date", "byte", "binary", "uuid"}

// derived are the names that generators make of an operation, OP.
var derived = []string{
	"OPRequest", "OPResponse", "OPParams", "OPJSONBody", "OPJSONRequestBody", "OPOperationRequest", "OPRequestBody",
	"NewOPRequest", "ParseOPResponse", "OPWithBody", "OPWithResponse", "OP200Response",
}

// taken are names that the languages of generators, or the code around the generated
// types, give to something else.
var taken = []string{
	"Any", "Array", "BaseAPI", "Blob", "Boolean", "Byte", "Character", "Class", "Client", "ClientInterface", "ClientOption", "ClientWithResponses",
	"Configuration", "Date", "Decimal", "Double", "Dict", "Enum", "Error", "Exception", "Float", "Function", "Integer", "Iterable", "List", "Long", "Map", "Middleware",
	"Number", "Object", "Optional", "Process", "Promise", "Record", "RequestContext", "Response", "ResponseContext", "Set", "Short", "String", "Symbol", "Thread",
	"Type", "Union", "Void",
}

// openAPIForGenerators returns what generators of code cannot do with a document, or do
// badly.
func openAPIForGenerators(doc *openapi3.T) (faults []string) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	fold := func(name string) string {
		return strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
	}
	names := map[string]string{}
	reserve := func(name, owner string) {
		if other, reserved := names[fold(name)]; reserved {
			fault("%s has the name of %s", owner, other)
		}
		names[fold(name)] = owner
	}
	for _, name := range taken {
		reserve(name, name)
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			if op.OperationID == "" {
				fault("%s %s has no operationId", method, path)
			}
			for _, form := range derived {
				name := strings.ReplaceAll(form, "OP", op.OperationID)
				reserve(name, name+" of an operation")
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		reserve(name, "schema "+name)
		walkSchema(name, doc.Components.Schemas[name].Value, fault)
	}
	return faults
}

// walkSchema looks at a schema and those inside it that have no name.
func walkSchema(where string, s *openapi3.Schema, fault func(string, ...any)) {
	if slices.Contains(notStrings, s.Format) && (s.Pattern != "" || s.MinLength != 0 || s.MaxLength != nil) {
		fault("%s has a pattern or a length beside the format %s", where, s.Format)
	}
	inside := map[string]*openapi3.SchemaRef{"/items": s.Items}
	for name, p := range s.Properties {
		inside["."+name] = p
	}
	for kind, list := range map[string]openapi3.SchemaRefs{"oneOf": s.OneOf, "anyOf": s.AnyOf, "allOf": s.AllOf} {
		for i, p := range list {
			if !p.Value.Type.Is("object") && len(p.Value.OneOf) == 0 {
				fault("%s is one of types that are not all objects, which have names", where)
			}
			inside[fmt.Sprint("/", kind, i)] = p
		}
	}
	for name, ref := range inside {
		if ref == nil || ref.Ref != "" {
			continue
		}
		if len(ref.Value.Properties) > 0 || len(ref.Value.OneOf) > 0 {
			fault("%s%s has no name of its own: generators make one of the path to it", where, name)
		}
		walkSchema(where+name, ref.Value, fault)
	}
}

var documents = map[string][]byte{"openapi.yaml": api.OpenAPI, "app.yaml": api.AppOpenAPI, "sandbox.yaml": api.SandboxOpenAPI}

// Each object has a name, which is not that of anything that generators make.
func TestOpenAPIForGenerators(t *testing.T) {
	for name, b := range documents {
		doc, err := openapi3.NewLoader().LoadFromData(b)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range openAPIForGenerators(doc) {
			t.Errorf("%s: %s", name, fault)
		}
	}
}

// A check that finds nothing is worthless.
func TestOpenAPIForGeneratorsRefuses(t *testing.T) {
	for name, edit := range map[string][2]string{
		"a pattern of an instant":             {"\n    Instant:\n", "\n    Instant:\n      pattern: \"Z$\"\n"},
		"a response with the name of another": {"operationId: queryStatus\n", "operationId: status\n"},
		"two operations of one name":          {"operationId: queryStatus\n", "operationId: sign\n"},
		"an operation without a name":         {"      operationId: queryStatus\n", ""},
		"a name of the language":              {"    One:\n", "    Number: { type: number }\n    One:\n"},
		"two schemas of one name":             {"    One:\n", "    ONE: { type: number }\n    One:\n"},
		"a union of a list and a text":        {"\n    Countries:\n      type: string\n", "\n    Countries:\n      anyOf: [{ type: array, items: { type: string } }, { type: string }]\n"},
		"an object without a name":            {"        URI: { type: string }\n", "        URI: { type: object, properties: { x: { type: string } } }\n"},
	} {
		edited := strings.Replace(string(api.OpenAPI), edit[0], edit[1], 1)
		if edited == string(api.OpenAPI) {
			t.Errorf("%s: nothing to edit", name)
		}
		doc, err := openapi3.NewLoader().LoadFromData([]byte(edited))
		if err != nil {
			t.Fatal(err)
		}
		if len(openAPIForGenerators(doc)) == 0 {
			t.Errorf("accepted %s", name)
		}
	}
}
