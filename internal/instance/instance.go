package instance

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/simcards"
)

// Files are what belongs to a service beside its database.
type Files struct {
	Directory string // of the CA
	MasterKey []byte // of the cards; nil: there is none
}

// FilesOf are those that a configuration names.
func FilesOf(c *config.Config) (Files, error) {
	key, err := c.SIM.MasterKeyBytes()
	return Files{c.CA.Directory, key}, err
}

// UseOwn ends the refusals of a database of another service.
const UseOwn = "use the directory that belongs to the database, or another database"

// Match loads the CA and returns what the database has to say about its service from now
// on. It makes nothing: the error wraps ca.ErrNoAuthority if there is no CA, and then the
// instance has everything else.
func (f Files) Match(known mssp.Ties, now time.Time) (i mssp.Instance, a *ca.Authority, err error) {
	if i, err = f.matchKey(known, now); err != nil {
		return i, nil, err
	}
	if a, err = ca.Load(f.Directory); err != nil {
		return i, nil, err
	}
	i, err = f.MatchCA(i, known, a)
	return i, a, err
}

// MatchCA adds a CA to an instance, if the database belongs to it. A CA that was moved to
// former has signed for the database, too.
func (f Files) MatchCA(i mssp.Instance, known mssp.Ties, a *ca.Authority) (mssp.Instance, error) {
	root := rootName(a.Root())
	if was := known.Instance; was != nil && was.RootCA != root && !hasRoot(a.FormerRoots(), was.RootCA) {
		return i, foreign(*was, fmt.Sprintf("%s is the root CA of %s", short(root), f.Directory))
	}
	if known.Issuer != "" && !a.Knows(known.Issuer) {
		return i, fmt.Errorf("the CA in %s has not issued the certificates in the database: %s", f.Directory, UseOwn)
	}
	i.RootCA = root
	return i, nil
}

// matchKey returns the instance of the database, or a new one, with the master key.
func (f Files) matchKey(known mssp.Ties, now time.Time) (mssp.Instance, error) {
	i := mssp.Instance{ID: rand.Text()[:10], Created: now.UTC().Truncate(time.Microsecond)}
	if known.Instance != nil {
		i = *known.Instance
	}
	if f.MasterKey == nil {
		return i, nil
	}
	check, err := hkdf.Key(sha256.New, f.MasterKey, nil, "signum: recognise the master key", 16)
	if err != nil {
		return i, err
	}
	mine := hex.EncodeToString(check)
	if i.MasterKey != "" && i.MasterKey != mine {
		refusal := foreign(i, "the master key of the cards (sim.master_key) is another")
		refusal.Err = errOtherKey
		return i, refusal
	}
	if err := unwrapsAny(f.MasterKey, known.Cards); err != nil {
		return i, &config.Problem{
			Path: "sim.master_key", Text: fmt.Sprintf("is not the master key with which the database was used: %v; %s", err, UseOwn), Err: errOtherKey,
		}
	}
	i.MasterKey = mine
	return i, nil
}

// minWrapped is the length of the shortest key that a KeyRing has wrapped, in octets.
const minWrapped = 32

// unwrapsAny returns an error if the master key fits none of the cards. A single one may be
// damaged.
func unwrapsAny(master []byte, cards []mssp.Card) error {
	ring, err := simcards.NewKeyRing(master)
	if err != nil {
		return nil // who uses the key says what is wrong with it
	}
	var wrong error
	for i := range cards {
		if len(cards[i].KIc) < minWrapped {
			continue
		}
		if _, wrong = ring.Keys(&cards[i]); wrong == nil {
			return nil
		}
	}
	return wrong
}

// MayCreate refuses to make a CA for a database that had one, unless that was moved away
// to be replaced.
func (f Files) MayCreate(known mssp.Ties) error {
	former, err := ca.FormerRootsIn(f.Directory)
	switch {
	case err != nil:
		return err
	case known.Instance != nil && hasRoot(former, known.Instance.RootCA), known.Instance == nil && len(former) > 0:
		return nil
	case known.Instance != nil:
		return foreign(*known.Instance, fmt.Sprintf("%s has no CA", f.Directory))
	case known.Issuer != "":
		return fmt.Errorf("%s has no CA, but the database has certificates of one: restore the CA from a backup, or %s", f.Directory, UseOwn)
	}
	return nil
}

// foreign is the refusal of a database of another service.
func foreign(was mssp.Instance, here string) *config.Problem {
	return &config.Problem{Path: "store.url", Text: fmt.Sprintf("the database belongs to service %s of %s with the root CA %s, but %s: %s",
		was.ID, was.Created.Format(time.DateOnly), short(was.RootCA), here, UseOwn)}
}

// errOtherKey says that a database belongs to another master key.
var errOtherKey = errors.New("the database belongs to another master key")

// IsOtherKey reports whether an error of Match says that the master key is that of another
// service, so that it opens no card.
func IsOtherKey(err error) bool { return errors.Is(err, errOtherKey) }

// IsMissing reports whether an error of Match only says that there is no CA.
func IsMissing(err error) bool { return errors.Is(err, ca.ErrNoAuthority) }

func hasRoot(roots []*x509.Certificate, name string) bool {
	return slices.ContainsFunc(roots, func(c *x509.Certificate) bool { return rootName(c) == name })
}

// rootName is the RootCA of an instance.
func rootName(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}

// short is enough of a fingerprint for a person to compare.
func short(fingerprint string) string { return fingerprint[:min(len(fingerprint), 16)] }
