package check

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/releaseutil"
	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

const directory = "../signum"

// least are the values that have no default.
const least = `
image: {repository: registry.example.com/signum, tag: "1"}
config:
  service: {mssp_uri: "http://mss.example.com/"}
  listen:
    mss: {url: "https://mss.example.com"}
    web: {url: "https://id.example.com"}
    pki: {url: "http://pki.example.com"}
`

// objects are what a chart makes, by kind and name. A hook is among them, because it is an object
// like the others.
type objects struct {
	configs  map[string]*core.ConfigMap
	services map[string]*core.Service
	sets     map[string]*apps.StatefulSet
	jobs     map[string]*batch.Job
	budgets  map[string]*policy.PodDisruptionBudget
	monitors map[string]*monitoring.ServiceMonitor
	networks map[string]*networking.NetworkPolicy
}

// values merges documents of values, the later ones over the earlier ones.
func values(t *testing.T, documents ...string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, d := range documents {
		v, err := chartutil.ReadValues([]byte(d))
		if err != nil {
			t.Fatal(err)
		}
		all = chartutil.CoalesceTables(v, all)
	}
	return all
}

func load(t *testing.T) *chart.Chart {
	t.Helper()
	c, err := loader.Load(directory)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	return c
}

// render returns the objects for these values, or why they are refused.
func render(t *testing.T, documents ...string) (objects, error) {
	t.Helper()
	c := load(t)
	o := objects{
		map[string]*core.ConfigMap{}, map[string]*core.Service{}, map[string]*apps.StatefulSet{}, map[string]*batch.Job{},
		map[string]*policy.PodDisruptionBudget{}, map[string]*monitoring.ServiceMonitor{}, map[string]*networking.NetworkPolicy{},
	}
	release := chartutil.ReleaseOptions{Name: "signum", Namespace: "mobile-id", Revision: 1, IsInstall: true}
	v, err := chartutil.ToRenderValues(c, values(t, documents...), release, chartutil.DefaultCapabilities)
	if err != nil {
		return o, err
	}
	files, err := engine.Render(c, v)
	if err != nil {
		return o, err
	}
	for _, file := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(file, ".yaml") {
			continue
		}
		for _, text := range releaseutil.SplitManifests(files[file]) {
			if err := o.add(text); err != nil {
				t.Errorf("%s: %v\n%s", file, err, text)
			}
		}
	}
	return o, nil
}

// mustRender fails the test if the values are refused.
func mustRender(t *testing.T, documents ...string) objects {
	t.Helper()
	o, err := render(t, documents...)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// add decodes an object. A member that its type does not have is an error.
func (o *objects) add(text string) error {
	var head struct {
		APIVersion, Kind string
		Metadata         struct{ Name string }
	}
	if err := yaml.Unmarshal([]byte(text), &head); err != nil {
		return err
	}
	name := head.Metadata.Name
	switch kind := head.APIVersion + " " + head.Kind; kind {
	case " ":
		return nil // comments only
	case "v1 ConfigMap":
		return decode(text, name, o.configs)
	case "v1 Service":
		return decode(text, name, o.services)
	case "apps/v1 StatefulSet":
		return decode(text, name, o.sets)
	case "batch/v1 Job":
		return decode(text, name, o.jobs)
	case "policy/v1 PodDisruptionBudget":
		return decode(text, name, o.budgets)
	case "monitoring.coreos.com/v1 ServiceMonitor":
		return decode(text, name, o.monitors)
	case "networking.k8s.io/v1 NetworkPolicy":
		return decode(text, name, o.networks)
	default:
		return fmt.Errorf("the test knows no %s", kind)
	}
}

func decode[T any](text, name string, all map[string]*T) error {
	if all[name] != nil {
		return fmt.Errorf("there are two of the name %q", name)
	}
	all[name] = new(T)
	return yaml.UnmarshalStrict([]byte(text), all[name])
}

// only returns the one object of a kind.
func only[T any](t *testing.T, all map[string]*T) *T {
	t.Helper()
	if len(all) != 1 {
		t.Fatalf("%d objects: %v", len(all), slices.Sorted(maps.Keys(all)))
	}
	for _, one := range all {
		return one
	}
	return nil
}
