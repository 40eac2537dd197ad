package contract

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signum-mssp/signum"
)

// example is a message of the document, as JSON.
func example(t testing.TB, name string) []byte {
	t.Helper()
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(doc.Components.Examples[name].Value.Value)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// calls are the examples that belong together.
var calls = map[string][][2]string{
	"/rest/service/sign":    {{"signatureRequest", "signatureResponse"}, {"approvalRequest", "signatureResponse"}},
	"/rest/service/status":  {{"statusRequest", "statusResponse"}},
	"/rest/service/receipt": {{"receiptRequest", "receiptResponse"}},
	"/rest/service/profile": {{"profileRequest", "profileResponse"}},
}

func TestREST(t *testing.T) {
	for path, list := range calls {
		for _, c := range list {
			for _, p := range []string{path, "/rest/service"} {
				if err := REST(p, example(t, c[0]), 200, example(t, c[1])); err != nil {
					t.Errorf("%s: %v", p, err)
				}
				if err := REST(p, nil, 500, example(t, "fault")); err != nil {
					t.Errorf("%s: %v", p, err)
				}
			}
		}
	}
	for _, err := range []error{
		REST("/rest/service/none", nil, 200, example(t, "signatureResponse")),
		REST("/rest/service/sign", nil, 404, example(t, "fault")),
		REST("/rest/service/sign", nil, 200, example(t, "fault")),
		REST("/rest/service/sign", nil, 500, example(t, "signatureResponse")),
		REST("/rest/service/sign", nil, 200, example(t, "statusResponse")),
		REST("/rest/service/sign", example(t, "statusRequest"), 200, example(t, "signatureResponse")),
		REST("/rest/service/sign", nil, 200, []byte("{")),
		REST("/rest/service/sign", nil, 200, bytes.Replace(example(t, "signatureResponse"), []byte("11:00:00.000Z"), []byte("11:00:00Z"), 1)),
		REST("/rest/service/sign", nil, 200, bytes.Replace(example(t, "signatureResponse"), []byte("11:00:00.000Z"), []byte("12:00:00.000+01:00"), 1)),
	} {
		if err == nil {
			t.Error("accepted")
		}
	}
}

// edits are all the ways to remove one member of an object, add one, or change
// the type of one, at any depth.
func edits(v any, path string, edit func(where string)) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			old := v[name]
			delete(v, name)
			edit("without " + path + "/" + name)
			if _, ok := old.(bool); ok {
				v[name] = "true"
			} else {
				v[name] = true
			}
			edit("another type " + path + "/" + name)
			v[name] = old
			edits(old, path+"/"+name, edit)
		}
		v["unknown"] = "x"
		edit("unknown member " + path)
		delete(v, "unknown")
	case []any:
		for i := range v {
			edits(v[i], fmt.Sprint(path, "/", i), edit)
		}
	}
}

// A validator that accepts everything is worthless: every edit makes an answer
// invalid, unless it removes an optional member.
func TestRESTRefuses(t *testing.T) {
	optional := []string{
		"/MSS_Signature", "/ReceiptResponseExtension/UserResponse", "/Status/StatusDetail",
		"/AutoActivation", "/RecoveryCodeCreated", "/MobileUser", "/Sscds", "/Sim", "/CardDetails", "/MobileUserCertificate", "/PinStatus",
	}
	for path, list := range calls {
		var message any
		if err := json.Unmarshal(example(t, list[0][1]), &message); err != nil {
			t.Fatal(err)
		}
		n := 0
		edits(message, "", func(where string) {
			n++
			may := strings.HasPrefix(where, "without ") && !strings.HasSuffix(where, "Resp/MobileUser") &&
				slices.ContainsFunc(optional, func(s string) bool { return strings.HasSuffix(where, s) })
			b, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			if err := REST(path, nil, 200, b); (err == nil) != may {
				t.Errorf("%s: %v", where, err)
			}
		})
		if n < 40 {
			t.Errorf("%s: only %d edits", path, n)
		}
	}
}

