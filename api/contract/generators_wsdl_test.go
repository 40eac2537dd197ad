package contract

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/api"
)

// node is an element of the WSDL.
type node struct {
	name     string
	attr     map[string]string
	children []*node
}

// parseXML returns the root of a document.
func parseXML(t testing.TB, document []byte) *node {
	t.Helper()
	open := []*node{{}}
	for d := xml.NewDecoder(bytes.NewReader(document)); ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return open[0].children[0]
		}
		if err != nil {
			t.Fatal(err)
		}
		switch token := token.(type) {
		case xml.StartElement:
			n := &node{name: token.Name.Local, attr: map[string]string{}}
			for _, a := range token.Attr {
				n.attr[a.Name.Local] = a.Value
			}
			parent := open[len(open)-1]
			parent.children = append(parent.children, n)
			open = append(open, n)
		case xml.EndElement:
			open = open[:len(open)-1]
		}
	}
}

// visit calls f for the node and everything below.
func (n *node) visit(f func(*node)) {
	f(n)
	for _, c := range n.children {
		c.visit(f)
	}
}

// find returns the nodes with a name, at any depth.
func (n *node) find(name string) (found []*node) {
	n.visit(func(c *node) {
		if c.name == name {
			found = append(found, c)
		}
	})
	return found
}

// elements are the names of the elements that content of this type may have, without
// those inside them.
func (n *node) elements() (names []string) {
	for _, c := range n.children {
		if c.name != "element" {
			names = append(names, c.elements()...)
			continue
		}
		name := c.attr["name"]
		if _, local, ok := strings.Cut(c.attr["ref"], ":"); ok {
			name = local
		}
		names = append(names, name)
	}
	return names
}

// forGenerators returns what generators of code cannot do with a WSDL, or do badly.
func forGenerators(root *node) (faults []string) {
	fault := func(s ...string) { faults = append(faults, strings.Join(s, " ")) }
	// Classes of one package, in any case and without separators.
	classes := map[string]string{}
	class := func(kind, name string) {
		folded := strings.ToLower(strings.NewReplacer("_", "", "-", "").Replace(name))
		if other, taken := classes[folded]; taken {
			fault(kind, name, "has the name of", other)
		}
		classes[folded] = kind + " " + name
	}
	for _, schema := range root.find("schema") {
		if schema.attr["elementFormDefault"] != "qualified" {
			fault("elements of", schema.attr["targetNamespace"], "are not qualified as those of the other schemas")
		}
		for _, c := range schema.children {
			if c.name == "complexType" || c.name == "simpleType" {
				class(c.name, c.attr["name"])
			}
		}
	}
	for _, kind := range []string{"portType", "service"} {
		for _, n := range root.find(kind) {
			class(kind, n.attr["name"])
		}
	}
	for _, n := range root.find("complexType") {
		seen := map[string]bool{}
		for _, name := range n.elements() {
			if seen[name] {
				fault("the type", n.attr["name"], "has two elements", name)
			}
			seen[name] = true
		}
	}
	for _, n := range root.find("choice") {
		fault("a choice of", strings.Join(n.elements(), ", "), "has no members with types")
	}
	return faults
}

// Generators make one class of each type, in one package, and one member of each
// element of a type. PHP's SoapClient fills every element with the name of a member.
func TestWSDLForGenerators(t *testing.T) {
	for _, fault := range forGenerators(parseXML(t, api.WSDL)) {
		t.Error(fault)
	}
}

// A check that finds nothing is worthless.
func TestWSDLForGeneratorsRefuses(t *testing.T) {
	const detail = `<xs:element ref="sco:ReceiptRequestExtension" minOccurs="0"/>`
	for name, edit := range map[string][2]string{
		"an element of two namespaces":   {detail, detail + `<xs:element name="ReceiptRequestExtension" type="sco:ReceiptRequestExtensionType"/>`},
		"a choice":                       {detail, `<xs:choice maxOccurs="unbounded">` + detail + `</xs:choice>`},
		"a type of two namespaces":       {`<xs:complexType name="MobileUserStateType">`, `<xs:complexType name="MobileUserType">`},
		"a type of two cases":            {`<xs:complexType name="MobileUserStateType">`, `<xs:complexType name="MobileUserTYPE">`},
		"a type with the name of a port": {`<xs:complexType name="MobileUserStateType">`, `<xs:complexType name="MSS_ProfileType">`},
		"a schema of its own":            {`elementFormDefault="qualified"`, ``},
	} {
		edited := strings.Replace(string(api.WSDL), edit[0], edit[1], 1)
		if edited == string(api.WSDL) {
			t.Errorf("%s: nothing to edit", name)
		}
		if len(forGenerators(parseXML(t, []byte(edited)))) == 0 {
			t.Errorf("accepted %s", name)
		}
	}
}
