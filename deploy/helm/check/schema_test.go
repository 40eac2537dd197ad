package check

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestSchema: the chart refuses values that no node could use, or that would show a secret, and
// says where they are.
func TestSchema(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ values, where string }{
		"no replicas":           {"replicas: 0", "replicas"},
		"too many":              {"replicas: 17", "replicas"},
		"unknown":               {"replica: 2", "replica"},
		"unknown in a section":  {"drain: {anounce: 5}", "drain"},
		"longest drain":         {"drain: {wait: 3601}", "drain"},
		"drain in config":       {"config: {drain: {wait: 5s}}", "config/drain"},
		"no tag":                {`image: {tag: ""}`, "image"},
		"digest":                {"image: {digest: latest}", "image"},
		"pages without TLS":     {`config: {listen: {web: {url: "http://id.example.com"}}}`, "web/url"},
		"PKI with TLS":          {`config: {listen: {pki: {url: "https://pki.example.com"}}}`, "pki/url"},
		"address of a listener": {`config: {listen: {mss: {address: ":443"}}}`, "mss/address"},
		"URL of the store":      {`config: {store: {url: "postgres://signum:secret@database/signum"}}`, "store/url"},
		"URL to listen":         {`config: {store: {listen_url: "postgres://signum:secret@database/signum"}}`, "store/listen_url"},
		"master key":            {"config: {sim: {master_key: 00}}", "sim/master_key"},
		"password of an SMSC":   {"config: {sim: {smscs: [{name: main, password: secret}]}}", "smscs/0/password"},
		"key for push":          {"config: {app: {vapid: {private_key: secret}}}", "vapid/private_key"},
		"name of a secret":      {"secrets: {ca: Upper}", "secrets/ca"},
		"path above":            {"secrets: {caItems: [{key: root.pem, path: ../root.pem}]}", "caItems/0/path"},
		"type of a service":     {"services: {mss: {type: ExternalName}}", "services/mss/type"},
		"port":                  {"services: {web: {port: 70000}}", "services/web/port"},
		"port of a machine":     {"services: {web: {nodePort: 8443}}", "services/web/nodePort"},
		"check of readiness":    {"readiness: {exclude: [store]}", "readiness/exclude/0"},
		"label":                 {"podLabels: {number: 1}", "podLabels/number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := render(t, least, row.values)
			if err == nil || !strings.Contains(err.Error(), row.where) {
				t.Errorf("%s: %v", row.where, err)
			}
		})
	}
}

// TestRequired: nothing of what only the operator knows has a default.
func TestRequired(t *testing.T) {
	t.Parallel()
	for needed, missing := range map[string]string{
		"image/repository": `image: {repository: ""}`,
		"mssp_uri":         "config: {service: null}",
		"config/listen":    "config: {listen: {mss: {url: null}}}",
	} {
		if _, err := render(t, least, missing); err == nil {
			t.Errorf("%s: no error", needed)
		}
	}
	if _, err := render(t); err == nil {
		t.Error("without any values: no error")
	}
}

// TestPage: the values in docs/operations.md suffice, and the secrets that it makes are those that
// the chart names.
func TestPage(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "## Kubernetes\n")
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindStringSubmatch(section)
	if block == nil {
		t.Fatal("the page has no values")
	}
	set := only(t, mustRender(t, block[1]).sets)
	for _, v := range set.Spec.Template.Spec.Volumes {
		if v.Secret != nil && !regexp.MustCompile("create secret (generic|tls) "+v.Secret.SecretName+" ").MatchString(section) {
			t.Errorf("the page does not make the secret %s", v.Secret.SecretName)
		}
	}
}