// What the contract of requests says about values that real clients write in
// different ways.
func TestRESTRequests(t *testing.T) {
	edit := func(name string, set map[string]any) []byte {
		var message map[string]map[string]any
		if err := json.Unmarshal(example(t, name), &message); err != nil {
			t.Fatal(err)
		}
		for _, m := range message {
			for k, v := range set {
				if m[k] = v; v == "" {
					delete(m, k)
				}
			}
		}
		b, err := json.Marshal(message)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	type m = map[string]any
	service := func(v m) m { return m{"AdditionalServices": []any{v}} }
	for name, tt := range map[string]struct {
		path, request string
		set           m
		want          bool
	}{
		"as it is":              {"sign", "signatureRequest", nil, true},
		"1.1":                   {"sign", "signatureRequest", m{"MinorVersion": "1"}, true},
		"1.3":                   {"sign", "signatureRequest", m{"MinorVersion": "3"}, false},
		"asynch":                {"sign", "signatureRequest", m{"MessagingMode": "asynch"}, true},
		"asynchClientServer":    {"sign", "signatureRequest", m{"MessagingMode": "asynchClientServer"}, true},
		"asynchServerServer":    {"sign", "signatureRequest", m{"MessagingMode": "asynchServerServer"}, false},
		"no TimeOut":            {"sign", "signatureRequest", m{"TimeOut": "", "SignatureProfile": ""}, true},
		"no services":           {"sign", "signatureRequest", m{"AdditionalServices": ""}, true},
		"empty services":        {"sign", "signatureRequest", m{"AdditionalServices": []any{}}, true},
		"no user":               {"sign", "signatureRequest", m{"MobileUser": ""}, false},
		"no data":               {"sign", "signatureRequest", m{"DataToBeSigned": m{"MimeType": "text/plain"}}, false},
		"only data":             {"sign", "signatureRequest", m{"DataToBeSigned": m{"Data": "x"}}, true},
		"the same to display":   {"sign", "signatureRequest", m{"DataToBeDisplayed": m{"MimeType": "text/plain", "Encoding": "UTF-8", "Data": "ACME: log in to your account?"}}, true},
		"nothing to display":    {"sign", "signatureRequest", m{"DataToBeDisplayed": m{}}, true},
		"null to display":       {"sign", "signatureRequest", m{"DataToBeDisplayed": nil}, true},
		"text without object":   {"sign", "signatureRequest", m{"DataToBeDisplayed": "x"}, false},
		"unknown profile":       {"sign", "signatureRequest", m{"SignatureProfile": "x"}, false},
		"unknown member":        {"sign", "signatureRequest", m{"x": "y"}, true},
		"validate":              {"sign", "signatureRequest", service(m{"Description": signum.ServiceValidate}), true},
		"unknown service":       {"sign", "signatureRequest", service(m{"Description": "x"}), false},
		"nulls in a service":    {"sign", "signatureRequest", service(m{"Description": signum.ServiceSubscriberInfo, "UserLang": nil, "App2App": nil, "GeoFencingRequest": nil}), true},
		"policy of strings":     {"sign", "signatureRequest", service(m{"Description": signum.ServiceGeofencing, "GeoFencingRequest": m{"countryblacklist": "US,RU", "maxaccuracymeters": "10"}}), true},
		"policy of numbers":     {"sign", "signatureRequest", service(m{"Description": signum.ServiceGeofencing, "GeoFencingRequest": m{"countryblacklist": nil, "mindeviceconfidence": 0.5}}), false},
		"policy of lists":       {"sign", "signatureRequest", service(m{"Description": signum.ServiceGeofencing, "GeoFencingRequest": m{"countrywhitelist": []any{"CH"}}}), false},
		"policy of booleans":    {"sign", "signatureRequest", service(m{"Description": signum.ServiceGeofencing, "GeoFencingRequest": m{"mindeviceconfidence": true}}), false},
		"local instant":         {"sign", "signatureRequest", m{"AP_Info": m{"AP_ID": "x", "AP_TransID": "y", "Instant": "2026-01-01T12:00:00"}}, false},
		"password":              {"sign", "signatureRequest", m{"AP_Info": m{"AP_ID": "x", "AP_PWD": "z", "AP_TransID": "y", "Instant": "2026-01-01T12:00:00.123456789-02:00"}}, true},
		"bare MSSP_Info":        {"sign", "signatureRequest", m{"MSSP_Info": m{}}, true},
		"status 1.2":            {"status", "statusRequest", m{"MinorVersion": "2"}, false},
		"no transaction":        {"status", "statusRequest", m{"MSSP_TransID": ""}, false},
		"receipt, no Status":    {"receipt", "receiptRequest", m{"Status": ""}, true},
		"receipt, any code":     {"receipt", "receiptRequest", m{"Status": m{"StatusCode": m{"Value": "500"}}}, true},
		"receipt, encrypted":    {"receipt", "receiptRequest", m{"Message": m{"MimeType": signum.MimeRSAMessage, "Encoding": "BASE64", "Data": "AA=="}}, true},
		"receipt, no message":   {"receipt", "receiptRequest", m{"Message": ""}, false},
		"receipt, asynchronous": {"receipt", "receiptRequest", m{"Status": m{"StatusDetail": m{"ReceiptRequestExtension": m{"ReceiptMessagingMode": "asynch"}}}}, false},
		"profile 1.1":           {"profile", "profileRequest", m{"MajorVersion": "1", "MinorVersion": "1", "Params": ""}, true},
		"profile 1.0":           {"profile", "profileRequest", m{"MajorVersion": "1", "MinorVersion": "0"}, true},
		"profile 3.0":           {"profile", "profileRequest", m{"MajorVersion": "3"}, false},
		"profile of nobody":     {"profile", "profileRequest", m{"MobileUser": ""}, false},
	} {
		response := calls["/rest/service/"+tt.path][0][1]
		for _, path := range []string{"/rest/service/" + tt.path, "/rest/service"} {
			if err := REST(path, edit(tt.request, tt.set), 200, example(t, response)); (err == nil) != tt.want {
				t.Errorf("%s at %s: %v", name, path, err)
			}
		}
	}
}

// The document lists everything that the domain defines.
func TestRESTLists(t *testing.T) {
	doc, err := document()
	if err != nil {
		t.Fatal(err)
	}
	strs := func(s *openapi3.Schema) (list []string) {
		for _, v := range s.Enum {
			list = append(list, v.(string))
		}
		return list
	}
	fault := doc.Components.Schemas["Fault"].Value.Properties["Fault"].Value
	codes := strs(fault.Properties["Code"].Value.Properties["SubCode"].Value.Properties["Value"].Value)
	reasons := strs(fault.Properties["Reason"].Value)
	for c := signum.Code(0); c < 1000; c++ {
		documented := c.Known() && c.Detail() != "" && !c.IsStatus()
		if slices.Contains(codes, fmt.Sprintf("_%d", c)) != documented || slices.Contains(reasons, c.String()) != documented {
			t.Errorf("fault %d %s", c, c)
		}
	}
	profiles := strs(doc.Components.Schemas["SignatureProfile"].Value)
	for _, uri := range append([]string{signum.ProfileAuth1}, signum.SignatureProfiles...) {
		if !slices.Contains(profiles, uri) {
			t.Errorf("no profile %s", uri)
		}
	}
	errors := strs(doc.Components.Schemas["LocationError"].Value.Properties["ErrorCode"].Value)
	for _, e := range signum.GeoErrors {
		if !slices.Contains(errors, fmt.Sprint(int(e))) {
			t.Errorf("no error %d of geofencing", e)
		}
	}
	words := doc.Components.Schemas["ProfileRequest"].Value.Properties["MSS_ProfileReq"].Value.Properties["Params"].Value.Description
	for _, w := range signum.ProfileParams {
		if !strings.Contains(words, "`"+w+"`") {
			t.Errorf("no word %s", w)
		}
	}
}
