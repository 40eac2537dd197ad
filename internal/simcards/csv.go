package simcards

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/aes"
	"crypto/cipher"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	josecipher "github.com/go-jose/go-jose/v4/cipher"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

// maxLine bounds a line of the file, in bytes; a row has about 250.
const maxLine = 8 << 10

// The columns of a card file, and those that it must have.
var (
	cardColumns     = []string{"iccid", "msisdn", "key_set", "algorithm", "kic", "kid", "key_type", "state", "profile"}
	requiredColumns = cardColumns[:6]
)

// cardFile reads a card file line by line. It remembers only which cards and numbers
// it has seen.
type cardFile struct {
	lines       *bufio.Reader
	line        int
	comma       rune
	column      map[string]int
	columns     int
	kek         cipher.Block // nil: the keys are in the clear
	parseMSISDN func(string) (string, bool)
	profiles    []string

	cards   map[packedICCID]uint32 // line of each
	numbers map[uint64]uint32      // line of each
	text    bytes.Reader           // of one line
	buffer  *bufio.Reader          // on text
}

// openCards reads the header.
func openCards(r io.Reader, c *Config, kek []byte) (*cardFile, error) {
	f := &cardFile{lines: bufio.NewReaderSize(r, maxLine), parseMSISDN: c.ParseMSISDN, profiles: c.profiles(),
		cards: make(map[packedICCID]uint32), numbers: make(map[uint64]uint32), buffer: bufio.NewReaderSize(nil, maxLine)}
	if len(kek) > 0 {
		var err error
		if f.kek, err = aes.NewCipher(kek); err != nil {
			return nil, fmt.Errorf("simcards: the transport key has %d bytes, not 16, 24 or 32", len(kek))
		}
		if constant(kek) {
			return nil, fmt.Errorf("simcards: the transport key is %w", errConstant)
		}
	}
	line, err := f.readLine()
	if err == io.EOF {
		return nil, errors.New("simcards: the file is empty; it must begin with the names of its columns: " + strings.Join(cardColumns, ", "))
	}
	if err != nil {
		return nil, fmt.Errorf("simcards: header: %w", err)
	}
	if err := f.header(line); err != nil {
		return nil, fmt.Errorf("simcards: header: %w", err)
	}
	return f, nil
}

var byteOrderMark = []byte("\uFEFF")

func (f *cardFile) header(line []byte) error {
	f.comma = ','
	if bytes.Count(line, []byte{';'}) > bytes.Count(line, []byte{','}) {
		f.comma = ';'
	}
	names, err := f.split(line)
	if err != nil {
		return err
	}
	f.column, f.columns = make(map[string]int), len(names)
	for n, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if !slices.Contains(cardColumns, name) {
			return fmt.Errorf("unknown column %s; the columns are %s", nameOf(name, n), strings.Join(cardColumns, ", "))
		}
		if _, twice := f.column[name]; twice {
			return fmt.Errorf("column %s occurs twice", name)
		}
		f.column[name] = n
	}
	for _, name := range requiredColumns {
		if _, there := f.column[name]; !there {
			return fmt.Errorf("column %s is missing; the columns are %s, and the last three may be absent", name, strings.Join(cardColumns, ", "))
		}
	}
	return nil
}

// nameOf returns the name of a column for an error, or its number if it does not
// look like a name: a file without a header must not show a key.
func nameOf(name string, n int) string {
	other := func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' && r != '-' && r != ' ' }
	if name == "" || len(name) > 20 || strings.ContainsFunc(name, other) {
		return strconv.Itoa(n+1) + " (it does not hold a name)"
	}
	return strconv.Quote(name)
}

// errLongLine means that a line was skipped.
var errLongLine = fmt.Errorf("the line has more than %d bytes", maxLine)

