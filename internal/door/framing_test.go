package door

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/textproto"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// FuzzFraming: no request that net/http takes, and whose header has both Content-Length
// and Transfer-Encoding, passes the check, whatever came before it.
func FuzzFraming(f *testing.F) {
	for _, seed := range []string{
		"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n0\r\nTrailer: a\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\ntransfer-encoding:chunked\r\nCONTENT-LENGTH:3\r\n\r\n0\r\n\r\n",
		"GET / HTTP/1.1\nHost: a\nContent-Length: 2\n\nabPOST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		in := bytes.NewReader(sent)
		br := bufio.NewReaderSize(in, 1<<16)
		read := func() int { return len(sent) - in.Len() - br.Buffered() }
		var scanned framing
		for from := 0; ; {
			before := read()
			r, err := http.ReadRequest(br)
			if err != nil {
				return
			}
			after := read()
			scanned.scan(sent[from:after])
			from = after
			if ok := scanned.ok(); ok && bothIn(sent[before:after]) {
				t.Fatalf("passed: %q", sent[before:after])
			}
			if _, err := io.Copy(io.Discard, r.Body); err != nil {
				return
			}
		}
	})
}

// bothIn reports whether a header, as net/http reads it, has both fields.
func bothIn(header []byte) bool {
	_, fields, _ := bytes.Cut(header, []byte("\n"))
	h, _ := textproto.NewReader(bufio.NewReader(bytes.NewReader(fields))).ReadMIMEHeader()
	return h["Content-Length"] != nil && h["Transfer-Encoding"] != nil
}

// TestFraming: well-formed requests pass, however they are cut into pieces, and the one
// that has both fields does not.
func TestFraming(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var sent strings.Builder
		var ends []int // of headers
		requests := rapid.IntRange(1, 6).Draw(t, "requests")
		bad := rapid.IntRange(0, 2*requests).Draw(t, "the bad one")
		for i := range requests {
			body := rapid.StringMatching(`[a-f0-9\r\n]{0,40}`).Draw(t, "body")
			fmt.Fprintf(&sent, "POST /%d HTTP/1.1\r\nHost: a\r\nX-Long: %s\r\n", i, strings.Repeat("x", rapid.IntRange(0, 200).Draw(t, "long")))
			chunked := rapid.Bool().Draw(t, "chunked")
			switch {
			case i == bad:
				fmt.Fprintf(&sent, "content-length: %d\r\nTRANSFER-ENCODING: chunked\r\n\r\n", len(body))
			case chunked:
				sent.WriteString("Transfer-Encoding:  Chunked \r\n\r\n")
			default:
				fmt.Fprintf(&sent, "Content-Length: %d\r\n\r\n", len(body))
			}
			if ends = append(ends, sent.Len()); !chunked {
				sent.WriteString(body)
				continue
			}
			for len(body) > 0 {
				n := rapid.IntRange(1, len(body)).Draw(t, "chunk")
				fmt.Fprintf(&sent, "%x;a=b\r\n%s\r\n", n, body[:n])
				body = body[n:]
			}
			sent.WriteString("0\r\nTrailer: t\r\n\r\n")
		}
		var f framing
		rest := sent.String()
		for i, end := range ends {
			for next := end - (sent.Len() - len(rest)); next > 0; {
				n := rapid.IntRange(1, next).Draw(t, "piece")
				f.scan([]byte(rest[:n]))
				rest, next = rest[n:], next-n
			}
			if ok := f.ok(); ok != (i < bad) && i <= bad {
				t.Fatalf("request %d of %q: %v", i, sent.String(), ok)
			}
		}
	})
}

func BenchmarkFraming(b *testing.B) {
	request := []byte("POST /rest/service/sign HTTP/1.1\r\nHost: localhost:8443\r\nUser-Agent: curl/8.5.0\r\nAccept: application/json\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n" + strings.Repeat("x", 500))
	var f framing
	for b.Loop() {
		f.scan(request)
		if !f.ok() {
			b.Fatal("refused")
		}
	}
}
