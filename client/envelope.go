package client

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/textproto"
	"strings"
)

// open takes a CMS out of what it was sent in: PEM, S/MIME (RFC 8551) or Base64. It
// returns other data unchanged. content is what a multipart/signed carries beside the
// signature, and nil for the other forms.
func open(data []byte) (cms, content []byte, err error) {
	// A long SEQUENCE first, so that nothing is looked for in the text of a CMS: it may
	// contain the PEM of another.
	if len(data) > 1 && data[0] == 0x30 && data[1] >= 0x80 {
		return data, nil, nil
	}
	if isMIME(data) { // before PEM for the same reason
		return fromMIME(data)
	}
	if bytes.Contains(data, []byte("-----BEGIN ")) {
		cms, err = fromPEM(data)
		return cms, nil, err
	}
	if der := fromBase64(data); len(der) > 0 {
		return der, nil, nil
	}
	return data, nil, nil
}

// fromPEM returns the signature in a PEM file.
func fromPEM(data []byte) ([]byte, error) {
	block, _ := pem.Decode(data)
	if block == nil {
		return nil, errors.New("the PEM file is damaged")
	}
	switch block.Type {
	case "CMS", "PKCS7", "PKCS #7 SIGNED DATA":
		return block.Bytes, nil
	}
	return nil, fmt.Errorf("the PEM file begins with a %s, not with a CMS or PKCS7", block.Type)
}

// fromBase64 returns nil if the data are anything else.
func fromBase64(data []byte) []byte {
	der, err := base64.StdEncoding.DecodeString(string(bytes.Join(bytes.Fields(data), nil)))
	if err != nil {
		return nil
	}
	return der
}

// isMIME reports whether the data begin with the header of a MIME message.
func isMIME(data []byte) bool {
	for line := range bytes.Lines(bytes.TrimLeft(data, "\r\n")) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		switch {
		case ok && bytes.EqualFold(name, []byte("Content-Type")):
			return true
		case !ok && line[0] != ' ' && line[0] != '\t': // neither a field nor its continuation
			return false
		}
	}
	return false
}

// entity splits a MIME entity into its type, parameters and body.
func entity(data []byte) (kind string, params map[string]string, body []byte, err error) {
	r := bufio.NewReader(bytes.NewReader(bytes.TrimLeft(data, "\r\n")))
	h, err := textproto.NewReader(r).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return "", nil, nil, fmt.Errorf("the S/MIME header is not readable: %w", err)
	}
	if kind, params, err = mime.ParseMediaType(h.Get("Content-Type")); err != nil {
		return "", nil, nil, fmt.Errorf("the Content-Type of the S/MIME message is not readable: %w", err)
	}
	body, err = io.ReadAll(r)
	return strings.Replace(kind, "/x-pkcs7-", "/pkcs7-", 1), params, body, err
}

// fromMIME reads an S/MIME message: one part with a CMS that contains what was
// signed, or two, the second of which is the signature of the first.
func fromMIME(data []byte) (cms, content []byte, err error) {
	kind, params, body, err := entity(data)
	if err != nil {
		return nil, nil, err
	}
	if kind == "multipart/signed" {
		var signature []byte
		if content, signature, err = splitSigned(body, params["boundary"]); err != nil {
			return nil, nil, err
		}
		if kind, params, body, err = entity(signature); err != nil {
			return nil, nil, err
		}
	}
	switch smime := params["smime-type"]; {
	case kind != "application/pkcs7-mime" && kind != "application/pkcs7-signature":
		return nil, nil, fmt.Errorf("a message of type %q contains no signature", kind)
	case smime != "" && smime != "signed-data":
		return nil, nil, fmt.Errorf("an S/MIME message with %q contains no signature", smime)
	}
	if der := fromBase64(body); len(der) > 0 {
		body = der
	}
	return body, content, nil
}

// splitSigned splits the body of a multipart/signed. What was signed is the first
// part with its header, up to the line break before the boundary, with lines that
// end in CR LF (RFC 8551, clause 3.1.1).
func splitSigned(body []byte, boundary string) (content, signature []byte, err error) {
	var parts [3]bytes.Buffer // what precedes them is the first
	part := 0
	for line := range bytes.Lines(body) {
		text := bytes.TrimRight(line, "\r\n")
		delimiter, ok := bytes.CutPrefix(bytes.TrimRight(text, " \t"), []byte("--"+boundary))
		switch {
		case ok && boundary != "" && string(delimiter) == "--":
			if part != 2 {
				return nil, nil, fmt.Errorf("a multipart/signed with %d parts instead of 2", part)
			}
			content = append([]byte{}, bytes.TrimSuffix(parts[1].Bytes(), []byte("\r\n"))...)
			return content, parts[2].Bytes(), nil
		case ok && boundary != "" && len(delimiter) == 0:
			if part++; part == len(parts) {
				return nil, nil, errors.New("a multipart/signed with more than 2 parts")
			}
		default:
			parts[part].Write(text)
			parts[part].WriteString("\r\n")
		}
	}
	return nil, nil, errors.New("a multipart/signed without its end")
}
