package signum_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/signum-mssp/signum"

// mayImport lists what each package may import of this module. A package that is not
// listed has no place yet.
var mayImport = map[string][]string{
	"":                             {},
	"api":                          {},
	"api/contract":                 {"api", "internal/testkit"},
	"client":                       {"", "internal/cms"},
	"cmd/signum":                   {"", "client", "internal/backup", "internal/check", "internal/config", "internal/daemon", "internal/event", "internal/node", "internal/instance", "internal/mssp", "internal/store", "internal/lab/person", "internal/lab/sandbox", "internal/lab/scenario", "internal/lab/phones"},
	"examples/go":                  {"", "client"},
	"internal/admission":           {"internal/fair", "internal/event"},
	"internal/app":                 {"", "internal/clientaddr", "internal/event", "internal/limit", "internal/mssp", "internal/visible", "internal/lang"},
	"internal/applet":              {"internal/sms"},
	"internal/web":                 {"internal/clientaddr", "internal/event"},
	"internal/web/phonepage":       {"internal/clientaddr", "internal/event", "internal/visible", "internal/web"},
	"internal/admin":               {"", "internal/jsonapi", "internal/mssp", "internal/partydoc", "internal/password", "internal/policy", "internal/sim", "internal/simcards"},
	"internal/jsonapi":             {},
	"internal/partydoc":            {"", "internal/lang", "internal/mssp", "internal/password", "internal/visible"},
	"internal/account":             {"", "internal/event", "internal/lang", "internal/mssp"},
	"internal/web/portal":          {"", "internal/account", "internal/clientaddr", "internal/event", "internal/limit", "internal/lang", "internal/mssp", "internal/web/prompt", "internal/visible"},
	"internal/web/prompt":          {"", "internal/event", "internal/mssp"},
	"internal/web/webtest":         {"internal/testkit"},
	"internal/lab/handsetpage":     {"", "internal/event", "internal/web"},
	"internal/backup":              {"", "internal/durable", "internal/instance", "internal/mssp", "internal/store"},
	"internal/bench":               {"", "internal/mssp", "internal/lab/scenario", "internal/sim", "client", "internal/ca", "internal/engine/phonetest", "internal/lab/card", "internal/lab/person", "internal/lab/sandbox", "internal/lab/softapp", "internal/node"},
	"internal/ca":                  {"internal/clientaddr", "internal/event", "internal/limit", "internal/mssp"},
	"internal/lab/card":            {"", "internal/lang", "internal/mssp", "internal/cms", "internal/durable", "internal/scp80", "internal/sms", "internal/applet", "internal/visible"},
	"internal/check":               {"internal/ca", "internal/instance", "internal/mssp", "internal/simcards", "internal/store"},
	"internal/cluster":             {"internal/event", "internal/mssp"},
	"internal/cluster/clustertest": {"internal/mssp"},
	"internal/clientaddr":          {},
	"internal/crash":               {"", "client", "internal/lab/card", "internal/lab/person", "internal/lab/scenario", "internal/lab/softapp", "internal/store/pgtest", "internal/testkit"},
	"internal/crowd":               {"", "client", "internal/ca", "internal/lab/card", "internal/lab/person", "internal/lab/sandbox", "internal/mssp", "internal/store/pgtest"},
	"internal/cms":                 {},
	"internal/config":              {"internal/policy", "internal/visible"},
	"internal/daemon":              {"internal/config", "internal/event", "internal/node"},
	"internal/deployment":          {},
	"internal/door":                {"internal/clientaddr", "internal/event"},
	"internal/edge":                {"", "internal/clientaddr", "internal/event", "internal/lang", "internal/mssp"},
	"internal/engine":              {"", "internal/event", "internal/limit", "internal/mssp", "internal/cms", "internal/password", "internal/policy", "internal/fair", "internal/admission"},
	"internal/durable":             {},
	"internal/lab/phones":          {"", "internal/door", "internal/durable", "internal/event", "internal/lab/card", "internal/lab/control", "internal/lab/handset", "internal/lab/person", "internal/lab/smsc", "internal/policy", "internal/scp80"},
	"internal/event":               {"", "internal/mssp"},
	"internal/fair":                {},
	"internal/event/eventtest":     {"internal/event"},
	"internal/instance":            {"internal/ca", "internal/config", "internal/mssp", "internal/simcards"},
	"internal/faults":              {},
	"internal/interop":             {},
	"internal/container":           {},
	"internal/lang":                {},
	"internal/limit":               {},
	"internal/retention":           {"internal/durable", "internal/event", "internal/mssp"},
	"internal/certfile":            {},
	"internal/password":            {"internal/limit"},
	"internal/metrics":             {"internal/event"},
	"internal/mssp":                {""},
	"internal/lab/person":          {"", "internal/event", "internal/mssp"},
	"internal/lab/control":         {"api", "internal/admin", "internal/jsonapi", "internal/mssp", "internal/partydoc", "internal/policy", "internal/lab/person", "internal/lab/scenario", "", "internal/lab/script"},
	"internal/lab/handset":         {"", "internal/event", "internal/mssp", "internal/lab/card", "internal/lab/person", "internal/sms"},
	"internal/lab/softapp":         {"", "internal/event", "internal/mssp", "internal/lab/person", "internal/cms", "internal/durable", "internal/visible"},
	"internal/policy":              {"", "internal/lang", "internal/mssp", "internal/visible"},
	"internal/rest":                {"", "api", "internal/edge"},
	"internal/lab/scenario":        {"", "internal/lab/person", "internal/mssp", "internal/partydoc", "internal/policy"},
	"internal/lab/sandbox":         {"", "internal/event", "internal/mssp", "client", "internal/app", "internal/ca", "internal/config", "internal/policy", "internal/node", "internal/partydoc", "internal/simcards", "internal/lab/card", "internal/lab/control", "internal/lab/handset", "internal/lab/person", "internal/lab/softapp", "internal/lab/smsc", "internal/lab/handsetpage", "internal/lab/scenario", "internal/lab/world", "internal/lab/worlds", "internal/edge", "internal/lang", "internal/visible", "internal/durable", "internal/lab/phones"},
	"internal/lab/script":          {"", "internal/lab/person", "internal/mssp"},
	"internal/lab/memstore":        {"", "internal/mssp", "internal/store/storable"},
	"internal/lab/worlds":          {"", "internal/account", "internal/app", "internal/ca", "internal/edge", "internal/engine", "internal/event", "internal/lab/memstore", "internal/lab/phones", "internal/lab/scenario", "internal/lab/smsc", "internal/lab/softapp", "internal/lab/world", "internal/limit", "internal/mssp", "internal/partydoc", "internal/policy", "internal/sim", "internal/simcards", "internal/smpp", "internal/smpp/group", "internal/lab/person"},
	"internal/lab/world":           {"", "internal/event", "internal/mssp", "internal/app", "internal/ca", "internal/partydoc", "internal/password", "internal/policy", "internal/scp80", "internal/simcards", "internal/lab/card", "internal/lab/control", "internal/lab/handset", "internal/lab/handsetpage", "internal/lab/person", "internal/lab/scenario", "internal/lab/softapp", "internal/lab/script"},
	"internal/node":                {"", "internal/event", "internal/mssp", "api", "internal/account", "internal/admin", "internal/app", "internal/ca", "internal/certfile", "internal/clientaddr", "internal/cluster", "internal/config", "internal/door", "internal/edge", "internal/engine", "internal/instance", "internal/limit", "internal/metrics", "internal/policy", "internal/rest", "internal/retention", "internal/sim", "internal/simcards", "internal/smpp", "internal/smpp/group", "internal/soap", "internal/store", "internal/web", "internal/web/phonepage", "internal/web/portal", "internal/admission"},
	"internal/scp80":               {},
	"internal/sim":                 {"", "internal/event", "internal/mssp", "internal/applet", "internal/cms", "internal/scp80", "internal/smpp", "internal/smpp/group", "internal/sms", "internal/visible", "internal/fair"},
	"internal/simcards":            {"", "internal/event", "internal/mssp", "internal/scp80"},
	"internal/smpp":                {"internal/event", "internal/fair"},
	"internal/smpp/group":          {"internal/event", "internal/smpp"},
	"internal/lab/smsc":            {"", "internal/event", "internal/smpp", "internal/sms"},
	"internal/sms":                 {},
	"internal/soap":                {"", "api", "internal/edge"},
	"internal/store":               {"", "internal/event", "internal/mssp", "internal/store/storable", "internal/fair"},
	"internal/store/storable":      {"", "internal/mssp", "internal/visible"},
	"internal/store/pgtest":        {"internal/testkit"},
	"internal/store/storetest":     {"", "internal/mssp"},
	"scripts":                      {},
	"scripts/picture":              {},
	"scripts/sbomcheck":            {},
	"scripts/testsum":              {},
	"internal/testkit":             {},
	"internal/visible":             {},

	"internal/engine/phonetest": {"", "internal/mssp", "internal/cms"},
}

