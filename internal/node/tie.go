package node

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

// tie decides whether the database belongs to this node's CA and master key, and loads the
// CA, or makes it if the database has not been used with another. A CA that was moved to
// former has signed for the database, too.
func (n *Node) tie(known mssp.Ties) (i mssp.Instance, err error) {
	if i, err = n.tieMasterKey(known); err != nil {
		return i, err
	}
	n.authority, err = ca.Load(n.cfg.CA.Directory)
	if errors.Is(err, ca.ErrNoAuthority) && n.cfg.CA.Create {
		if err := n.mayCreate(known); err != nil {
			return i, err
		}
		n.authority, err = n.createCA()
	}
	if err != nil {
		return i, err
	}
	root := rootName(n.authority.Root())
	if was := known.Instance; was != nil && was.RootCA != root && !hasRoot(n.authority.FormerRoots(), was.RootCA) {
		return i, n.foreign(*was, fmt.Sprintf("%s is the root CA of %s", short(root), n.cfg.CA.Directory))
	}
	if known.Issuer != "" && !n.authority.Knows(known.Issuer) {
		return i, fmt.Errorf("the CA in %s has not issued the certificates in the database: %s", n.cfg.CA.Directory, useOwn)
	}
	i.RootCA = root
	return i, nil
}

const useOwn = "use the directory that belongs to the database, or another database"

// tieMasterKey returns the instance of the database, or a new one, with the master key of
// this node.
func (n *Node) tieMasterKey(known mssp.Ties) (mssp.Instance, error) {
	i := mssp.Instance{ID: rand.Text()[:10], Created: n.deps.Clock.Now().UTC().Truncate(time.Microsecond)}
	if known.Instance != nil {
		i = *known.Instance
	}
	key, err := n.cfg.SIM.MasterKeyBytes()
	if err != nil || key == nil {
		return i, err
	}
	check, err := hkdf.Key(sha256.New, key, nil, "signum: recognise the master key", 16)
	if err != nil {
		return i, err
	}
	mine := hex.EncodeToString(check)
	if i.MasterKey != "" && i.MasterKey != mine {
		return i, n.foreign(i, "the master key of the cards (sim.master_key) is another")
	}
	if err := unwrapsAny(key, known.Cards); err != nil {
		return i, fmt.Errorf("the master key of the cards (sim.master_key) is not that of the database: %w; %s", err, useOwn)
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
		return nil // newSIMs says what is wrong with it
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

// mayCreate refuses to make a CA for a database that had one, unless that was moved away
// to be replaced.
func (n *Node) mayCreate(known mssp.Ties) error {
	former, err := ca.FormerRootsIn(n.cfg.CA.Directory)
	switch {
	case err != nil:
		return err
	case known.Instance != nil && hasRoot(former, known.Instance.RootCA), known.Instance == nil && len(former) > 0:
		return nil
	case known.Instance != nil:
		return n.foreign(*known.Instance, fmt.Sprintf("%s has no CA", n.cfg.CA.Directory))
	case known.Issuer != "":
		return fmt.Errorf("%s has no CA, but the database has certificates of one: restore the CA from a backup, or %s", n.cfg.CA.Directory, useOwn)
	}
	return nil
}

func (n *Node) createCA() (*ca.Authority, error) {
	c := n.cfg.CA
	return ca.LoadOrCreate(c.Directory, ca.Config{
		Profile: ca.Profile(c.Profile), RootName: c.RootName, IssuingName: c.IssuingName,
		Organization: c.Organization, Test: c.Test, URL: n.PKIURL(),
	}, n.deps.Clock.Now())
}

// foreign is the refusal of a database of another service.
func (n *Node) foreign(was mssp.Instance, here string) error {
	return &config.Problem{Path: "store.url", Text: fmt.Sprintf("the database belongs to service %s of %s with the root CA %s, but %s: %s",
		was.ID, was.Created.Format(time.DateOnly), short(was.RootCA), here, useOwn)}
}

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
