package node

import (
	"github.com/signum-mssp/signum/internal/ca"
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
	if !instance.IsMissing(err) || !n.cfg.CA.Create {
		return i, err
	}
	if err := files.MayCreate(known); err != nil {
		return i, err
	}
	if n.authority, err = n.createCA(); err != nil {
		return i, err
	}
	return files.MatchCA(i, known, n.authority)
}

func (n *Node) createCA() (*ca.Authority, error) {
	c := n.cfg.CA
	return ca.LoadOrCreate(c.Directory, ca.Config{
		Profile: ca.Profile(c.Profile), RootName: c.RootName, IssuingName: c.IssuingName,
		Organization: c.Organization, Test: c.Test, URL: n.PKIURL(),
	}, n.deps.Clock.Now())
}
