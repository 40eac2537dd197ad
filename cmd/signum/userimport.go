package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

// maxImportAnswer bounds what is read of the answer to an import, in bytes: it
// lists up to 10,000 rows.
const maxImportAnswer = 8 << 20

// importSummary is the answer to an import.
type importSummary struct {
	Rows       int           `json:"rows"`
	New        int           `json:"new"`
	Swapped    int           `json:"swapped"`
	Renumbered int           `json:"renumbered"`
	Updated    int           `json:"updated"`
	Unchanged  int           `json:"unchanged"`
	Failed     int           `json:"failed"`
	Errors     []importError `json:"errors,omitempty"`
}

type importError struct {
	Line   int    `json:"line"`
	ICCID  string `json:"iccid,omitempty"`
	Reason string `json:"reason"`
}

type importFlags struct {
	adminFlags
	kekFile string
	plain   bool
	blocked bool
	asJSON  bool
}

func newUserImportCmd() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Import SIM cards with their keys and users from CSV",
		Long: `Imports SIM cards from FILE, or from standard input if FILE is "-". The first line
names the columns, in any order, separated by commas or semicolons:

  iccid      18 to 20 digits, of which the last is the check digit
  msisdn     the number of the user; empty: the card is in stock
  key_set    1 to 15, the version of the keys on the card
  algorithm  AES or 3DES
  kic, kid   the keys for secured packets (TS 102 225), in hex
  key_type   optional: EC or RSA, for the key that the card makes; empty: either
  state      optional: ACTIVE, BLOCKED or STOCK; empty: no change
  profile    optional: a card profile of the service; empty: no change

The keys are wrapped under a transport key (RFC 3394, AES Key Wrap), which the file of
--kek-file holds in hex. Keys that are not wrapped need --plain-keys.

A row says where a card is now. The effect depends on what the service knows:

  a new card with a new number   a new account, with a SIM to be activated
  a known card, another number   the account gets that number
  another card, a known number   SIM swap: see signum sim swap
  a known card and number        keys, state and profile are updated; another key_set or
                                 algorithm restarts the counters

Rows are processed in the order of the file. A wrong row is reported with its line and
changes nothing; the other rows are processed. Importing a file again changes nothing,
so an import that was interrupted can be repeated.

Exit codes:
  0  done
  1  wrong usage, or a file cannot be read
  2  the service refused the file, or some of its rows
  5  the service is not reachable`,
		Example: `  # one card with the keys in the clear, for a laboratory
  printf 'iccid,msisdn,key_set,algorithm,kic,kid\n%s,%s,1,AES,%s,%s\n' \
    89410123456789012342 +41791234567 \
    000102030405060708090a0b0c0d0e0f 101112131415161718191a1b1c1d1e1f \
    | signum user import --sandbox ./box --plain-keys -
  # a file from the manufacturer of the cards
  signum user import --sandbox ./box --kek-file transport.key cards.csv`,
		Args: argumentsOfUse,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.register(cmd)
	cmd.Flags().StringVar(&f.kekFile, "kek-file", "", "file that holds the transport key, in hex")
	cmd.Flags().BoolVar(&f.plain, "plain-keys", false, "the keys in the file are not wrapped")
	cmd.Flags().BoolVar(&f.blocked, "blocked", false, "new cards with a number are BLOCKED, unless their row says ACTIVE")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object, for scripts")
	return cmd
}

func (f *importFlags) run(cmd *cobra.Command, name string) error {
	options, err := f.options()
	if err != nil {
		return err
	}
	file, size, err := openInput(cmd, name)
	if err != nil {
		return err
	}
	defer file.Close()
	watched := &watchedReader{r: file, size: size, w: cmd.ErrOrStderr(), live: isTerminal(cmd.ErrOrStderr())}
	call, err := importCall(options, watched, size)
	if err != nil {
		return err
	}
	var sum importSummary
	err = f.send(cmd.Context(), call, &sum)
	watched.end()
	if err != nil {
		return err
	}
	if err := sum.print(cmd, f.asJSON); err != nil {
		return err
	}
	if sum.Failed > 0 {
		return &exitError{exitRefused, fmt.Errorf("%d of %d rows were refused", sum.Failed, sum.Rows)}
	}
	return nil
}