type goPackage struct {
	ImportPath string
	Imports    []string
	Standard   bool
	Module     *struct{ Path string }
}

func list(t *testing.T, args ...string) []goPackage {
	t.Helper()
	out, err := exec.Command("go", append([]string{"list", "-json=ImportPath,Imports,Standard,Module"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	var pkgs []goPackage
	for dec := json.NewDecoder(strings.NewReader(string(out))); dec.More(); {
		var p goPackage
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

func inHouse(path string) (string, bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func TestImportDirections(t *testing.T) {
	for _, p := range list(t, "./...") {
		name, _ := inHouse(p.ImportPath)
		may, planned := mayImport[name]
		if !planned {
			t.Errorf("package %q has no place in the plan", name)
			continue
		}
		for _, imp := range p.Imports {
			if in, ok := inHouse(imp); ok && !slices.Contains(may, in) {
				t.Errorf("package %q must not import %q", name, in)
			}
		}
	}
}

// The domain depends only on the standard library.
func TestDomainIsPure(t *testing.T) {
	for _, p := range list(t, "-deps", ".") {
		if _, ok := inHouse(p.ImportPath); !ok && !p.Standard {
			t.Errorf("the domain depends on %s", p.ImportPath)
		}
	}
}

// The operator's program contains no simulated phone, card or network.
func TestOperatorsRunNoLab(t *testing.T) {
	for _, args := range [][]string{
		{"./internal/node"},
		{"-tags", "nolab", "./cmd/signum"},
	} {
		for _, p := range list(t, append([]string{"-deps"}, args...)...) {
			if in, ok := inHouse(p.ImportPath); ok && strings.HasPrefix(in, "internal/lab/") {
				t.Errorf("%s depends on %s", strings.Join(args, " "), in)
			}
		}
	}
}

// Every package documents what it is for.
func TestPackageDocs(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", "{{.ImportPath}}\t{{.Name}}\t{{.Doc}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.SplitN(strings.TrimSpace(line), "\t", 3)
		if len(f) < 3 || f[2] == "" {
			t.Errorf("package %s has no documentation", f[0])
		}
	}
}

// jsonPrototype may be imported by the packages that read JSON from outside, until the
// standard library has it: see docs/architecture.md, section 8.
var jsonPrototype = []string{"internal/app", "internal/lab/handsetpage", "internal/rest"}

func TestJSONPrototype(t *testing.T) {
	for _, p := range list(t, "./...") {
		name, _ := inHouse(p.ImportPath)
		uses := slices.ContainsFunc(p.Imports, func(i string) bool { return strings.HasPrefix(i, "github.com/go-json-experiment/") })
		if uses != slices.Contains(jsonPrototype, name) {
			t.Errorf("package %q imports the JSON prototype: %v", name, uses)
		}
	}
	cmd := exec.Command("go", "list", "encoding/json/jsontext")
	cmd.Env = append(os.Environ(), "GOEXPERIMENT=")
	if err := cmd.Run(); err == nil {
		t.Error("encoding/json/jsontext has left its experiment: replace github.com/go-json-experiment/json by it")
	}
}