// readLine returns the next line that is not empty, without its end. It is valid
// until the next call.
func (f *cardFile) readLine() ([]byte, error) {
	for {
		line, err := f.lines.ReadSlice('\n')
		f.line++
		if err == bufio.ErrBufferFull {
			for err == bufio.ErrBufferFull {
				_, err = f.lines.ReadSlice('\n')
			}
			if err == nil || err == io.EOF {
				err = errLongLine
			}
			return nil, err
		}
		if f.line == 1 {
			line = bytes.TrimPrefix(line, byteOrderMark)
		}
		if line = bytes.TrimSpace(line); len(line) > 0 && (err == nil || err == io.EOF) {
			return line, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// split reads the fields of one line. Reading line by line keeps an unclosed quote
// from swallowing the following lines.
func (f *cardFile) split(line []byte) ([]string, error) {
	f.text.Reset(line)
	f.buffer.Reset(&f.text)
	c := csv.NewReader(f.buffer)
	c.Comma, c.FieldsPerRecord = f.comma, -1
	fields, err := c.Read()
	if err != nil {
		return nil, errors.New("misplaced quotes in a field")
	}
	return fields, nil
}

// next returns the next row. The error is a RowError if the row is bad, io.EOF at the
// end, or that of the reader.
func (f *cardFile) next() (*cardRow, error) {
	line, err := f.readLine()
	if err != nil && err != errLongLine {
		return nil, err
	}
	if err == nil && len(f.cards) >= maxImportRows {
		return nil, fmt.Errorf("a file has at most %d cards: split it", maxImportRows)
	}
	r := &cardRow{line: f.line}
	var fields []string
	if err == nil {
		fields, err = f.split(line)
	}
	if err == nil && len(fields) != f.columns {
		err = fmt.Errorf("the row has %d fields, the header %d", len(fields), f.columns)
	}
	if err == nil {
		err = f.parse(r, fields)
	}
	if err != nil {
		return nil, RowError{Line: f.line, ICCID: r.iccid, Reason: err.Error()}
	}
	return r, nil
}

// parse reads the fields of a row. Errors name the column and do not show its
// content: if columns are mixed up, that may be a key.
func (f *cardFile) parse(r *cardRow, fields []string) error {
	field := func(name string) string {
		n, there := f.column[name]
		if !there {
			return ""
		}
		return strings.TrimSpace(fields[n])
	}
	iccid := field("iccid")
	if err := checkICCID(iccid); err != nil {
		return err
	}
	r.iccid = iccid
	if n := field("msisdn"); n != "" {
		var ok bool
		if r.msisdn, ok = f.parseMSISDN(n); !ok {
			return errors.New("msisdn: not the number of a mobile user")
		}
	}
	set, err := strconv.ParseUint(field("key_set"), 10, 8)
	if err != nil || set < 1 || set > 15 {
		return errors.New("key_set: must be a number from 1 to 15")
	}
	r.keySet = byte(set)
	switch r.algorithm = strings.ToUpper(field("algorithm")); r.algorithm {
	case mssp.CardAES, mssp.Card3DES:
	default:
		return fmt.Errorf("algorithm: must be %s or %s", mssp.CardAES, mssp.Card3DES)
	}
	switch r.keyType = signum.KeyType(strings.ToUpper(field("key_type"))); r.keyType {
	case "", signum.EC, signum.RSA:
	default:
		return fmt.Errorf("key_type: must be %s, %s or, for either, empty", signum.EC, signum.RSA)
	}
	if err := r.parseState(strings.ToUpper(field("state"))); err != nil {
		return err
	}
	if r.profile = field("profile"); r.profile != "" && r.profile != mssp.DefaultProfile && !slices.Contains(f.profiles, r.profile) {
		return fmt.Errorf("profile: not a card profile of this service, which has %s", strings.Join(f.names(), ", "))
	}
	if r.kic, err = f.key(field("kic"), r.algorithm); err != nil {
		return fmt.Errorf("kic: %w", err)
	}
	if r.kid, err = f.key(field("kid"), r.algorithm); err != nil {
		return fmt.Errorf("kid: %w", err)
	}
	return f.once(r)
}

// names are the profiles that a row may name.
func (f *cardFile) names() []string {
	if slices.Contains(f.profiles, mssp.DefaultProfile) {
		return f.profiles
	}
	return append([]string{mssp.DefaultProfile}, f.profiles...)
}

func (r *cardRow) parseState(text string) error {
	r.state = mssp.CardState(text)
	switch {
	case text == "":
	case r.msisdn == "" && r.state == mssp.CardStock:
	case r.msisdn != "" && (r.state == mssp.CardActive || r.state == mssp.CardBlocked):
	case r.msisdn == "":
		return fmt.Errorf("state: of a card without a number, must be %s or empty", mssp.CardStock)
	default:
		return fmt.Errorf("state: of a card with a number, must be %s, %s or, to leave it unchanged, empty", mssp.CardActive, mssp.CardBlocked)
	}
	return nil
}

// once refuses a card or number that an earlier row had: only the author of the file
// can say which row is right.
func (f *cardFile) once(r *cardRow) error {
	card := packICCID(r.iccid)
	if at := f.cards[card]; at != 0 {
		return fmt.Errorf("iccid: the card is already in line %d", at)
	}
	number := uint64(0)
	if r.msisdn != "" {
		var err error
		if number, err = strconv.ParseUint(strings.TrimPrefix(r.msisdn, "+"), 10, 64); err != nil {
			return errors.New("msisdn: the number is too long")
		}
		if at := f.numbers[number]; at != 0 {
			return fmt.Errorf("msisdn: the number is already in line %d", at)
		}
		f.numbers[number] = uint32(f.line)
	}
	f.cards[card] = uint32(f.line)
	return nil
}

// key reads a key in hex, unwraps it, and checks that it fits the algorithm.
func (f *cardFile) key(text, algorithm string) ([]byte, error) {
	key, err := hex.DecodeString(text)
	if err != nil || len(key) == 0 {
		return nil, errors.New("not hex")
	}
	lengths := []int{16, 24, 32}
	if algorithm == mssp.Card3DES {
		lengths = lengths[:2]
	}
	if f.kek != nil {
		// The library panics if there is nothing to unwrap.
		if n := len(key) - 8; !slices.Contains(lengths, n) {
			return nil, fmt.Errorf("%d bytes, but wrapped %s keys have %s", len(key), algorithm, orList(lengths, 8))
		}
		if key, err = josecipher.KeyUnwrap(f.kek, key); err != nil {
			return nil, errors.New("unwrapping failed: it was wrapped under another transport key, or is damaged")
		}
	}
	if !slices.Contains(lengths, len(key)) {
		return nil, fmt.Errorf("%d bytes, but %s keys have %s", len(key), algorithm, orList(lengths, 0))
	}
	if constant(key) {
		return nil, errConstant
	}
	if algorithm == mssp.Card3DES && degenerate(key) {
		return nil, errors.New("two parts are equal, which is single DES")
	}
	return key, nil
}

func orList(lengths []int, more int) string {
	text := make([]string, len(lengths))
	for i, n := range lengths {
		text[i] = strconv.Itoa(n + more)
	}
	return strings.Join(text[:len(text)-1], ", ") + " or " + text[len(text)-1]
}

// degenerate reports whether the first two parts of a 3DES key, or the last two of a
// key with three, are equal except for parity: then two of the three steps cancel out.
func degenerate(key []byte) bool {
	same := func(a, b []byte) bool {
		for i := range a {
			if (a[i]^b[i])&^1 != 0 {
				return false
			}
		}
		return true
	}
	return same(key[:8], key[8:16]) || len(key) == 24 && same(key[8:16], key[16:])
}

var (
	errICCID      = &Refusal{Reason: "iccid: must have 18 to 20 digits"}
	errCheckDigit = &Refusal{Reason: "iccid: the last digit must be the check digit of the others"}
)

// checkICCID requires 18 to 20 digits, the last of which is the check digit (ITU-T
// E.118, clause 4.1; ISO/IEC 7812-1, annex B).
func checkICCID(iccid string) error {
	if len(iccid) < 18 || len(iccid) > 20 {
		return errICCID
	}
	sum := 0
	for i := range len(iccid) {
		d := int(iccid[len(iccid)-1-i]) - '0'
		if d < 0 || d > 9 {
			return errICCID
		}
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	if sum%10 != 0 {
		return errCheckDigit
	}
	return nil
}

// packedICCID is an ICCID as a card stores it (TS 102 221, clause 13.2): two digits in
// a byte, padded with f.
type packedICCID [10]byte

func packICCID(iccid string) (p packedICCID) {
	for i := range p {
		p[i] = 0xff
	}
	for i := range len(iccid) {
		shift := 4 * (i % 2)
		p[i/2] = p[i/2]&^(0xf<<shift) | (iccid[i]-'0')<<shift
	}
	return p
}

func sortRows(rows []RowError) {
	slices.SortStableFunc(rows, func(a, b RowError) int { return cmp.Compare(a.Line, b.Line) })
}