// options are the sandbox's import options, as JSON.
func (f *importFlags) options() ([]byte, error) {
	options := map[string]any{"plain_keys": f.plain}
	switch {
	case f.kekFile != "" && f.plain:
		return nil, errors.New("--kek-file and --plain-keys exclude each other: keys are wrapped, or they are not")
	case f.kekFile != "":
		text, err := os.ReadFile(f.kekFile)
		if err != nil {
			return nil, err
		}
		kek := strings.TrimSpace(string(text))
		if b, err := hex.DecodeString(kek); err != nil || len(b) != 16 && len(b) != 24 && len(b) != 32 {
			return nil, fmt.Errorf("%s does not hold a transport key: 16, 24 or 32 bytes in hex", f.kekFile)
		}
		options["kek"] = kek
	case !f.plain:
		return nil, errors.New("give the transport key of the file with --kek-file FILE, or --plain-keys if its keys are not wrapped")
	}
	if f.blocked {
		options["default_state"] = "BLOCKED"
	}
	return json.Marshal(options)
}

// openInput opens a file, or standard input. A size of -1 means unknown.
func openInput(cmd *cobra.Command, name string) (io.ReadCloser, int64, error) {
	if name == "-" {
		return io.NopCloser(cmd.InOrStdin()), -1, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, 0, err
	}
	fi, err := f.Stat()
	if err == nil && fi.IsDir() {
		err = fmt.Errorf("%s is a directory", name)
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	if !fi.Mode().IsRegular() {
		return f, -1, nil
	}
	return f, fi.Size(), nil
}

// importCall is a form with the options and the file. The file is read only while
// the form is sent.
func importCall(options []byte, file io.Reader, size int64) (controlCall, error) {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	if err := form.WriteField("options", string(options)); err != nil {
		return controlCall{}, err
	}
	if _, err := form.CreateFormFile("cards", "cards.csv"); err != nil {
		return controlCall{}, err
	}
	head := bytes.Clone(frame.Bytes())
	frame.Reset()
	if err := form.Close(); err != nil {
		return controlCall{}, err
	}
	c := controlCall{
		path: "cards", contentType: form.FormDataContentType(), size: -1, limit: maxImportAnswer,
		body: io.MultiReader(bytes.NewReader(head), file, &frame),
	}
	if size >= 0 {
		c.size = int64(len(head)) + size + int64(frame.Len())
	}
	return c, nil
}

// print writes the numbers to standard output, and what is wrong with which row to
// standard error.
func (s *importSummary) print(cmd *cobra.Command, asJSON bool) error {
	if asJSON {
		return printJSON(cmd.OutOrStdout(), s)
	}
	var t rows
	t.add("Rows", strconv.Itoa(s.Rows))
	t.add("New", count(s.New))
	t.add("Swapped", count(s.Swapped))
	t.add("Renumbered", count(s.Renumbered))
	t.add("Updated", count(s.Updated))
	t.add("Unchanged", count(s.Unchanged))
	t.add("Failed", count(s.Failed))
	if _, err := io.WriteString(cmd.OutOrStdout(), t.String()); err != nil {
		return err
	}
	for _, e := range s.Errors {
		card := ""
		if e.ICCID != "" {
			card = ", card " + printable(e.ICCID)
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "line %d%s: %s\n", e.Line, card, printable(e.Reason))
	}
	if more := s.Failed - len(s.Errors); more > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "and %d more\n", more)
	}
	return nil
}

// progressInterval is how often a terminal shows the progress of an import.
const progressInterval = 200 * time.Millisecond

// watchedReader shows on a terminal how much was read, which is about as much as
// the service has processed.
type watchedReader struct {
	r    io.Reader
	size int64 // -1: not known
	w    io.Writer

	mu    sync.Mutex // the answer may come before all is read
	live  bool
	read  int64
	shown time.Time
}

// Read implements io.Reader.
func (p *watchedReader) Read(b []byte) (int, error) {
	n, err := p.r.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read += int64(n)
	if p.live && time.Since(p.shown) >= progressInterval {
		p.shown = time.Now()
		fmt.Fprintf(p.w, "\r\x1b[K%s", p.text())
	}
	return n, err
}

func (p *watchedReader) text() string {
	text := fmt.Sprintf("sent %.1f MB", float64(p.read)/1e6)
	if p.size > 0 {
		text += fmt.Sprintf(" of %.1f, %d %%", float64(p.size)/1e6, 100*p.read/p.size)
	}
	return text
}

// end erases the line and shows no other.
func (p *watchedReader) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.live && !p.shown.IsZero() {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
	p.live = false
}
