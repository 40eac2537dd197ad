package interop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/testkit"
)

// openAPI writes the document that the sandbox serves.
func (w *workshop) openAPI() {
	w.t.Helper()
	w.write("openapi.yaml", served(w.t, "/rest/openapi.yaml"))
}

// openAPIGenerator makes a client of the served document in a directory: the code alone,
// no documentation and no tests.
func (w *workshop) openAPIGenerator(language, dir, properties string) {
	w.t.Helper()
	jars := testkit.JavaPackages(w.t, "openapi-generator", folder(w.t, "openapi-generator", "pom.xml")) + "/lib/*"
	w.openAPI()
	w.run("java", "-cp", jars, "org.openapitools.codegen.OpenAPIGenerator", "generate", "-i", "openapi.yaml", "-g", language, "-o", dir,
		"--global-property=models,apis,supportingFiles,modelDocs=false,apiDocs=false,modelTests=false,apiTests=false",
		"--additional-properties="+properties)
}

// The package that openapi-generator makes for Python validates answers with pydantic.
func TestOpenAPIPython(t *testing.T) {
	t.Parallel()
	packages := testkit.PythonPackages(t, "openapi-python", folder(t, "openapi-python", "requirements.txt"))
	w := newWorkshop(t, "openapi-python")
	w.openAPIGenerator("python", ".", "packageName=mobileid")
	check(t, w.run(packages+"/.venv/bin/python", "client.py"))
}

// oapi-codegen makes Go of the served documents: a client of the JSON wire, and types of
// the protocol of Apps.
func TestOAPICodegen(t *testing.T) {
	t.Parallel()
	w := newWorkshop(t, "oapi-codegen")
	w.openAPI()
	w.run("go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "main", "-o", "api.gen.go", "openapi.yaml")
	check(t, w.run("go", "run", "."))

	w.write("app.yaml", api.AppOpenAPI)
	w.write("app/doc.go", []byte("package app\n"))
	w.run("go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "app", "-o", "app/api.gen.go", "app.yaml")
	w.run("go", "build", "./app")
}

// The TypeScript that openapi-generator makes passes tsc --strict.
func TestOpenAPITypeScript(t *testing.T) {
	t.Parallel()
	packages := testkit.NodePackages(t, "openapi-typescript", folder(t, "openapi-typescript", "package.json", "package-lock.json"))
	w := newWorkshop(t, "openapi-typescript")
	w.openAPIGenerator("typescript-fetch", "mobileid", "modelPropertyNaming=original")
	if err := os.Symlink(filepath.Join(packages, "node_modules"), filepath.Join(w.dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	w.run("node", "node_modules/typescript/bin/tsc")
	check(t, w.run("node", "out/client.js"))
}
