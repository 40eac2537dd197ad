package simcards

import (
	"bytes"
	"context"
	"crypto/aes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	josecipher "github.com/go-jose/go-jose/v4/cipher"
	"github.com/google/go-cmp/cmp"

	"github.com/signum-mssp/signum/internal/mssp"
)

func TestImportWrappedKeys(t *testing.T) {
	t.Parallel()
	for _, size := range []int{16, 24, 32} {
		b := newTestBook(t)
		kek := append(bytes.Repeat([]byte{9}, size-1), 1)
		block, err := aes.NewCipher(kek)
		if err != nil {
			t.Fatal(err)
		}
		wrap := func(key []byte) []byte {
			w, err := josecipher.KeyWrap(block, key)
			if err != nil {
				t.Fatal(err)
			}
			return w
		}
		long := append(cardKey(1, 1), cardKey(1, 2)...)
		good := fmt.Sprintf("%s,%s,1,AES,%x,%x,,\n", cardICCID(1), cardNumber(1), wrap(long), wrap(long[:24]))
		damaged := wrap(long)
		damaged[9] ^= 1
		sum, err := b.Import(t.Context(), strings.NewReader(cardHeader+good+cardLine(2, 2)+
			fmt.Sprintf("%s,,1,AES,%x,%x,,\n", cardICCID(3), damaged, damaged)+
			fmt.Sprintf("%s,,1,3DES,%x,%x,,\n", cardICCID(4), wrap(long), wrap(long))+
			fmt.Sprintf("%s,,1,AES,%x,%x,,\n", cardICCID(5), wrap(long)[:8], wrap(long))), ImportOptions{KEK: kek})
		if err != nil {
			t.Fatal(err)
		}
		b.want(Summary{Rows: 5, New: 1, Failed: 4, Errors: []RowError{
			{3, cardICCID(2), "kic: 16 bytes, but wrapped AES keys have 24, 32 or 40"},
			{4, cardICCID(3), "kic: unwrapping failed: it was wrapped under another transport key, or is damaged"},
			{5, cardICCID(4), "kic: 40 bytes, but wrapped 3DES keys have 24 or 32"},
			{6, cardICCID(5), "kic: 8 bytes, but wrapped AES keys have 24, 32 or 40"},
		}}, sum)
		b.wantKeys(b.card(1), long, long[:24])
	}
	// The vectors of RFC 3394, clauses 4.1 and 4.6.
	b := newTestBook(t)
	for n, v := range []struct{ kek, key, wrapped string }{
		{"000102030405060708090A0B0C0D0E0F", "00112233445566778899AABBCCDDEEFF", "1FA68B0A8112B447AEF34BD8FB5A7B829D3E862371D2CFE5"},
		{"000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F", "00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F",
			"28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"},
	} {
		row := fmt.Sprintf("%s,,1,AES,%s,%s,,\n", cardICCID(n), v.wrapped, v.wrapped)
		if _, err := b.Import(t.Context(), strings.NewReader(cardHeader+row), ImportOptions{KEK: cardHex(t, v.kek)}); err != nil {
			t.Fatal(err)
		}
		b.wantKeys(b.card(n), cardHex(t, v.key), cardHex(t, v.key))
	}
}

