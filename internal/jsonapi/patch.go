package jsonapi

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// MergePatch changes a value by a JSON merge patch (RFC 7396) and returns the members that
// the patch names. A member that is null gets its default.
func MergePatch(to any, patch []byte) (members map[string]bool, err error) {
	now, err := json.Marshal(to)
	if err != nil {
		return nil, err
	}
	var doc, change map[string]any
	if err := json.Unmarshal(now, &doc); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(patch, &change); err != nil {
		return nil, fmt.Errorf("the body is not the expected JSON: %w", err)
	}
	merged, err := json.Marshal(merge(doc, change))
	if err != nil {
		return nil, err
	}
	out := reflect.New(reflect.TypeOf(to).Elem())
	if err := Decode(merged, out.Interface()); err != nil {
		return nil, err
	}
	reflect.ValueOf(to).Elem().Set(out.Elem())
	members = make(map[string]bool, len(change))
	for name := range change {
		members[name] = true
	}
	return members, nil
}

// merge is the algorithm of RFC 7396, section 2.
func merge(doc, patch map[string]any) map[string]any {
	if doc == nil {
		doc = make(map[string]any)
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(doc, name)
		case map[string]any:
			old, _ := doc[name].(map[string]any)
			doc[name] = merge(old, value)
		default:
			doc[name] = value
		}
	}
	return doc
}
