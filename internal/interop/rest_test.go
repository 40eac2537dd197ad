package interop

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/testkit"
)

// openAPIGenerator returns a workshop with the generator and the contracts.
func openAPIGenerator(t *testing.T, name string) *workshop {
	t.Helper()
	generator := testkit.JavaPackages(t, "openapi-generator", folder(t, "openapi-generator", "pom.xml"))
	w := newWorkshop(t, name)
	w.link(filepath.Join(generator, "lib"), "lib")
	w.follow("contracts")
	return w
}

// The package that openapi-generator makes for Python validates answers with pydantic.
func TestOpenAPIPython(t *testing.T) {
	t.Parallel()
	packages := testkit.PythonPackages(t, "openapi-python", folder(t, "openapi-python", "requirements.txt"))
	w := openAPIGenerator(t, "openapi-python")
	w.path(filepath.Join(packages, ".venv", "bin"))
	check(t, w.follow("openapi-python"))
}

// The TypeScript that openapi-generator makes passes tsc --strict.
func TestOpenAPITypeScript(t *testing.T) {
	t.Parallel()
	packages := testkit.NodePackages(t, "openapi-typescript", folder(t, "openapi-typescript", "package.json", "package-lock.json"))
	w := openAPIGenerator(t, "openapi-typescript")
	w.link(filepath.Join(packages, "node_modules"), "node_modules")
	check(t, w.follow("openapi-typescript"))
}

// oapiCodegen returns a workshop whose modules are in Go's cache.
func oapiCodegen(t *testing.T) *workshop {
	t.Helper()
	w := newWorkshop(t, "oapi-codegen")
	w.set("CGO_ENABLED", "0") // as lint, so that the compiler works once
	if _, err := w.try("go", "list", "-deps", "tool", "github.com/oapi-codegen/runtime"); err != nil {
		testkit.Missing(t, "the modules of oapi-codegen cannot be fetched: %v", err)
	}
	return w
}

// oapi-codegen makes a client in Go.
func TestOAPICodegen(t *testing.T) {
	t.Parallel()
	w := oapiCodegen(t)
	w.follow("contracts")
	check(t, w.follow("oapi-codegen"))
}

// The document of the protocol of Apps compiles, too.
func TestOAPICodegenApp(t *testing.T) {
	t.Parallel()
	w := oapiCodegen(t)
	if err := os.Remove(filepath.Join(w.dir, "main.go")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "app.yaml"), api.AppOpenAPI, 0o600); err != nil {
		t.Fatal(err)
	}
	w.run("go", "tool", "oapi-codegen", "-generate", "types,client", "-package", "app", "-o", "api.gen.go", "app.yaml")
	w.run("go", "build", ".")
}
