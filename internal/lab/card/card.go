package card

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
)

const (
	// DefaultPIN is the PIN of a card whose Config has none.
	DefaultPIN     = "123456"
	minPIN, maxPIN = 4, 8
)

// Config describes a card as it leaves the factory.
type Config struct {
	ICCID string // 10 to 20 digits
	// Keys is the only key set of the card, and KeySet its number, 1 to 15; 0 means
	// 1.
	Keys   scp80.Keys
	KeySet byte
	// Algorithm of the keys is AES or 3DES, as in mssp.Card; empty means AES.
	Algorithm string
	TAR       scp80.TAR // of the applet; zero: applet.TAR
	// PIN has 4 to 8 digits; empty means DefaultPIN. A blank card has no PIN until
	// its user chooses one; PIN is then what the user will choose (KnownPIN).
	PIN     string
	KeyType signum.KeyType // of the key that New generates; empty: EC
	Blank   bool           // no key until GENKEY, which names the type
	// RSAKey makes an RSA key of 2048 bits; nil: rsa.GenerateKey. A test bench with many cards
	// takes them from a stock, because one takes about as long as all the rest of a card.
	RSAKey func() (*rsa.PrivateKey, error)
	Store  Store        // nil: NewMemory
	Rand   io.Reader    // nil: crypto/rand; crypto/ecdsa may ignore it
	Clock  mssp.Clock   // nil: the machine's
	Logger *slog.Logger // for failures of the store; nil: none
}

// String omits the keys and the PIN, and so does GoString, because a log may print
// either.
func (c Config) String() string { return "card " + c.ICCID }

// GoString returns String.
func (c Config) GoString() string { return c.String() }

// Card is one card. It has no goroutine of its own, and is safe for concurrent
// use.
type Card struct {
	cfg Config

	mu       sync.Mutex
	kept     *State        // as in the store
	key      crypto.Signer // nil: blank
	replies  uint64        // the last reply counter used; at most kept.Replies
	forced   applet.Result
	corrupt  bool
	selected uint16 // file

	// A reset clears the rest.
	parts     *sms.Reassembler
	put       []postponed
	queue     []*command
	number    byte      // of the last command
	reference byte      // of the last message in parts
	dialogue  *dialogue // nil: none
}

// New returns a card. If the store knows its ICCID, PIN, key and counters come from
// the store.
func New(cfg Config) (*Card, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	c := &Card{cfg: cfg}
	c.reset()
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("card %s: %w", cfg.ICCID, err)
	}
	return c, nil
}

func (c Config) withDefaults() Config {
	if c.KeySet == 0 {
		c.KeySet = 1
	}
	if c.Algorithm == "" {
		c.Algorithm = "AES"
	}
	if c.TAR == (scp80.TAR{}) {
		c.TAR = applet.TAR
	}
	if c.PIN == "" {
		c.PIN = DefaultPIN
	}
	if c.KeyType == "" {
		c.KeyType = signum.EC
	}
	if c.Store == nil {
		c.Store = NewMemory()
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	if c.RSAKey == nil {
		c.RSAKey = func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(c.Rand, rsaBits) }
	}
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check keeps secrets out of its errors. It tests the length of the keys by using
// them.
func (c Config) check() error {
	if err := checkICCID(c.ICCID); err != nil {
		return err
	}
	if c.KeySet > 15 {
		return fmt.Errorf("card %s: key sets are 1 to 15", c.ICCID)
	}
	if c.Algorithm != "AES" && c.Algorithm != "3DES" {
		return fmt.Errorf("card %s: unknown algorithm %q", c.ICCID, c.Algorithm)
	}
	if !isPIN(c.PIN) {
		return fmt.Errorf("card %s: a PIN has 4 to 8 digits", c.ICCID)
	}
	if _, err := keyAlgorithm(c.KeyType); err != nil {
		return fmt.Errorf("card %s: %w", c.ICCID, err)
	}
	probe := scp80.Command{Params: scp80.Params{
		SPI: [2]byte{0x16, 0x39}, KIc: c.keyByte(c.Keys.KIc), KID: c.keyByte(c.Keys.KID), TAR: c.TAR,
	}}
	if _, err := probe.Seal(c.Keys); err != nil {
		return fmt.Errorf("card %s: keys of %d and %d octets do not fit %s", c.ICCID, len(c.Keys.KIc), len(c.Keys.KID), c.Algorithm)
	}
	return nil
}

// keyByte returns the KIc or KID of commands to this card: key set and algorithm.
func (c Config) keyByte(key []byte) byte {
	switch {
	case c.Algorithm == "AES":
		return c.KeySet<<4 | 2
	case len(key) == 24:
		return c.KeySet<<4 | 9
	}
	return c.KeySet<<4 | 5
}

// load reads the state, and generates the key unless the card is blank.
func (c *Card) load() error {
	s, err := c.cfg.Store.LoadCard(c.cfg.ICCID)
	fresh := errors.Is(err, fs.ErrNotExist)
	if fresh {
		s, err = &State{TriesLeft: MaxTries}, nil
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return err
	}
	if c.key, err = parseKey(s.Key); err != nil {
		return fmt.Errorf("its key: %w", err)
	}
	set := fmt.Sprintf("%s %d", c.cfg.Algorithm, c.cfg.KeySet)
	if s.KeySet != "" && s.KeySet != set {
		s.Counter, s.Replies = 0, 0
	}
	s.KeySet = set
	c.kept, c.replies = s, s.Replies
	c.reference = byte(s.Replies) // differs from those before a power cut
	if c.cfg.Blank {
		if fresh {
			return c.keep(func(*State) {})
		}
		return nil
	}
	want, _ := keyAlgorithm(c.cfg.KeyType) // checked
	if c.key == nil {
		key, der, err := c.generate(want)
		if err != nil {
			return fmt.Errorf("its key: %w", err)
		}
		c.key = key
		return c.keep(func(s *State) {
			s.Key = der
			if s.PIN == "" {
				s.PIN = c.cfg.PIN
			}
		})
	}
	if have := algorithmOf(c.key); have != want {
		return fmt.Errorf("its key is %s, want %s", have, want)
	}
	return nil
}

// keep changes the state in the store, and then in memory.
func (c *Card) keep(change func(*State)) error {
	next := c.kept.clone()
	change(next)
	if err := c.cfg.Store.SaveCard(c.cfg.ICCID, next); err != nil {
		c.cfg.Logger.Error("state of a card not kept", "iccid", c.cfg.ICCID, "err", err)
		return err
	}
	c.kept = next
	return nil
}

// reset clears what a power cut clears.
func (c *Card) reset() {
	c.parts = sms.NewReassembler(partsLifetime, partsCap)
	c.put, c.queue, c.dialogue, c.selected = nil, nil, nil, fileMF
}

func (c *Card) now() time.Time { return c.cfg.Clock.Now() }

// String returns the name of the card, without its secrets.
func (c *Card) String() string { return c.cfg.String() }

// GoString returns String.
func (c *Card) GoString() string { return c.String() }

// ICCID returns the card's number.
func (c *Card) ICCID() string { return c.cfg.ICCID }

// PublicKey returns an *ecdsa.PublicKey or *rsa.PublicKey, or nil while the card is
// blank.
func (c *Card) PublicKey() crypto.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key == nil {
		return nil
	}
	return c.key.Public()
}
