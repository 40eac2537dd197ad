package app

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-json-experiment/json"
)

const (
	proofHeader = "Signum-Proof"
	proofType   = "signum-proof+jwt"
	proofMax    = 2048 // bytes of the compact form
	// proofWindow is how old a proof may be.
	proofWindow = time.Minute
	jtiMin      = 16
	jtiMax      = 64
)

// callProof is a JWS that was parsed but not yet verified.
type callProof struct {
	Aud string  `json:"aud"`
	Htm string  `json:"htm"`
	Htu string  `json:"htu"`
	Bh  string  `json:"bh"`
	Iat float64 `json:"iat"` // seconds, with decimals
	Jti octets  `json:"jti"`

	kid string
	jws *jose.JSONWebSignature
}

var errProof = errors.New("malformed proof")

// parseCallProof parses a proof. It accepts ES256 only, whatever the header says,
// and ignores keys in the header.
func parseCallProof(compact string) (*callProof, error) {
	if len(compact) > proofMax {
		return nil, errProof
	}
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil || len(jws.Signatures) != 1 {
		return nil, errProof
	}
	head := jws.Signatures[0].Protected
	if typ, _ := head.ExtraHeaders[jose.HeaderType].(string); typ != proofType {
		return nil, errProof
	}
	p := &callProof{kid: head.KeyID, jws: jws}
	if err := json.Unmarshal(jws.UnsafePayloadWithoutVerification(), p); err != nil {
		return nil, errProof
	}
	if p.kid == "" || len(p.kid) > maxDeviceID || len(p.Jti) < jtiMin || len(p.Jti) > jtiMax {
		return nil, errProof
	}
	return p, nil
}

// proofTarget is the call that a proof must be made for.
type proofTarget struct {
	aud, method, uri string
	body             []byte
}

// matches reports whether the proof was made with the key and for this call.
func (p *callProof) matches(key *ecdsa.PublicKey, t proofTarget) bool {
	if _, err := p.jws.Verify(key); err != nil {
		return false
	}
	sum := sha256.Sum256(t.body)
	return p.Aud == t.aud && p.Htm == t.method && p.Htu == t.uri && p.Bh == b64u(sum[:])
}

// made is iat, to the millisecond.
func (p *callProof) made() time.Time {
	const latest = 1 << 40 // beyond it, milliseconds would overflow
	if p.Iat < 0 || p.Iat > latest {
		return time.Time{}
	}
	const rounding = 0.001 // ms, of decimals that binary fractions do not have
	return time.UnixMilli(int64(p.Iat*1000 + rounding))
}

// timely reports whether a proof is not too old, and not dated ahead. One that is
// older than this process is not timely either, because the process does not know
// which proofs were accepted before it started. A proof that was accepted then is
// older, because none was accepted before its time.
func (p *callProof) timely(now, started time.Time) bool {
	made := p.made()
	return !made.After(now) && now.Sub(made) <= proofWindow && !made.Before(started.Truncate(time.Millisecond))
}

// replayKey identifies the proof among those that were accepted.
func (p *callProof) replayKey() [16]byte { return shortHash(p.kid, string(p.Jti)) }

// shortHash identifies its parts by half a SHA-256: finding a collision takes
// 2^64 attempts.
func shortHash(parts ...string) (k [16]byte) {
	h := sha256.New()
	for _, s := range parts {
		sum := sha256.Sum256([]byte(s))
		h.Write(sum[:])
	}
	copy(k[:], h.Sum(nil))
	return k
}

// onceForAll refuses a proof that was accepted by another node.
func (s *Server) onceForAll(ctx context.Context, p *callProof) error {
	if !s.shared() {
		return nil
	}
	k := p.replayKey()
	first, err := s.cfg.Shared.Once(ctx, sharedProof, hex.EncodeToString(k[:]), p.made().Add(proofWindow+proofSlack))
	if err == nil && !first {
		err = errReplay
	}
	return err
}

// proofSlack is by how much the clocks of nodes may differ before one of them is not ready.
const proofSlack = 10 * time.Second

// rememberedSince is since when it is known which proofs were accepted: since the start of
// this process, or always if the store knows.
func (s *Server) rememberedSince() time.Time {
	if s.shared() {
		return time.Time{}
	}
	return s.started
}