func cardHex(t *testing.T, s string) (b []byte) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestImportRefused(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	for name, test := range map[string]struct {
		file string
		opts ImportOptions
		want string
	}{
		"no key":        {cardHeader, ImportOptions{}, "transport key is missing"},
		"two kinds":     {cardHeader, ImportOptions{KEK: []byte("a transport key."), PlainKeys: true}, "said to be plain"},
		"short key":     {cardHeader, ImportOptions{KEK: make([]byte, 15)}, "15 bytes"},
		"state":         {cardHeader, ImportOptions{PlainKeys: true, DefaultState: mssp.CardStock}, "ACTIVE or BLOCKED"},
		"empty":         {" \r\n\n", ImportOptions{PlainKeys: true}, "file is empty"},
		"unknown":       {"iccid,msisdn,puk\n", ImportOptions{PlainKeys: true}, `unknown column "puk"; the columns are iccid, msisdn, key_set, algorithm, kic, kid, key_type, state, profile`},
		"no header":     {"c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1,x", ImportOptions{PlainKeys: true}, "column 1 (it does not hold a name)"},
		"unnamed":       {"iccid,\n", ImportOptions{PlainKeys: true}, "column 2 (it"},
		"twice":         {"iccid,msisdn,ICCID\n", ImportOptions{PlainKeys: true}, "iccid occurs twice"},
		"missing":       {"iccid,msisdn,key_set,algorithm,kic\n", ImportOptions{PlainKeys: true}, "column kid is missing"},
		"quotes":        {"iccid,\"msisdn\n", ImportOptions{PlainKeys: true}, "quotes"},
		"a long header": {strings.Repeat("x", 3*maxLine), ImportOptions{PlainKeys: true}, "more than 8192 bytes"},
	} {
		sum, err := b.Import(t.Context(), strings.NewReader(test.file), test.opts)
		if err == nil || !strings.Contains(err.Error(), test.want) || sum.Rows != 0 || strings.Contains(err.Error(), "c1c1") {
			t.Errorf("%s: %v, %+v", name, err, sum)
		}
	}
	if _, err := b.Import(t.Context(), iotest.ErrReader(io.ErrUnexpectedEOF), ImportOptions{PlainKeys: true}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	// The rows before the point where reading fails are carried out.
	file := io.MultiReader(strings.NewReader(cardHeader+cardLine(1, 1)+cardLine(2, 2)[:30]), iotest.ErrReader(io.ErrUnexpectedEOF))
	sum, err := b.Import(t.Context(), file, ImportOptions{PlainKeys: true})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(sum, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Import(ctx, strings.NewReader(cardHeader+cardLine(1, 1)), ImportOptions{PlainKeys: true}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestImportBadRows(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	b.refuse = cardICCID(90)
	k, id := fmt.Sprintf("%x", cardKey(1, 1)), cardICCID(1)
	double := "0123456789abcdee0123456789abcdef" // equal except for parity
	wrongCheck := id[:19] + string(rune('0'+(id[19]-'0'+1)%10))
	tests := []struct{ row, want string }{
		{"1,,1,AES," + k + "," + k + ",,", "iccid: must have 18 to 20 digits"},
		{k + ",,1,AES,1,1,,", "iccid: must have 18 to 20 digits"},
		{"8941010000000000000x,,1,AES," + k + "," + k + ",,", "iccid: must have 18 to 20 digits"},
		{wrongCheck + ",,1,AES," + k + "," + k + ",,", "iccid: the last digit must be the check digit of the others"},
		{id + "," + k + ",1,AES," + k + "," + k + ",,", "msisdn: not the number of a mobile user"},
		{id + ",,0,AES," + k + "," + k + ",,", "key_set: must be a number from 1 to 15"},
		{id + ",,16,AES," + k + "," + k + ",,", "key_set: must be a number from 1 to 15"},
		{id + ",,,AES," + k + "," + k + ",,", "key_set: must be a number from 1 to 15"},
		{id + ",,1,DES," + k + "," + k + ",,", "algorithm: must be AES or 3DES"},
		{id + ",,1,AES," + k + "," + k + ",DSA,", "key_type: must be EC, RSA or, for either, empty"},
		{id + ",,1,AES," + k + "," + k + ",,ACTIVE", "state: of a card without a number, must be STOCK or empty"},
		{id + "," + cardNumber(1) + ",1,AES," + k + "," + k + ",,STOCK", "state: of a card with a number, must be ACTIVE, BLOCKED or, to leave it unchanged, empty"},
		{id + ",,1,AES," + k + "g," + k + ",,", "kic: not hex"},
		{id + ",,1,AES,," + k + ",,", "kic: not hex"},
		{id + ",,1,AES," + k + "," + k[2:] + ",,", "kid: 15 bytes, but AES keys have 16, 24 or 32"},
		{id + ",,1,3DES," + k + k + "," + k + ",,", "kic: 32 bytes, but 3DES keys have 16 or 24"},
		{id + ",,1,3DES," + double + "," + double + ",,", "kic: two parts are equal, which is single DES"},
		{id + ",,1,AES", "the row has 4 fields, the header 8"},
		{id + `,"` + cardNumber(1), "misplaced quotes in a field"},
		{strings.Repeat("x", 3*maxLine), "the line has more than 8192 bytes"},
		{strings.TrimSpace(cardLine(80, 81)), "iccid: the card is already in line 2"},
		{strings.TrimSpace(cardLine(81, 80)), "msisdn: the number is already in line 2"},
		{strings.TrimSpace(cardLine(90, 90)), "the card is stored, but its phone did not take it: no slot is free"},
	}
	rows := []string{cardLine(80, 80)}
	for _, test := range tests {
		rows = append(rows, test.row+"\n")
	}
	rows = append(rows, cardLine(2, 2))
	var reported []RowError
	progress := 0
	sum, err := b.Import(t.Context(), strings.NewReader(cardHeader+strings.Join(rows, "")), ImportOptions{PlainKeys: true,
		Report: func(e RowError) { reported = append(reported, e) }, Progress: func(n int) { progress = n }})
	if err != nil {
		t.Fatal(err)
	}
	if sum.Rows != len(tests)+2 || sum.New != 2 || sum.Failed != len(tests) || progress != sum.Rows {
		t.Errorf("%+v, %d", sum, progress)
	}
	if d := cmp.Diff(sum.Errors, reported); d != "" {
		t.Error(d)
	}
	for n, test := range tests {
		e := reported[n]
		if e.Line != n+3 || e.Reason != test.want {
			t.Errorf("line %d: %s, want %s", e.Line, e.Reason, test.want)
		}
		if strings.Contains(e.Error(), k[:16]) || strings.Contains(e.Error(), "0123456789abcd") {
			t.Errorf("a key is in %s", e)
		}
	}
	if s := reported[4].Error(); s != fmt.Sprintf("line 7, card %s: msisdn: not the number of a mobile user", id) {
		t.Error(s)
	}
	b.refuse = ""
	if sum := b.load(cardLine(90, 90)); sum.Unchanged != 1 || len(b.placed) != 1 {
		t.Errorf("%+v", sum)
	}
}

// Columns in any order and case, semicolons, quotes, a byte order mark, CRLF, and
// absent columns.
func TestImportForms(t *testing.T) {
	t.Parallel()
	b := newTestBook(t)
	k := fmt.Sprintf("%X", cardKey(1, 1))
	file := "\uFEFFKID; kic ;Algorithm;KEY_SET;\"msisdn\";iccid\r\n\r\n" +
		k + ";" + k + ";aes;15;\"+41 79 000 00 01\"; " + cardICCID(1) + "\r\n   \r\n" + k + ";" + k + ";AES;1;;" + cardICCID(2)
	sum, err := b.Import(t.Context(), strings.NewReader(file), ImportOptions{PlainKeys: true})
	if err != nil {
		t.Fatal(err)
	}
	b.want(Summary{Rows: 2, New: 2}, sum)
	if c := b.cardOf(1); c.ICCID != cardICCID(1) || c.KeySet != 15 {
		t.Errorf("%+v", c)
	}
	sum, err = b.Import(t.Context(), iotest.OneByteReader(strings.NewReader(file+"\r\nx")), ImportOptions{PlainKeys: true})
	if err != nil || sum.Unchanged != 2 || sum.Failed != 1 || sum.Errors[0].Line != 6 {
		t.Errorf("%+v, %v", sum, err)
	}
}

func TestICCID(t *testing.T) {
	t.Parallel()
	for _, good := range []string{"89148000000745809013", "8944500102198304826", "89014103211118510720", cardICCID(7)} {
		if err := checkICCID(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
	}
	for _, bad := range []string{"", "89911012000032045", "8991101200003204511", "899110120000320451000", "899110120000320451F", "８９９１１０１２００"} {
		if err := checkICCID(bad); err == nil {
			t.Errorf("%s: taken", bad)
		}
	}
	seen := make(map[packedICCID]string)
	for _, id := range []string{"000000000000000000", "0000000000000000000", "00000000000000000000", "12345678901234567890", "123456789012345678"} {
		p := packICCID(id)
		if other := seen[p]; other != "" {
			t.Errorf("%s and %s are packed alike", id, other)
		}
		seen[p] = id
	}
}

// generated is a file of many cards that is never in memory as a whole.
type generated struct {
	n, of int
	rest  []byte
}

func (g *generated) Read(p []byte) (int, error) {
	if len(g.rest) == 0 {
		switch {
		case g.n == g.of:
			return 0, io.EOF
		case g.n == 0:
			g.rest = []byte(cardHeader)
		}
		g.rest = append(g.rest, cardLine(g.n, g.n)...)
		g.n++
	}
	n := copy(p, g.rest)
	g.rest = g.rest[n:]
	return n, nil
}

// Of a large file, only what is needed to find repeated rows is kept.
func TestCardFileMemory(t *testing.T) {
	const rows = 50_000
	f, err := openCards(&generated{of: rows}, &Config{ParseMSISDN: parseTestNumber}, nil)
	if err != nil {
		t.Fatal(err)
	}
	used := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := used()
	for n := 0; ; n++ {
		if _, err := f.next(); err == io.EOF {
			if n != rows {
				t.Errorf("%d rows", n)
			}
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	per := float64(used()-before) / rows
	t.Logf("%.0f bytes a row", per)
	if per > 120 {
		t.Errorf("%.0f bytes are kept of each row", per)
	}
	runtime.KeepAlive(f)
}

func FuzzCardFile(f *testing.F) {
	f.Add([]byte(cardHeader + cardLine(1, 1) + cardLine(2, -1, "RSA", "STOCK")))
	f.Add([]byte("\uFEFFkid;kic;algorithm;key_set;msisdn;iccid\r\n\"a\";b;AES;1;;\n\x00\n"))
	f.Add([]byte(strings.Repeat("x,", maxLine)))
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, kek := range [][]byte{nil, []byte("a transport key.")} {
			c, err := openCards(bytes.NewReader(file), &Config{ParseMSISDN: parseTestNumber}, kek)
			if err != nil {
				continue
			}
			for rows := 0; rows <= bytes.Count(file, []byte{'\n'}); rows++ {
				row, err := c.next()
				var bad RowError
				switch {
				case err == io.EOF:
					return
				case errors.As(err, &bad):
					if bad.Line < 2 || bad.Reason == "" {
						t.Errorf("%+v", bad)
					}
				case err != nil:
					t.Fatal(err)
				case checkICCID(row.iccid) != nil || len(row.kic) < 16 || len(row.kid) < 16 || row.keySet < 1 || row.keySet > 15:
					t.Errorf("%+v", row)
				}
			}
			if _, err := c.next(); err != io.EOF {
				t.Errorf("more rows than lines: %v", err)
			}
		}
	})
}
