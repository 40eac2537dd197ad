package door

import (
	"bytes"
	"math"
	"strconv"
	"sync/atomic"
)

// framing follows what a client sends over HTTP/1.1, as far as is needed to find the
// header of each request, and notes headers with both Content-Length and
// Transfer-Encoding. net/http drops the first of them without a word, but a proxy in
// front may go by it, and then each sees requests that the other does not.
//
// Only Read and its caller, one at a time, may call scan. The results may be read at
// any time.
type framing struct {
	headers atomic.Uint64 // complete ones
	refuse  atomic.Bool   // a header has both, or the scan has lost its way
	served  uint64        // requests that had their check

	state     state
	line      [lineSize]byte // the beginning of the line
	length    int            // of the line
	requested bool           // the request line was seen
	last      field          // of the header line before
	sized     bool           // Content-Length was seen
	chunked   bool           // Transfer-Encoding was seen
	left      uint64         // of a body or chunk
}

// lineSize is enough for the lines that matter. A longer one of them is refused.
const lineSize = 64

type state uint8

const (
	inHeader state = iota
	inBody         // of a known length
	inChunkSize
	inChunk // with the line break after it
	inTrailer
	off
)

type field uint8

const (
	other field = iota
	contentLength
	transferEncoding
)

// ok reports whether the next request may be served. It is called once for each.
func (f *framing) ok() bool {
	f.served++
	return !f.refuse.Load() && f.headers.Load() >= f.served
}

func (f *framing) stop() {
	f.state = off
	f.refuse.Store(true)
}

func (f *framing) scan(p []byte) {
	for len(p) > 0 && f.state != off {
		if f.state == inBody || f.state == inChunk {
			n := min(f.left, uint64(len(p)))
			p, f.left = p[n:], f.left-n
			f.skipped()
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			f.add(p)
			return
		}
		f.add(p[:end])
		p = p[end+1:]
		f.ended()
		f.length = 0
	}
}

func (f *framing) add(part []byte) {
	if f.length < lineSize {
		copy(f.line[f.length:], part)
	}
	f.length += len(part)
}

// skipped goes on after a part of a body.
func (f *framing) skipped() {
	switch {
	case f.left > 0:
	case f.state == inChunk:
		f.state = inChunkSize
	default:
		f.next()
	}
}

// next expects the header of another request.
func (f *framing) next() {
	f.state, f.requested, f.last, f.sized, f.chunked = inHeader, false, other, false, false
}

// ended handles a complete line.
func (f *framing) ended() {
	line := bytes.TrimSuffix(f.line[:min(f.length, lineSize)], []byte("\r"))
	switch f.state {
	case inChunkSize:
		f.chunkSize(line)
	case inTrailer:
		if len(line) == 0 {
			f.next()
		}
	default:
		f.headerLine(line)
	}
}

func (f *framing) headerLine(line []byte) {
	switch {
	case !f.requested:
		f.requested = len(line) > 0 // empty lines before a request are allowed
	case len(line) == 0:
		f.headerEnded()
	case line[0] == ' ' || line[0] == '\t': // goes on with the line before
		if f.last != other {
			f.stop()
		}
	default:
		f.header(line)
	}
}

func (f *framing) header(line []byte) {
	name, value, _ := bytes.Cut(line, []byte(":"))
	value = bytes.Trim(value, " \t")
	switch name = bytes.TrimRight(name, " \t"); {
	case bytes.EqualFold(name, []byte("Content-Length")):
		n, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil || f.length > lineSize || f.sized && n != f.left {
			f.stop()
			return
		}
		f.last, f.sized, f.left = contentLength, true, n
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		if !bytes.EqualFold(value, []byte("chunked")) || f.length > lineSize {
			f.stop()
			return
		}
		f.last, f.chunked = transferEncoding, true
	default:
		f.last = other
	}
}

func (f *framing) headerEnded() {
	f.headers.Add(1)
	switch {
	case f.sized && f.chunked:
		f.stop()
	case f.chunked:
		f.state = inChunkSize
	case f.sized && f.left > 0:
		f.state = inBody
	default:
		f.next()
	}
}

func (f *framing) chunkSize(line []byte) {
	size, _, extended := bytes.Cut(bytes.TrimRight(line, " \t\r"), []byte(";"))
	n, err := strconv.ParseUint(string(size), 16, 64)
	switch {
	case err != nil || n > math.MaxInt64-2 || f.length > lineSize && !extended:
		f.stop()
	case n == 0:
		f.state = inTrailer
	default:
		f.state, f.left = inChunk, n+2
	}
}
