package card

import (
	"crypto"
	"crypto/rand"
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
	// DefaultPIN is the PIN of cards that name none.
	DefaultPIN     = "123456"
	minPIN, maxPIN = 4, 8
)

// Config is how a card leaves the factory.
type Config struct {
	ICCID string // 10 to 20 digits
	// Keys are the one key set of the card and KeySet its number, 1 to 15; zero
	// is 1.
	Keys   scp80.Keys
	KeySet byte
	// Algorithm of the keys is AES or 3DES, as mssp.Card has it; empty: AES.
	Algorithm string
	TAR       scp80.TAR // of the applet; zero: applet.TAR
	// PIN has 4 to 8 digits; empty: DefaultPIN. A blank card has none until its
	// user chooses one, and this is what they will choose (KnownPIN).
	PIN     string
	KeyType signum.KeyType // of the key that a card is made with; empty: EC
	Blank   bool           // no key until GENKEY, which then says of which type
	Store   Store          // nil: NewMemory
	Rand    io.Reader      // nil: crypto/rand; crypto/ecdsa may prefer its own
	Clock   mssp.Clock     // nil: the machine's
	Logger  *slog.Logger   // of failures of the store; nil: none
}

// String leaves the keys and the PIN out, as does GoString: a log may print
// anything.
func (c Config) String() string { return "card " + c.ICCID }

// GoString is String.
func (c Config) GoString() string { return c.String() }

// Card is one card. It acts only when it is called, and is safe for concurrent
// use.
type Card struct {
	cfg Config

	mu       sync.Mutex
	kept     *State        // as it is in the store
	key      crypto.Signer // nil: blank
	replies  uint64        // the last counter used; at most kept.Replies
	rig      applet.Result
	spoil    bool
	selected uint16 // file

	// The rest is gone after a reset.
	parts     *sms.Reassembler
	put       []postponed
	queue     []*command
	number    byte      // of the last command
	reference byte      // of the last message in parts
	dialogue  *dialogue // nil: none
}

// New makes a card, or takes up one that the store knows: PIN, key and counters
// are then those of the store.
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
	if c.Clock == nil {
		c.Clock = mssp.SystemClock{}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// check repeats no secret in its errors. Whether the keys are of the right
// length is found out by using them.
func (c Config) check() error {
	if err := checkICCID(c.ICCID); err != nil {
		return err
	}
	if c.KeySet > 15 {
		return fmt.Errorf("card %s: key sets are 1 to 15", c.ICCID)
	}
	if c.Algorithm != "AES" && c.Algorithm != "3DES" {
		return fmt.Errorf("card %s: there is no algorithm %q", c.ICCID, c.Algorithm)
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
		return fmt.Errorf("card %s: keys of %d and %d octets are none for %s", c.ICCID, len(c.Keys.KIc), len(c.Keys.KID), c.Algorithm)
	}
	return nil
}

// keyByte is the KIc or KID of commands to this card: key set and algorithm.
func (c Config) keyByte(key []byte) byte {
	switch {
	case c.Algorithm == "AES":
		return c.KeySet<<4 | 2
	case len(key) == 24:
		return c.KeySet<<4 | 9
	}
	return c.KeySet<<4 | 5
}

// load takes up the state, and makes the key of a card that shall have one.
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
	c.reference = byte(s.Replies) // unlike those before a power cut
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
		return fmt.Errorf("its key is %s, %s is wanted", have, want)
	}
	return nil
}

// keep changes the state, in the store first.
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

// reset is what a power cut does to the rest.
func (c *Card) reset() {
	c.parts = sms.NewReassembler(partsLifetime, partsCap)
	c.put, c.queue, c.dialogue, c.selected = nil, nil, nil, fileMF
}

func (c *Card) now() time.Time { return c.cfg.Clock.Now() }

// String names the card, without its secrets.
func (c *Card) String() string { return c.cfg.String() }

// GoString is String.
func (c *Card) GoString() string { return c.String() }

// ICCID is the card's number.
func (c *Card) ICCID() string { return c.cfg.ICCID }

// PublicKey is an *ecdsa.PublicKey or *rsa.PublicKey, nil while the card is
// blank.
func (c *Card) PublicKey() crypto.PublicKey {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.key == nil {
		return nil
	}
	return c.key.Public()
}
