package node

import (
	"crypto/x509"
	"errors"
	"time"

	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/instance"
	"github.com/signum-mssp/signum/internal/mssp"
)

// tie decides whether the database belongs to this node's CA and master key, and loads the
// CA, or makes it if the database has not been used with another.
func (n *Node) tie(known mssp.Ties) (i mssp.Instance, err error) {
	files, err := instance.FilesOf(&n.cfg)
	if err != nil {
		return i, err
	}
	i, n.authority, err = files.Match(known, n.deps.Clock.Now())
	if instance.IsMissing(err) && !n.cfg.CA.Create {
		return i, &config.Problem{Path: "ca.directory", Text: noCA(n.cfg.CA.Directory), Err: err}
	}
	if !instance.IsMissing(err) {
		return i, err
	}
	if err := files.MayCreate(known); err != nil {
		return i, err
	}
	if n.authority, err = createCA(n.cfg.CA, n.PKIURL(), n.deps.Clock.Now()); err != nil {
		return i, err
	}
	return files.MatchCA(i, known, n.authority)
}

func createCA(c config.CA, url string, now time.Time) (*ca.Authority, error) {
	return ca.LoadOrCreate(c.Directory, ca.Config{
		Profile: ca.Profile(c.Profile), RootName: c.RootName, IssuingName: c.IssuingName,
		Organization: c.Organization, Test: c.Test, URL: url,
	}, now)
}

// CreateCA makes the CA that the configuration describes, in its directory, for the first
// start of a node. It returns the certificate of the root and the file of its key.
func CreateCA(c config.Config, now time.Time) (root *x509.Certificate, rootKey string, err error) {
	url := string(c.Listen.PKI.URL)
	if url == "" {
		return nil, "", &config.Problem{Path: "listen.pki.url", Text: "is needed to make a CA: every certificate names it, and it cannot be changed later"}
	}
	switch _, err := ca.Load(c.CA.Directory); {
	case err == nil:
		return nil, "", &config.Problem{Path: "ca.directory", Text: "has a CA already; nothing was changed"}
	case !errors.Is(err, ca.ErrNoAuthority):
		return nil, "", &config.Problem{Path: "ca.directory", Text: err.Error(), Err: err}
	}
	a, err := createCA(c.CA, url, now)
	if err != nil {
		return nil, "", &config.Problem{Path: "ca.directory", Text: err.Error(), Err: err}
	}
	return a.Root(), ca.RootKeyFile(c.CA.Directory), nil
}

// RenewRootCRL signs a new CRL of the root, whose key must be in the directory of the CA. It
// returns when the CRL ends. A node serves it from its next start on.
func RenewRootCRL(c config.Config, now time.Time) (until time.Time, err error) {
	if until, err = ca.RenewRootCRL(c.CA.Directory, now); err != nil {
		return until, &config.Problem{Path: "ca.directory", Text: err.Error(), Err: err}
	}
	return until, nil
}
