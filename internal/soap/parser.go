package soap

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/edge"
)

// Limits of a document. The messages need 10 levels and about 40 elements; the
// rest is room for headers, which are skipped.
const (
	maxDepth      = 32
	maxElements   = 512
	maxAttributes = 64
	maxBindings   = 128
)

// xmlSpace is the white space of XML.
const xmlSpace = " \t\r\n"

// parser walks through a document. It uses the raw tokens of encoding/xml,
// which cost half as much as the cooked ones, and adds the checks that make
// them a document: end tags match, namespaces resolve, there is at most one XML
// declaration, no document type, no processing instruction, no duplicate
// attribute, and the limits hold.
type parser struct {
	xml     *xml.Decoder
	doc     []byte // the body without its byte order mark
	skipped int    // bytes of the byte order mark

	begun    bool
	elements int
	depth    int
	open     [maxDepth]xml.Name // names of the open elements, as written
	bindings []binding

	element xml.StartElement // the last start tag, with namespaces resolved
	chars   []byte           // the last text; valid until the next token
	scratch []byte
}

// binding is a namespace declaration that applies to an element and its
// descendants.
type binding struct {
	prefix, uri string
	depth       int
}

// kind is the kind of a token.
type kind uint8

const (
	kindStart kind = iota + 1
	kindEnd
	kindText
)

func newParser(body []byte) *parser {
	p := &parser{doc: bytes.TrimPrefix(body, []byte("\xEF\xBB\xBF"))}
	p.skipped = len(body) - len(p.doc)
	p.xml = xml.NewDecoder(bytes.NewReader(p.doc))
	p.xml.CharsetReader = charset
	return p
}

var errCharset = signum.Faultf(signum.WrongParam, "The request must be in UTF-8")

// charset handles the encodings that encoding/xml does not know. US-ASCII needs
// no conversion to UTF-8.
func charset(label string, in io.Reader) (io.Reader, error) {
	if strings.EqualFold(label, "us-ascii") || strings.EqualFold(label, "ascii") || strings.EqualFold(label, "utf8") {
		return in, nil
	}
	return nil, errCharset
}

// declaration matches what may follow "<?xml" (XML 1.0, clause 2.8).
// encoding/xml only searches it for a version and an encoding.
var declaration = regexp.MustCompile(`^version\s*=\s*("1\.0"|'1\.0')` +
	`(\s+encoding\s*=\s*("[A-Za-z][A-Za-z0-9._-]*"|'[A-Za-z][A-Za-z0-9._-]*'))?` +
	`(\s+standalone\s*=\s*("(yes|no)"|'(yes|no)'))?\s*$`)

// utf16 reports whether the document looks like UTF-16 or UTF-32.
func utf16(b []byte) bool {
	return len(b) >= 2 && (b[0] == 0 || b[1] == 0 || b[0] == 0xFE && b[1] == 0xFF || b[0] == 0xFF && b[1] == 0xFE)
}

// next reads the next start tag, end tag or text. It returns io.EOF only after
// the root element.
func (p *parser) next() (kind, error) {
	for {
		offset := int(p.xml.InputOffset())
		t, err := p.xml.RawToken()
		if err == io.EOF && p.depth > 0 {
			return 0, io.ErrUnexpectedEOF
		}
		if err != nil {
			return 0, err
		}
		first := !p.begun
		p.begun = true
		switch t := t.(type) {
		case xml.StartElement:
			p.element = t
			return kindStart, p.push(offset)
		case xml.EndElement:
			if p.depth == 0 || p.open[p.depth-1] != t.Name {
				return 0, p.malformed("not well-formed")
			}
			p.pop()
			return kindEnd, nil
		case xml.CharData:
			p.chars = t
			if bytes.ContainsRune(t, utf8.RuneError) && p.surrogates(offset) {
				return 0, p.malformed("character reference to a surrogate")
			}
			return kindText, nil
		case xml.Directive:
			return 0, signum.Faultf(signum.WrongParam, "Document type declarations are not allowed")
		case xml.ProcInst:
			// SOAP 1.2 part 1, clause 5, forbids processing instructions. The
			// XML declaration is not one, as long as it comes first.
			switch {
			case t.Target != "xml":
				return 0, signum.Faultf(signum.WrongParam, "Processing instructions are not allowed")
			case !first && blank(p.doc[:offset]):
				return 0, p.malformedAt(0, "white space before the XML declaration")
			case !first:
				return 0, p.malformedAt(offset, "the XML declaration must come first")
			case !declaration.Match(t.Inst):
				return 0, p.malformed("not well-formed")
			}
		}
	}
}

// push opens an element: it checks the limits and resolves namespaces and
// attributes.
func (p *parser) push(offset int) error {
	e := &p.element
	p.elements++
	switch {
	case p.depth == maxDepth:
		return p.malformed("nested too deeply")
	case p.elements > maxElements:
		return p.malformed("too many elements")
	case len(e.Attr) > maxAttributes:
		return p.malformed("too many attributes")
	}
	p.open[p.depth] = e.Name
	p.depth++
	for i := range e.Attr {
		a := &e.Attr[i]
		if strings.ContainsRune(a.Value, utf8.RuneError) && p.surrogates(offset) {
			return p.malformed("character reference to a surrogate")
		}
		switch {
		case a.Name.Space == "xmlns":
			p.bindings = append(p.bindings, binding{a.Name.Local, a.Value, p.depth})
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			p.bindings = append(p.bindings, binding{"", a.Value, p.depth})
		}
	}
	if len(p.bindings) > maxBindings {
		return p.malformed("too many namespaces")
	}
	if !p.resolve(&e.Name) {
		return p.malformed("undeclared prefix")
	}
	for i := range e.Attr {
		a := &e.Attr[i]
		// The default namespace does not apply to attributes.
		if a.Name.Space != "" && a.Name.Space != "xmlns" && !p.resolve(&a.Name) {
			return p.malformed("undeclared prefix")
		}
		for j := range e.Attr[:i] {
			if a.Name == e.Attr[j].Name {
				return p.malformed("duplicate attribute")
			}
		}
	}
	return nil
}

