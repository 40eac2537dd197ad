package phone

import (
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/mssp"
)

const (
	// MaxTries is how many wrong PINs in a row block a device.
	MaxTries = 3
	// DefaultPIN is the PIN and passcode of devices that name none.
	DefaultPIN = "123456"
)

// ErrNotShown means that the request is not on the screen: it never was, or
// was answered, withdrawn, replaced, or its time is over.
var ErrNotShown = errors.New("the request is not on the screen")

// PINError means that the PIN was wrong and the request is still shown.
type PINError struct{ TriesLeft int }

func (e *PINError) Error() string { return fmt.Sprintf("wrong PIN, %d tries left", e.TriesLeft) }

// DeviceSpec is what a device is made of.
type DeviceSpec struct {
	ID      string         // unique over all subscribers
	MSISDN  string         // E.164 with leading +
	Method  signum.Method  // SIM or App
	KeyType signum.KeyType // EC (P-256) or RSA (2048 bits); empty: EC
	PIN     string         `json:"-"` // SIM: 4 to 8 digits; App: 1 to 64 bytes; empty: DefaultPIN
	// Blank is a SIM that has no key until it is activated. The key is then of
	// the type that the activation asked for, whatever KeyType says here.
	Blank bool
}

// Device is a SIM with its applet or an app. It acts only when it is called,
// and is safe for concurrent use.
//
// A SIM serves one request at a time and answers 406 to another; an app takes
// the newer one and answers 401 to the one it replaced, CANCEL if that was a
// receipt. No receipt replaces a signature request: it is answered 406.
type Device struct {
	spec  DeviceSpec
	clock mssp.Clock
	log   *slog.Logger
	keys  KeyStore
	seen  *observer
	where *whereabouts // of the person
	vault vault        // not nil: where the key is; key has only its public half

	mu      sync.Mutex     // a device does one thing at a time, signing and making a key included
	key     crypto.Signer  // nil: blank
	keyType signum.KeyType // of key; while there is none, of the spec
	pin     string
	tries   int // left; where there is a vault, what it said last
	choose  func([]string) string
	current *prompt // nil: nothing
	memo    memo
}

// prompt is the request that a device has. Its Text is what is shown.
type prompt struct {
	mssp.DeviceRequest
	since   time.Time
	waiting bool // for Open, and not on the screen
}

// NewDevice makes a device, with the key and the PIN counter that the store
// has for it, or a new key, unless it is blank. Config.Delay does not matter to
// it.
func NewDevice(spec DeviceSpec, c Config) (*Device, error) {
	c = c.withDefaults()
	return newDevice(spec, c, &observer{f: c.Observe})
}

func newDevice(spec DeviceSpec, c Config, seen *observer) (*Device, error) {
	if spec.KeyType == "" {
		spec.KeyType = signum.EC
	}
	if spec.PIN == "" {
		spec.PIN = DefaultPIN
	}
	if err := spec.check(); err != nil {
		return nil, err
	}
	key, kt, err := keyOf(c.Keys, &spec)
	if err != nil {
		return nil, err
	}
	tries, err := c.Keys.TriesLeft(spec.ID)
	if err != nil {
		return nil, err
	}
	return &Device{
		spec: spec, clock: c.Clock, log: c.Logger, keys: c.Keys, seen: seen, where: new(whereabouts),
		key: key, keyType: kt, pin: spec.PIN, tries: tries,
	}, nil
}

// keyOf is the key that a device starts with.
func keyOf(keys KeyStore, spec *DeviceSpec) (crypto.Signer, signum.KeyType, error) {
	if !spec.Blank {
		key, err := makeOrLoad(keys, spec.ID, spec.KeyType)
		return key, spec.KeyType, err
	}
	key, err := keys.Key(spec.ID)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, spec.KeyType, nil
	}
	if err != nil {
		return nil, "", err
	}
	kt, err := keyType(key)
	if err != nil {
		return nil, "", fmt.Errorf("key of device %q: %w", spec.ID, err)
	}
	return key, kt, nil
}

// String leaves the PIN out, as does GoString: a log may print anything.
func (s DeviceSpec) String() string {
	return fmt.Sprintf("%s %s of %s (%s)", s.Method, s.ID, signum.MaskMSISDN(s.MSISDN), s.KeyType)
}

// GoString is String.
func (s DeviceSpec) GoString() string { return s.String() }

// check does not repeat the PIN in its errors.
func (s *DeviceSpec) check() error {
	switch {
	case s.ID == "":
		return errors.New("device: the ID is missing")
	case s.MSISDN == "":
		return fmt.Errorf("device %q: the MSISDN is missing", s.ID)
	case s.Method != signum.SIM && s.Method != signum.App:
		return fmt.Errorf("device %q: there is no method %q", s.ID, s.Method)
	case s.KeyType != signum.EC && s.KeyType != signum.RSA:
		return fmt.Errorf("device %q: there is no key type %q", s.ID, s.KeyType)
	case s.Blank && s.Method != signum.SIM:
		return fmt.Errorf("device %q: only a SIM can be blank", s.ID)
	case s.Method == signum.SIM && !isPIN(s.PIN):
		return fmt.Errorf("device %q: the PIN of a SIM has 4 to 8 digits", s.ID)
	case len(s.PIN) > 64:
		return fmt.Errorf("device %q: the passcode is longer than 64 bytes", s.ID)
	}
	return nil
}

// isPIN is the format of a card's PIN (ETSI TS 102 221).
func isPIN(s string) bool {
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(s) >= 4 && len(s) <= 8
}

// String names the device, without its secrets.
func (d *Device) String() string {
	s := d.spec
	s.KeyType = d.KeyType()
	return s.String()
}

// GoString is String.
func (d *Device) GoString() string { return d.String() }

// ID is the device's identifier.
func (d *Device) ID() string { return d.spec.ID }

// MSISDN is the subscriber's number, E.164 with leading +.
func (d *Device) MSISDN() string { return d.spec.MSISDN }

// Method is SIM or App.
func (d *Device) Method() signum.Method { return d.spec.Method }

// KeyType is the kind of the device's key; of a blank one, that of its spec.
func (d *Device) KeyType() signum.KeyType {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.keyType
}

// PublicKey is an *ecdsa.PublicKey or *rsa.PublicKey, nil while the device is
// blank.
func (d *Device) PublicKey() crypto.PublicKey {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.key == nil {
		return nil
	}
	return d.key.Public()
}

// knownPIN is what its person knows.
func (d *Device) knownPIN() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.pin
}

// TriesLeft is how many wrong PINs the device still takes; at 0 it is blocked.
func (d *Device) TriesLeft() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.tries
}

// Unblock fills the PIN counter, as a PUK would.
func (d *Device) Unblock() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.setTries(MaxTries)
}

// Screen is what a device shows.
type Screen struct {
	Op       mssp.DeviceOp
	TransID  string
	Lang     string // of the device's own words around the text: en, de, fr or it
	MimeType string // as received
	Text     string // as received, but decrypted
	Since    time.Time
	Expires  time.Time
}

// Shown returns what is on the screen, false if nothing is.
func (d *Device) Shown() (Screen, bool) {
	d.mu.Lock()
	defer d.release()
	d.expire(d.clock.Now())
	p := d.current
	if p == nil || p.waiting {
		return Screen{}, false
	}
	return Screen{
		Op: p.Op, TransID: p.TransID, Lang: p.Lang, MimeType: p.MimeType, Text: p.Text, Since: p.since, Expires: p.Expires,
	}, true
}
