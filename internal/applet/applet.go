package applet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Version is the version of the protocol.
const Version = 1

// ErrMalformed is wrapped by every error about the encoding.
var ErrMalformed = errors.New("malformed applet payload")

func malformed(format string, args ...any) error {
	return fmt.Errorf("applet: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Op is what the applet is asked to do.
type Op byte

// The operations.
const (
	Sign    Op = 1 // show the text, ask for the PIN, sign
	GenKey  Op = 2 // make a key, unless there is one, and prove possession of it
	SetPIN  Op = 3 // ask for a new PIN twice
	Status  Op = 4 // report the state of the card
	Display Op = 5 // show a text
)

var opNames = map[Op]string{Sign: "SIGN", GenKey: "GENKEY", SetPIN: "SETPIN", Status: "STATUS", Display: "DISPLAY"}

func (o Op) String() string { return name(opNames, o) }

// ShowsText reports whether the operation shows a text, and so who sent it.
func (o Op) ShowsText() bool { return o == Sign || o == Display }

// Algorithm is the kind of the key and of its signatures.
type Algorithm byte

// The algorithms. Zero in a request means any.
const (
	EC  Algorithm = 1 // P-256; ECDSA over SHA-256, as DER
	RSA Algorithm = 2 // 2048 bits; PKCS #1 v1.5 over SHA-256
)

var algorithmNames = map[Algorithm]string{0: "any", EC: "EC", RSA: "RSA"}

func (a Algorithm) String() string { return name(algorithmNames, a) }

// Result is how a request ended on the card.
type Result byte

// The results.
const (
	OK         Result = 0
	UserCancel Result = 1 // the user pressed Cancel
	NoAnswer   Result = 2 // the user did nothing in time
	PINBlocked Result = 3
	NoKey      Result = 4 // or none of the requested algorithm
	Busy       Result = 5 // with another request
	Refused    Result = 6 // malformed, or not displayable
	Internal   Result = 7 // the card failed
)

var resultNames = map[Result]string{
	OK: "ok", UserCancel: "cancelled by the user", NoAnswer: "no answer of the user", PINBlocked: "PIN blocked",
	NoKey: "no key", Busy: "busy", Refused: "refused", Internal: "internal error",
}

func (r Result) String() string { return name(resultNames, r) }

func name[T ~byte](names map[T]string, v T) string {
	if n, ok := names[v]; ok {
		return n
	}
	return fmt.Sprintf("0x%02x", byte(v))
}

// ID identifies a transaction to the card.
type ID [8]byte

// TransactionID returns the ID of a transaction: the first octets of the SHA-256 of
// its MSSP_TransID. The service can always compute it and need not store it; 64 bits
// are plenty for the requests of one card.
func TransactionID(transID string) (id ID) {
	sum := sha256.Sum256([]byte(transID))
	copy(id[:], sum[:])
	return id
}

func (id ID) String() string { return hex.EncodeToString(id[:]) }

// Request is what the service asks of a card.
type Request struct {
	Op        Op
	ID        ID
	KeyID     byte // of the key to use or make; only 1 is in use
	Algorithm Algorithm
	Text      Text // Sign and Display: what to show
	// Party is the name of the party that asks, at most MaxParty septets or UTF-16 code
	// units on one line. Sign and Display: to show before the text, not to sign; empty:
	// not said.
	Party Text

	// Sign: what the card needs to rebuild the signed attributes from the text.
	SigningTime time.Time // whole seconds, 1970 to 2106
	CertHash    [32]byte  // SHA-256 of the signer's certificate

	Timeout   time.Duration // for the user; rounded down to seconds, at most 65,535
	Lang      string        // of the card's own texts: two letters, ISO 639-1
	Challenge string        // GenKey: the MSSP_TransID, which the proof covers; at most 64 octets
	// Sealed replaces Text in Display: the text in the form of ETSI TS 102 221, annex
	// A, encrypted to the card's RSA key (RSAES-PKCS1-v1_5).
	Sealed []byte
}

// Reply is the answer of a card to a request.
type Reply struct {
	Op        Op
	ID        ID
	KeyID     byte
	Algorithm Algorithm // of the key; 0: there is none
	Result    Result
	TriesLeft byte   // of the PIN
	Signature []byte // Sign: over SHA-256 of the signed attributes
	PublicKey []byte // GenKey: SubjectPublicKeyInfo, DER
	Proof     []byte // GenKey: signature of the new key, see mssp.ActivationProof
	State     State  // Status
}

// State is the state of a card.
type State byte

// The states, as bits.
const (
	HasKey State = 1 << iota
	HasPIN
)

// TAR is the default address of the applet on a card (ETSI TS 101 220): "SGM". An
// operator may assign another.
var TAR = [3]byte{0x53, 0x47, 0x4d}
