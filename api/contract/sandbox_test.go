package contract

import (
	"testing"
)

// TestSandbox: what the contract of the control addresses allows, and what it does not.
func TestSandbox(t *testing.T) {
	const party, js = "/sandbox/v1/parties/mid%3A%2F%2Fexample.com", "application/json"
	for name, x := range map[string]struct {
		Exchange
		ok bool
	}{
		"a party":          {Exchange{"PUT", party, js, []byte(`{"name":"x"}`), []byte(`{"ap_id":"mid://example.com"}`), 201, js}, true},
		"curl -d":          {Exchange{"POST", "/sandbox/phone", "application/x-www-form-urlencoded", []byte(`{"msisdn":"x"}`), []byte(`{}`), 200, js}, true},
		"removed":          {Exchange{"DELETE", party, "", nil, nil, 204, ""}, true},
		"refused":          {Exchange{"PUT", party, js, []byte(`{"nam":1}`), []byte(`{"error":"unknown member"}`), 400, js}, true},
		"a file":           {Exchange{"GET", "/sandbox/files/server-ca.pem", "", nil, []byte("x"), 200, "application/octet-stream"}, true},
		"no address":       {Exchange{"GET", "/sandbox/v1/nothing", "", nil, []byte("x"), 404, "text/plain"}, true},
		"no method":        {Exchange{"POST", party, "", nil, []byte("x"), 405, "text/plain"}, true},
		"unknown address":  {Exchange{"GET", "/sandbox/v1/nothing", "", nil, []byte("{}"), 200, js}, false},
		"unknown method":   {Exchange{"POST", party, "", nil, []byte("{}"), 200, js}, false},
		"unknown status":   {Exchange{"GET", party, "", nil, []byte("{}"), 418, js}, false},
		"unknown member":   {Exchange{"PUT", party, js, []byte(`{"nam":"x"}`), []byte(`{}`), 200, js}, false},
		"unknown answer":   {Exchange{"GET", party, "", nil, []byte(`{"nam":"x"}`), 200, js}, false},
		"not JSON":         {Exchange{"GET", party, "", nil, []byte(`x`), 200, js}, false},
		"another type":     {Exchange{"GET", party, "", nil, []byte(`{}`), 200, "text/html"}, false},
		"no type":          {Exchange{"GET", party, "", nil, []byte(`{}`), 200, ""}, false},
		"a body too much":  {Exchange{"DELETE", party, "", nil, []byte(`{}`), 204, js}, false},
		"a request's body": {Exchange{"DELETE", party, js, []byte(`{}`), nil, 204, ""}, false},
		"no error":         {Exchange{"GET", party, "", nil, []byte(`{}`), 404, js}, false},
	} {
		if err := Sandbox(x.Exchange); (err == nil) != x.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
