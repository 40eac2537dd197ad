package interop

import (
	"testing"

	"github.com/signum-mssp/signum/internal/testkit"
)

// openAPI writes the document that the sandbox serves.
func (w *workshop) openAPI() {
	w.t.Helper()
	w.write("openapi.yaml", served(w.t, "/rest/openapi.yaml"))
}

// openAPIGenerator makes a client of the served document. Models with the languages
// alone: no documentation and no tests.
func (w *workshop) openAPIGenerator(language, properties string) {
	w.t.Helper()
	jars := testkit.JavaPackages(w.t, "openapi-generator", folder(w.t, "openapi-generator", "pom.xml")) + "/lib/*"
	w.openAPI()
	w.run("java", "-cp", jars, "org.openapitools.codegen.OpenAPIGenerator", "generate", "-i", "openapi.yaml", "-g", language, "-o", ".",
		"--global-property=models,apis,supportingFiles,modelDocs=false,apiDocs=false,modelTests=false,apiTests=false",
		"--additional-properties="+properties)
}

// The package that openapi-generator makes for Python validates answers with pydantic.
func TestOpenAPIPython(t *testing.T) {
	t.Parallel()
	packages := testkit.PythonPackages(t, "openapi-python", folder(t, "openapi-python", "requirements.txt"))
	w := newWorkshop(t, "openapi-python")
	w.openAPIGenerator("python", "packageName=mobileid")
	check(t, w.run(packages+"/.venv/bin/python", "client.py"))
}
