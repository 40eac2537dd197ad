package signum_test

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/edge"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/policy"
	"github.com/signum-mssp/signum/internal/rest"
	"github.com/signum-mssp/signum/internal/soap"
)

// services lists, for each additional service, what the caller asks of the client,
// what arrives at the service, and what the service answers.
var services = map[string]struct {
	ask    client.SignRequest
	sent   signum.AdditionalService
	answer *signum.ServiceResponse // nil: the service has no answer of its own
}{
	signum.ServiceUserLang: {sent: signum.AdditionalService{UserLang: "fr"}},
	signum.ServiceValidate: {ask: client.SignRequest{Validate: true}},
	signum.ServiceGeofencing: {
		ask:  client.SignRequest{Geofencing: &signum.GeofencingPolicy{CountryWhitelist: "CH", MaxAccuracyMeters: "50"}},
		sent: signum.AdditionalService{Geofencing: &signum.GeofencingPolicy{CountryWhitelist: "CH", MaxAccuracyMeters: "50"}},
		answer: &signum.ServiceResponse{Geofencing: &signum.Geofencing{Country: "CH", Accuracy: 7, DeviceConfidence: "1.0",
			LocationConfidence: "0.9", Timestamp: "2026-01-02T03:04:05.000Z"}},
	},
	signum.ServiceApp2App: {
		ask:    client.SignRequest{App2App: "bank://done"},
		sent:   signum.AdditionalService{RedirectURI: "bank://done"},
		answer: &signum.ServiceResponse{AuthURI: "mobileid://auth?session_token=x"},
	},
	signum.ServiceSubscriberInfo: {
		ask:    client.SignRequest{SubscriberInfo: true},
		answer: &signum.ServiceResponse{Details: []signum.SubscriberDetail{{ID: "1901", Value: "22801"}}},
	},
	signum.ServiceVerification: {
		ask:    client.SignRequest{VerificationCode: true},
		answer: &signum.ServiceResponse{VerificationCode: "42"},
	},
}

// Policy, both wires in both directions, client, contracts and documents all know
// every additional service of the domain.
func TestServicesEverywhere(t *testing.T) {
	uris := serviceURIs(t)
	if len(uris) != len(services) {
		t.Errorf("the domain names %d services, the table of this test has %d", len(uris), len(services))
	}
	documents := map[string]string{}
	for _, name := range []string{"api/openapi.yaml", "api/signum.wsdl", "docs/api.md"} {
		documents[name] = readFile(t, name)
	}
	for name, uri := range uris {
		s, ok := services[uri]
		if !ok {
			t.Errorf("%s has no row in the table of this test", name)
			continue
		}
		for file, text := range documents {
			if !strings.Contains(text, uri) {
				t.Errorf("%s does not name %s", file, uri)
			}
		}
		s.sent.URI = uri
		if s.answer != nil {
			s.answer.URI = uri
		}
		for wire, w := range map[string]edge.Wire{"REST": rest.Wire{}, "SOAP": soap.Wire{}} {
			got, answer := exchange(t, w, wire == "SOAP", s.ask, s.answer)
			if !contains(got.Services, s.sent) {
				t.Errorf("%s over %s: sent %+v, want %+v", name, wire, got.Services, s.sent)
			}
			if s.answer != nil && !contains(answer.Services, *s.answer) {
				t.Errorf("%s over %s: answered %+v, want %+v", name, wire, answer.Services, *s.answer)
			}
			if err := allowed(got); err != nil {
				t.Errorf("%s over %s: %v", name, wire, err)
			}
		}
	}
	if err := allowed(&signum.SignatureRequest{Services: []signum.AdditionalService{{URI: "https://example.com/as#new"}}}); err == nil {
		t.Error("the policy takes a service that there is not")
	}
}

// serviceURIs returns the constants of the domain whose names begin with Service.
func serviceURIs(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "message.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	uris := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && strings.HasPrefix(v.Names[0].Name, "Service") {
			uri, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			uris[v.Names[0].Name] = uri
		}
		return true
	})
	return uris
}

// allowed asks the policy on behalf of a party that has subscribed to everything.
func allowed(r *signum.SignatureRequest) error {
	p := &mssp.Party{Profiles: signum.SignatureProfiles}
	for uri := range services {
		p.Services = append(p.Services, uri)
	}
	r.Profile, r.Data = signum.ProfileAnyLoA4, signum.DataToBeSigned{Data: "Hello"}
	_, err := policy.SignatureContent(p, r, true)
	return err
}

func contains[T any](list []T, want T) bool {
	for _, got := range list {
		if reflect.DeepEqual(got, want) {
			return true
		}
	}
	return false
}

// exchange sends a request with the client and answers it with the wire of the
// service. It returns what arrived, and what the client read from the answer.
func exchange(t *testing.T, w edge.Wire, overSOAP bool, ask client.SignRequest, answer *signum.ServiceResponse) (*signum.SignatureRequest, *signum.SignatureResponse) {
	t.Helper()
	var got *signum.SignatureRequest
	c, err := client.New(client.Config{
		BaseURL: "https://mssp.example", SOAP: overSOAP, APID: "mid://ap", Lang: "fr",
		HTTPClient: &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			body, err := io.ReadAll(r.Body)
			if err != nil {
				return nil, err
			}
			req, form, err := w.Decode(signum.OpSignature, body)
			if err != nil {
				return nil, err
			}
			got = req.(*signum.SignatureRequest)
			resp := &signum.SignatureResponse{Header: got.Header, TransID: "h4iof", MSISDN: got.MSISDN, Profile: got.Profile, Status: signum.RequestOK}
			resp.MSSP.Instant = signum.FormatInstant(time.Now())
			if answer != nil {
				resp.Services = []signum.ServiceResponse{*answer}
			}
			return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {w.ContentType()}},
				Body: io.NopCloser(bytes.NewReader(w.AppendResponse(nil, form, resp))), Request: r}, nil
		})},
	})
	if err != nil {
		t.Fatal(err)
	}
	ask.MSISDN, ask.Text, ask.Async = "+41791000001", "Hello", true
	resp, err := c.Sign(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	return got, resp
}

type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
