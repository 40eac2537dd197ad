package app

import (
	"errors"
	"strings"

	"github.com/signum-mssp/signum/internal/mssp"
)

// logoPath is where the logos of parties are: <id>.png.
const logoPath = Base + "/logos/"

// logo serves the logo of a party. It needs no proof, because a logo is public and
// <img> cannot send one. The image of an id never changes.
func (c *call) logo() (any, error) {
	id, ok := strings.CutSuffix(c.r.PathValue("file"), ".png")
	if !ok {
		return nil, errNoLogo
	}
	png, err := c.s.cfg.Store.Logo(c.r.Context(), id)
	if errors.Is(err, mssp.ErrNotFound) {
		return nil, errNoLogo
	}
	if err != nil {
		return nil, err
	}
	return raw{mime: "image/png", body: png, keeps: true}, nil
}