// pop closes the innermost element and drops its namespace declarations.
func (p *parser) pop() {
	for n := len(p.bindings); n > 0 && p.bindings[n-1].depth == p.depth; n-- {
		p.bindings = p.bindings[:n-1]
	}
	p.depth--
}

// resolve replaces the prefix of a name with its namespace.
func (p *parser) resolve(n *xml.Name) bool {
	for i := len(p.bindings) - 1; i >= 0; i-- {
		if b := &p.bindings[i]; b.prefix == n.Space {
			n.Space = b.uri
			return b.uri != "" || b.prefix == ""
		}
	}
	if n.Space == "xml" {
		n.Space = nsXML
		return true
	}
	return n.Space == ""
}

// surrogates reports whether the token that starts at the offset contains a
// reference to half of a surrogate pair, which is not a character. encoding/xml
// would read it as U+FFFD, and the user would see another text than the party
// meant.
func (p *parser) surrogates(offset int) bool {
	raw := p.doc[offset:p.xml.InputOffset()]
	if bytes.HasPrefix(raw, []byte("<![CDATA[")) {
		return false
	}
	for {
		_, after, ok := bytes.Cut(raw, []byte("&#"))
		if !ok {
			return false
		}
		ref, rest, _ := bytes.Cut(after, []byte(";"))
		digits, base := string(ref), 10
		if strings.HasPrefix(digits, "x") {
			digits, base = digits[1:], 16
		}
		if n, err := strconv.ParseUint(digits, base, 32); err == nil && n >= 0xD800 && n <= 0xDFFF {
			return true
		}
		raw = rest
	}
}

// children reads the children of an element that contains elements only, up to
// and including its end tag. The handler must read the child to its end.
func (p *parser) children(what string, child func(e xml.StartElement) error) error {
	for {
		k, err := p.next()
		switch {
		case err != nil:
			return err
		case k == kindEnd:
			return nil
		case k == kindText && !blank(p.chars):
			return signum.Faultf(signum.WrongParam, "%s must not have text", what)
		case k == kindStart:
			if err := child(p.element); err != nil {
				return err
			}
		}
	}
}

// text reads the text of an element that contains text only, up to and
// including its end tag. The bytes are valid until the next call.
func (p *parser) text(what string) ([]byte, error) {
	p.scratch = p.scratch[:0]
	for {
		k, err := p.next()
		switch {
		case err != nil:
			return nil, err
		case k == kindEnd:
			return p.scratch, nil
		case k == kindText:
			p.scratch = append(p.scratch, p.chars...)
		case k == kindStart:
			return nil, signum.Faultf(signum.WrongParam, "%s must not have elements", what)
		}
	}
}

// token reads the text of an element whose type collapses white space.
func (p *parser) token(dst *string, what string) error {
	b, err := p.text(what)
	if err != nil {
		return err
	}
	*dst = edge.Intern(bytes.Trim(b, xmlSpace))
	return nil
}

// skip reads to the end of the element that was opened last.
func (p *parser) skip() error {
	for base := p.depth; p.depth >= base; {
		if _, err := p.next(); err != nil {
			return err
		}
	}
	return nil
}

// malformed names the place up to which the document has been read.
func (p *parser) malformed(reason string) *signum.Fault {
	return p.malformedAt(int(p.xml.InputOffset()), reason)
}

func (p *parser) malformedAt(offset int, reason string) *signum.Fault {
	return signum.Faultf(signum.WrongParam, "Malformed XML at byte %d: %s", offset+p.skipped, reason)
}

// fault turns a parsing error into a fault. The fault tells only the place and
// the kind of the error, because the parser's own text would repeat what was
// sent.
func (p *parser) fault(err error) *signum.Fault {
	if f := signum.AsFault(err); f != nil {
		return f
	}
	var syntax *xml.SyntaxError
	switch isSyntax := errors.As(err, &syntax); {
	case err == io.EOF, err == io.ErrUnexpectedEOF, isSyntax && syntax.Msg == "unexpected EOF":
		return p.malformed("unexpected end")
	case isSyntax && strings.HasPrefix(syntax.Msg, "invalid character entity"):
		return p.malformed("unknown entity")
	case !utf8.Valid(p.doc):
		return p.malformed("not UTF-8")
	}
	return p.malformed("not well-formed")
}

func blank(b []byte) bool { return len(bytes.Trim(b, xmlSpace)) == 0 }

// once records which children of an element have been seen.
type once uint16

// see fails if the child of this number has been seen before.
func (o *once) see(bit uint, name string) error {
	if *o&(1<<bit) != 0 {
		return signum.Faultf(signum.WrongParam, "%s must not be repeated", name)
	}
	*o |= 1 << bit
	return nil
}
