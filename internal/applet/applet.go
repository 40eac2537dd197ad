package applet

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"
)

// Version is that of the language.
const Version = 1

// ErrMalformed is wrapped by every error about the encoding.
var ErrMalformed = errors.New("malformed applet payload")

func malformed(format string, args ...any) error {
	return fmt.Errorf("applet: %w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// Op is what the applet shall do.
type Op byte

// The operations.
const (
	Sign    Op = 1 // show the text, ask for the PIN, sign
	GenKey  Op = 2 // make a key, unless there is one, and prove to have it
	SetPIN  Op = 3 // ask for a new PIN twice
	Status  Op = 4 // tell how the card is
	Display Op = 5 // show a text
)

var opNames = map[Op]string{Sign: "SIGN", GenKey: "GENKEY", SetPIN: "SETPIN", Status: "STATUS", Display: "DISPLAY"}

func (o Op) String() string { return name(opNames, o) }

// Algorithm is the kind of the key and of its signatures.
type Algorithm byte

// The algorithms. Zero means that the request does not care.
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
	NoKey      Result = 4 // or none of the wanted algorithm
	Busy       Result = 5 // with another request
	Refused    Result = 6 // the card will not: malformed, or nothing that it can show
	Internal   Result = 7 // the card could not
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

// ID names a transaction to the card.
type ID [8]byte

// TransactionID is the name of a transaction on the card: the first octets of
// the SHA-256 of its MSSP_TransID. The service can always make it again, so
// that it need not be kept, and 64 bits are plenty for the requests of one card.
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
	KeyID     byte // of the key to use or make; 1 is the only one today
	Algorithm Algorithm
	Text      Text // Sign and Display: what to show

	// Sign: what the card needs to rebuild the signed attributes from the text.
	SigningTime time.Time // whole seconds, 1970 to 2106
	CertHash    [32]byte  // SHA-256 of the signer's certificate

	Timeout   time.Duration // of the user, whole seconds to 65,535; rounded down
	Lang      string        // of the card's own words: two letters, ISO 639-1
	Challenge string        // GenKey: the MSSP_TransID, which the proof names; at most 64 octets
	// Sealed is the text of Display instead of Text, encrypted to the card's RSA
	// key (RSAES-PKCS1-v1_5): the form of ETSI TS 102 221, annex A.
	Sealed []byte
}

// Reply is what a card answers to a request.
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

// State is how a card is.
type State byte

// The states, as bits.
const (
	HasKey State = 1 << iota
	HasPIN
)

// TAR is the applet's address on a card (ETSI TS 101 220) where the operator
// has no other: "SGM".
var TAR = [3]byte{0x53, 0x47, 0x4d}
