package contract

import (
	"bytes"
	_ "embed" // the schemas beside the WSDL's
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signum-mssp/signum/api"
	"github.com/signum-mssp/signum/internal/testkit"
)

// program validates SOAP messages. It is in the Debian package libxml2-utils.
const program = "xmllint"

const (
	nsSchema = "http://www.w3.org/2001/XMLSchema"
	nsKiuru  = "http://uri.etsi.org/TS102204/etsi204-kiuru.wsdl"
	nsMSS    = "http://uri.etsi.org/TS102204/v1.1.2#"
)

var (
	//go:embed envelope.xsd
	envelopeXSD []byte
	//go:embed xml.xsd
	xmlXSD []byte
)

// SOAP reports every envelope that the contract does not allow, requests,
// answers and faults alike. One process validates all of them, so a test should
// pass all its messages at once. If the program is missing, the test ends as
// [testkit.Missing] says.
func SOAP(t testing.TB, messages ...[]byte) {
	t.Helper()
	testkit.Needs(t, program)
	verdicts, err := Validate(t.TempDir(), messages...)
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range verdicts {
		if v != nil {
			t.Errorf("message %d: %v in\n%s", i, v, messages[i])
		}
	}
}

// Validate returns for each message nil or what is wrong with it. It writes
// files into dir.
func Validate(dir string, messages ...[]byte) (verdicts []error, err error) {
	if err := writeSchemas(dir); err != nil {
		return nil, err
	}
	args := []string{"--noout", "--nonet", "--schema", "all.xsd"}
	for i, m := range messages {
		name := fmt.Sprintf("m%d.xml", i)
		if err := os.WriteFile(filepath.Join(dir, name), m, 0o600); err != nil {
			return nil, err
		}
		args = append(args, name)
	}
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		return nil, err
	}
	verdicts = make([]error, len(messages))
	for i := range messages {
		name := fmt.Sprintf("m%d.xml", i)
		if verdict := verdict(out, name); verdict != "" {
			verdicts[i] = errors.New(verdict)
		}
	}
	return verdicts, schemaErrors(out)
}

// verdict is what the program reported about a file; it is empty if the file is
// valid. A file that the program does not mention was not validated.
func verdict(out []byte, name string) string {
	var said []string
	for line := range strings.Lines(string(out)) {
		line = strings.TrimSpace(line)
		if line == name+" validates" {
			return ""
		}
		if strings.HasPrefix(line, name+":") {
			said = append(said, line)
		}
	}
	if said == nil {
		return "not validated: " + string(out)
	}
	return strings.Join(said, "\n")
}

// schemaErrors is what the program reported about the schemas themselves.
func schemaErrors(out []byte) error {
	for line := range strings.Lines(string(out)) {
		if name, _, ok := strings.Cut(line, ":"); ok && strings.HasSuffix(name, ".xsd") {
			return fmt.Errorf("%s: %s", program, line)
		}
	}
	return nil
}

// writeSchemas writes each schema of the WSDL to a file, and another one for
// the wrappers, for which the WSDL has no schema.
func writeSchemas(dir string) error {
	schemas, err := schemas(api.WSDL)
	if err != nil {
		return err
	}
	files := map[string][]byte{
		"xml.xsd":      xmlXSD,
		"envelope.xsd": envelopeXSD,
		"kiuru.xsd":    wrappers(nsKiuru),
		"local.xsd":    wrappers(""),
	}
	all := `<xs:schema xmlns:xs="` + nsSchema + `"><xs:include schemaLocation="local.xsd"/>`
	imports := []string{}
	for i, s := range schemas {
		name := fmt.Sprintf("s%d.xsd", i)
		files[name] = s.text
		all += `<xs:import namespace="` + s.namespace + `" schemaLocation="` + name + `"/>`
		imports = append(imports, `<xs:import namespace="`+s.namespace+`"/>`, `<xs:import namespace="`+s.namespace+`" schemaLocation="`+name+`"/>`)
	}
	all += `<xs:import namespace="` + nsKiuru + `" schemaLocation="kiuru.xsd"/>` +
		`<xs:import namespace="http://www.w3.org/2003/05/soap-envelope" schemaLocation="envelope.xsd"/></xs:schema>`
	files["all.xsd"] = []byte(all)
	locate := strings.NewReplacer(imports...)
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(locate.Replace(string(text))), 0o600); err != nil {
			return err
		}
	}
	return nil
}

type schema struct {
	namespace string
	text      []byte
}

// schemas returns the schema elements of a WSDL, unchanged.
func schemas(wsdl []byte) (list []schema, err error) {
	d := xml.NewDecoder(bytes.NewReader(wsdl))
	for {
		begin := d.InputOffset()
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		e, ok := token.(xml.StartElement)
		if !ok || e.Name != (xml.Name{Space: nsSchema, Local: "schema"}) {
			continue
		}
		s := schema{}
		for _, a := range e.Attr {
			if a.Name.Local == "targetNamespace" {
				s.namespace = a.Value
			}
		}
		if err := d.Skip(); err != nil {
			return nil, err
		}
		s.text = wsdl[begin:d.InputOffset()]
		list = append(list, s)
	}
	if len(list) == 0 {
		return nil, errors.New("the WSDL has no schema")
	}
	return list, nil
}

// wrappers returns a schema for the wrappers of all operations, in a namespace
// or in none, around a part that is qualified or not. Without a namespace it
// also contains the bare unqualified parts, which are sent without a wrapper.
func wrappers(namespace string) []byte {
	target := ""
	if namespace != "" {
		target = ` targetNamespace="` + namespace + `"`
	}
	var b strings.Builder
	b.WriteString(`<xs:schema xmlns:xs="` + nsSchema + `" xmlns:mss="` + nsMSS + `"` + target + `><xs:import namespace="` + nsMSS + `"/>`)
	for _, w := range [][2]string{
		{"MSS_Signature", "MSS_SignatureReq"}, {"MSS_SignatureResponse", "MSS_SignatureResp"},
		{"MSS_StatusQuery", "MSS_StatusReq"}, {"MSS_StatusQueryResponse", "MSS_StatusResp"},
		{"MSS_Receipt", "MSS_ReceiptReq"}, {"MSS_ReceiptResponse", "MSS_ReceiptResp"},
		{"MSS_ProfileQuery", "MSS_ProfileReq"}, {"MSS_ProfileQueryResponse", "MSS_ProfileResp"},
	} {
		wrapper, part := w[0], w[1]
		local := `<xs:element name="` + part + `" type="mss:` + part + `Type"/>`
		b.WriteString(`<xs:element name="` + wrapper + `"><xs:complexType><xs:choice>` + local + `<xs:element ref="mss:` + part + `"/></xs:choice>` +
			`<xs:anyAttribute namespace="##other" processContents="skip"/></xs:complexType></xs:element>`)
		if namespace == "" {
			b.WriteString(local)
		}
	}
	b.WriteString(`</xs:schema>`)
	return []byte(b.String())
}
