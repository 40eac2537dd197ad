package node

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/signum-mssp/signum/internal/event"
)

// A row of the table of metrics: name, type, labels, meaning.
var metricRow = regexp.MustCompile("(?m)^\\| `(signum_[a-z_]+)` \\| ([a-z]+) \\|([^|]*)\\| [^|]+ \\|$")

// documented are the metrics of docs/metrics.md by name: type and labels.
func documented(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, row := range metricRow.FindAllStringSubmatch(string(text), -1) {
		labels := strings.FieldsFunc(row[3], func(r rune) bool { return strings.ContainsRune("`, ", r) })
		slices.Sort(labels)
		all[row[1]] = fmt.Sprint(row[2], " ", labels)
	}
	return all
}

// labelsOf is the section of docs/metrics.md that explains labels.
func labelsOf(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### Labels\n")
	section, _, _ = strings.Cut(section, "\n### ")
	return section
}

// scraped are the metrics that a node serves, in the same form.
func scraped(t *testing.T, url string) map[string]string {
	t.Helper()
	_, body := get(t, url)
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for name, f := range families {
		if !strings.HasPrefix(name, "signum_") {
			continue
		}
		labels := map[string]bool{}
		for _, m := range f.Metric {
			for _, l := range m.Label {
				labels[l.GetName()] = true
			}
		}
		kind := strings.ToLower(dto.MetricType(f.GetType()).String())
		all[name] = fmt.Sprint(kind, " ", slices.Sorted(maps.Keys(labels)))
	}
	return all
}

// TestMetricsDocument: after calls of every kind a node serves the metrics that
// docs/metrics.md lists, with these types and labels, and no others.
func TestMetricsDocument(t *testing.T) {
	n := serve(t, withSMSCs(opsConfig(t), testSMSC("main", "127.0.0.1:1")), Deps{})
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}}
	call := func(method, url, kind, body string) {
		q, err := http.NewRequest(method, url, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Content-Type", kind)
		resp, err := h.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	call("POST", "https://"+n.MSSAddr()+"/rest/service/sign", "application/json", "{}")
	call("POST", "https://"+n.MSSAddr()+"/soap/services/MSS_SignaturePort", "text/xml", "<a/>")
	call("POST", n.WebListenerURL()+"/app/v2/enrol/begin", "application/json", "{}")
	call("GET", n.WebListenerURL()+"/me/login", "", "")
	call("GET", n.PKIURL()+"/crl/issuing.crl", "", "")
	func() {
		defer event.Rescue(slog.New(slog.DiscardHandler), "test of the document")
		panic("boom")
	}()
	failed := n.events.Begin("app", "POST /app/v2/enrol/begin", "192.0.2.1")
	n.events.Fail(t.Context(), failed, errors.New("disk full"))
	n.events.Emit(t.Context(), failed)

	_, text := get(t, n.OpsURL()+"/metrics")
	for _, e := range regexp.MustCompile(`entrance="([^"]*)"`).FindAllStringSubmatch(text, -1) {
		if !strings.Contains(labelsOf(t), "`"+e[1]+"`") {
			t.Errorf("docs/metrics.md does not know the entrance %s", e[1])
		}
	}
	served, listed := scraped(t, n.OpsURL()+"/metrics"), documented(t)
	if len(listed) < 10 {
		t.Fatalf("only %d metrics were found in the document", len(listed))
	}
	for name, is := range served {
		if listed[name] != is {
			t.Errorf("%s is a %s; docs/metrics.md says %q", name, is, listed[name])
		}
	}
	for name := range listed {
		if served[name] == "" {
			t.Errorf("docs/metrics.md lists %s, which is not served", name)
		}
	}
	if t.Failed() {
		_, body := get(t, n.OpsURL()+"/metrics")
		t.Log(body)
	}
}

// TestSIMEventsDocument: the events of SIMs are those of the document.
func TestSIMEventsDocument(t *testing.T) {
	text, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(text), "### SIM events\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var listed []string
	for row := range strings.Lines(section) {
		names, _, _ := strings.Cut(strings.TrimPrefix(row, "| "), " | ")
		for _, name := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(names, -1) {
			listed = append(listed, name[1])
		}
	}
	slices.Sort(listed)
	n := serve(t, testConfig(t), Deps{})
	if is := slices.Sorted(maps.Keys(simEvents(n.SIMs.Stats()))); !slices.Equal(is, listed) {
		t.Errorf("events are\n%v, listed\n%v", is, listed)
	}
}
