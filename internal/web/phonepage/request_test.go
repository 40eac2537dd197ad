package phonepage

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"math/big"
	"time"
)

type (
	request map[string]any
	obj     = map[string]any
)

// signRequest is a request to sign a text. `signed` is the input of the digest.
func signRequest(text, signed string) request {
	now := time.Now()
	return request{
		"id": "h" + rand.Text()[:10], "op": "sign", "party": obj{"name": "Example Bank"}, "mime": "text/plain", "text": text, "lang": "en", "attrs": b64(attributes(signed)),
		"created": now.UnixMilli(), "expires": now.Add(5 * time.Minute).UnixMilli(),
	}
}

func (r request) with(pairs ...any) request {
	for i := 0; i < len(pairs); i += 2 {
		r[pairs[i].(string)] = pairs[i+1]
	}
	return r
}

// attributes are CMS signed attributes: contentType, messageDigest and a
// signingTime, built by hand.
func attributes(signed string) []byte {
	sum := sha256.Sum256([]byte(signed))
	der := "301806092a864886f70d010903310b06092a864886f70d010701" +
		"302f06092a864886f70d01090431220420" + hex.EncodeToString(sum[:]) +
		"301c06092a864886f70d010905310f170d" + hex.EncodeToString([]byte("261124120000Z"))
	body, err := hex.DecodeString(der)
	if err != nil {
		panic(err)
	}
	return append([]byte{0x31, byte(len(body))}, body...) // below 128 bytes
}

func publicKey(text string) *ecdsa.PublicKey {
	key, err := x509.ParsePKIXPublicKey(unb64(text))
	if err != nil {
		return nil
	}
	pub, _ := key.(*ecdsa.PublicKey)
	return pub
}

// verifies checks r and s of 32 bytes each.
func verifies(key *ecdsa.PublicKey, message []byte, sig string) bool {
	raw := unb64(sig)
	if len(raw) != 64 {
		return false
	}
	sum := sha256.Sum256(message)
	return ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(raw[:32]), new(big.Int).SetBytes(raw[32:]))
}

func digest(b []byte) string { sum := sha256.Sum256(b); return b64(sum[:]) }
func b64(b []byte) string    { return base64.RawURLEncoding.EncodeToString(b) }
func unb64(s string) []byte  { b, _ := base64.RawURLEncoding.DecodeString(s); return b }
func random32() []byte       { b := make([]byte, 32); _, _ = rand.Read(b); return b }
