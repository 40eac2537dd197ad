package jsonapi

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// The examples of RFC 7396, appendix A, that are about objects.
func TestMerge(t *testing.T) {
	for _, tt := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		var doc, patch, want map[string]any
		for i, to := range []*map[string]any{&doc, &patch, &want} {
			if err := json.Unmarshal([]byte(tt[i]), to); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, merge(doc, patch)); diff != "" {
			t.Errorf("%s and %s:\n%s", tt[0], tt[1], diff)
		}
	}
}

// FuzzMergePatch: a patch that is accepted sets what it names, and one that is refused changes
// nothing.
func FuzzMergePatch(f *testing.F) {
	for _, patch := range []string{
		`{"name":"x","profiles":[]}`, `{"geofence":{"enabled":true,"max_accuracy_meters":5}}`, `{"limits":null,"password":"x"}`, `[]`, `null`, `{"name":{}}`,
	} {
		f.Add([]byte(patch))
	}
	f.Fuzz(func(t *testing.T, patch []byte) {
		no := false
		p := partydoc.Party{APID: "mid://a", Name: "a", TestNumbers: &no, Limits: &partydoc.Limits{MaxOpen: 1}}
		before, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		_, err = MergePatch(&p, patch)
		after, e := json.Marshal(p)
		if e != nil {
			t.Fatal(e)
		}
		if err != nil && string(after) != string(before) {
			t.Errorf("%s was refused, but changed %s into %s", patch, before, after)
		}
		if err == nil {
			if _, err := MergePatch(&p, patch); err != nil {
				t.Errorf("%s is accepted only once: %v", patch, err)
			}
		}
	})
}
