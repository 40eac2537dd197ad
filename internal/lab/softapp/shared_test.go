package softapp

import (
	"crypto/sha256"
	"encoding/asn1"

	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/testkit"
)

// SignedAttrs makes signed attributes without internal/cms, which the device reads
// them with.
func SignedAttrs(text string) []byte {
	type attribute struct {
		Type   asn1.ObjectIdentifier
		Values []any `asn1:"set"`
	}
	digest := sha256.Sum256([]byte(text))
	der, err := asn1.MarshalWithParams([]attribute{
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 3}, []any{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 1}}},
		{asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 4}, []any{digest[:]}},
	}, "set")
	if err != nil {
		panic(err)
	}
	return der
}

// Kinds returns the kinds of the events so far.
func Kinds(seen *testkit.Events[person.Event]) []person.Kind {
	var all []person.Kind
	for _, e := range seen.All() {
		all = append(all, e.Kind)
	}
	return all
}
