package scenario

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum/internal/partydoc"
	"go.yaml.in/yaml/v3"
)

// MaxSize limits a scenario file, in bytes.
const MaxSize = 4 << 20

// Parse reads a scenario file, YAML or JSON, and checks it. The error names all faults with
// their lines. name is that of the file; readFile reads the file of a certificate, and
// is nil if the scenario must contain all certificates.
func Parse(name string, data []byte, readFile func(string) ([]byte, error)) (*Scenario, error) {
	return parse(name, data, func(p *partydoc.Party) error {
		if err := p.ReadCertificates(readFile); err != nil {
			return err
		}
		return p.CheckCertificates(time.Now())
	})
}

// ParseKept is Parse for a file that Format wrote a while ago. It does not look at
// certificates, which may have expired since.
func ParseKept(name string, data []byte) (*Scenario, error) {
	return parse(name, data, func(*partydoc.Party) error { return nil })
}

func parse(name string, data []byte, certificates func(*partydoc.Party) error) (*Scenario, error) {
	s := new(Scenario)
	d := &decoder{name: name, bad: make(map[string][]int)}
	var doc, second yaml.Node
	dec := yaml.NewDecoder(bytes.NewReader(data))
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return s, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %s", name, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		d.fault(second.Line, "there is more than one YAML document; keep one")
	}
	d.value(doc.Content[0], reflect.ValueOf(s).Elem(), "")
	c := checker{decoder: d, lines: linesOf(doc.Content[0]), certificates: certificates}
	c.users(s.Users)
	c.parties(s.Parties)
	if len(d.problems) > 0 {
		return nil, errors.Join(d.problems...)
	}
	return s, nil
}

// linesOf returns the line of each item of the lists in a document.
func linesOf(doc *yaml.Node) map[string][]int {
	lines := make(map[string][]int)
	for i := 0; i+1 < len(doc.Content); i += 2 {
		if list := doc.Content[i+1]; list.Kind == yaml.SequenceNode {
			for _, item := range list.Content {
				lines[doc.Content[i].Value] = append(lines[doc.Content[i].Value], item.Line)
			}
		}
	}
	return lines
}

// checker checks users and parties that were decoded.
type checker struct {
	*decoder
	lines        map[string][]int
	certificates func(*partydoc.Party) error
}

func (c *checker) users(users []User) {
	first := make(map[string]int)
	for i := range users {
		if slices.Contains(c.bad["users"], i) {
			continue
		}
		line := c.lines["users"][i]
		if err := users[i].Check(); err != nil {
			c.fault(line, "%v", err)
			continue
		}
		if other, twice := first[users[i].MSISDN]; twice {
			c.fault(line, "%s is a user already, in line %d", users[i].MSISDN, other)
			continue
		}
		first[users[i].MSISDN] = line
	}
}

func (c *checker) parties(parties []partydoc.Party) {
	first := make(map[string]int)
	for i := range parties {
		if slices.Contains(c.bad["parties"], i) {
			continue
		}
		line := c.lines["parties"][i]
		err := parties[i].Check()
		if err == nil {
			err = c.certificates(&parties[i])
		}
		if err != nil {
			c.fault(line, "%v", err)
			continue
		}
		if other, twice := first[parties[i].APID]; twice {
			c.fault(line, "%s is a party already, in line %d", parties[i].APID, other)
			continue
		}
		first[parties[i].APID] = line
	}
}

// Format writes a scenario file, which Parse reads.
func (s *Scenario) Format() ([]byte, error) {
	// JSON is YAML, and its tags tell a list that is empty from one that is absent.
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, err
	}
	style(&doc)
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(&doc), enc.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// oldBooleans are true or false to readers of YAML 1.1. The country Norway is one.
var oldBooleans = []string{"y", "n", "yes", "no", "on", "off"}

// style makes the nodes of JSON look as people write YAML: short lists in one line,
// certificates as blocks, quotes where they are needed.
func style(n *yaml.Node) {
	n.Style = 0
	plain := n.Kind == yaml.SequenceNode
	for _, c := range n.Content {
		style(c)
		plain = plain && c.Kind == yaml.ScalarNode && !strings.Contains(c.Value, "\n")
	}
	switch {
	case plain && (len(n.Content) == 0 || len(n.Content[0].Value) < 8):
		n.Style = yaml.FlowStyle
	case n.Kind == yaml.ScalarNode && strings.Contains(n.Value, "\n"):
		n.Style = yaml.LiteralStyle
	case n.Kind == yaml.ScalarNode && slices.Contains(oldBooleans, strings.ToLower(n.Value)):
		n.Style = yaml.DoubleQuotedStyle
	}
}
