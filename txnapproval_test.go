package signum

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestTxnApproval(t *testing.T) {
	for _, tt := range []struct {
		name, in, signed string
	}{
		{"the guide's", `{"type":"Login","dtbd":[{"key":"Company","value":"Test"}]}`,
			`{"format_version":1,"content_string":"[{\"key\":\"Company\",\"value\":\"Test\"}]"}`},
		{"white space, members in another order", " {\n\"dtbd\" : [ {\"value\":\"Te\\u0073t\", \"key\":\"Company\"} ], \"type\":\"Login\" } ",
			`{"format_version":1,"content_string":"[{\"value\":\"Test\",\"key\":\"Company\"}]"}`},
		{"UTF-8 is not escaped", `{"type":"Zahlung","dtbd":[{"key":"An","value":"B\u00e4ckerei <Zürich> & 🎉"},{"key":"","value":""}]}`,
			`{"format_version":1,"content_string":"[{\"key\":\"An\",\"value\":\"Bäckerei <Zürich> & 🎉\"},{\"key\":\"\",\"value\":\"\"}]"}`},
		{"what must be escaped is, twice", `{"type":"","dtbd":[{"key":"\"\\\/","value":"a\tb\n\u0001"}]}`,
			`{"format_version":1,"content_string":"[{\"key\":\"\\\"\\\\/\",\"value\":\"a\\tb\\n\\u0001\"}]"}`},
	} {
		x, err := ParseTxnApproval(tt.in)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got := x.SignedContent(); got != tt.signed {
			t.Errorf("%s: got %s, want %s", tt.name, got, tt.signed)
		}
		if got, err := SignedContent(MimeTxnApproval, x.String()); err != nil || got != tt.signed {
			t.Errorf("%s, written again: got %s, %v", tt.name, got, err)
		}
	}
	for _, in := range []string{
		"", "null", "[]", `"x"`, "{}", `{"type":"x"}`, `{"dtbd":[{"key":"a","value":"b"}]}`, `{"type":"x","dtbd":[]}`,
		`{"type":1,"dtbd":[{"key":"a","value":"b"}]}`, `{"type":"x","dtbd":{"key":"a","value":"b"}}`,
		`{"type":"x","dtbd":[{"key":"a"}]}`, `{"type":"x","dtbd":[{"value":"a"}]}`, `{"type":"x","dtbd":["a"]}`,
		`{"type":"x","dtbd":[{"key":"a","value":1}]}`, `{"type":"x","dtbd":[{"key":"a","value":null}]}`,
		`{"type":"x","dtbd":[{"key":"a","value":"b","hidden":"c"}]}`, `{"type":"x","dtbd":[{"key":"a","value":"b"}],"more":1}`,
		`{"type":"x","type":"y","dtbd":[{"key":"a","value":"b"}]}`, `{"type":"x","dtbd":[{"key":"a","key":"c","value":"b"}]}`,
		`{"type":"x","dtbd":[{"key":"a","value":"b"}]} {}`, `{"type":"x","dtbd":[{"key":"a","value":"b"}`, "{\"type\":\"\xff\",\"dtbd\":[{\"key\":\"a\",\"value\":\"b\"}]}",
	} {
		if x, err := ParseTxnApproval(in); err == nil {
			t.Errorf("%s: taken as %+v", in, x)
		}
	}
	row := func(k, v int) TxnRow { return TxnRow{Key: strings.Repeat("k", k), Value: strings.Repeat("v", v)} }
	for _, tt := range []struct {
		name string
		x    TxnApproval
		fits bool
	}{
		{"type of 100 bytes", TxnApproval{Type: strings.Repeat("é", 50), Rows: []TxnRow{row(1, 1)}}, true},
		{"type of 101 bytes", TxnApproval{Type: strings.Repeat("a", 101), Rows: []TxnRow{row(1, 1)}}, false},
		{"20 rows", TxnApproval{Rows: make([]TxnRow, 20)}, true},
		{"21 rows", TxnApproval{Rows: make([]TxnRow, 21)}, false},
		{"key of 100 bytes", TxnApproval{Rows: []TxnRow{row(100, 1)}}, true},
		{"key of 101 bytes", TxnApproval{Rows: []TxnRow{row(101, 1)}}, false},
		{"value of 2000 bytes", TxnApproval{Rows: []TxnRow{row(0, 2000)}}, true},
		{"value of 2001 bytes", TxnApproval{Rows: []TxnRow{row(0, 2001)}}, false},
		{"2000 bytes in all", TxnApproval{Rows: []TxnRow{row(100, 900), row(100, 900)}}, true},
		{"2001 bytes in all", TxnApproval{Rows: []TxnRow{row(100, 900), row(100, 901)}}, false},
	} {
		if got := tt.x.Fits(); got != tt.fits {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// FuzzTxnApproval: encoding/json reads the same from a payload, and its compact form is
// stable.
func FuzzTxnApproval(f *testing.F) {
	f.Add(`{"type":"Login","dtbd":[{"key":"Company","value":"Test"}]}`)
	f.Add(`{"dtbd":[{"value":"\u2028\ud83c\udf89","key":"\u0000\\\""}],"type":""}`)
	f.Fuzz(func(t *testing.T, in string) {
		x, err := ParseTxnApproval(in)
		if err != nil {
			return
		}
		again, err := ParseTxnApproval(x.String())
		if err != nil || again.String() != x.String() || again.SignedContent() != x.SignedContent() {
			t.Fatalf("%q became %q, %v", x, again, err)
		}
		var oracle struct {
			Type string
			Rows []struct{ Key, Value string } `json:"dtbd"`
		}
		if err := json.Unmarshal([]byte(in), &oracle); err != nil || oracle.Type != x.Type || len(oracle.Rows) != len(x.Rows) {
			t.Fatalf("encoding/json reads %+v, %v", oracle, err)
		}
		var content struct {
			Version int    `json:"format_version"`
			Content string `json:"content_string"`
		}
		var rows []struct{ Key, Value string }
		if err := json.Unmarshal([]byte(x.SignedContent()), &content); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(content.Content), &rows); err != nil || len(rows) != len(x.Rows) {
			t.Fatalf("%s: %v", content.Content, err)
		}
		for i, r := range x.Rows {
			if rows[i] != oracle.Rows[i] || rows[i].Key != r.Key || rows[i].Value != r.Value {
				t.Fatalf("row %d: %+v, signed %+v, encoding/json %+v", i, r, rows[i], oracle.Rows[i])
			}
		}
	})
}
