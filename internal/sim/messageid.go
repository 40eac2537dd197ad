package sim

import (
	"math/big"
	"strings"
)

// messageID is the id that an SMSC gave a message: another SMSC may use it too.
type messageID struct{ cluster, id string }

// likeness says how much two ids look like the same one. An SMSC may spell an id in its
// receipts in another way than in its response.
type likeness int

const (
	unlike likeness = iota
	sameNumber
	sameSpelling // but for case, zeros and spaces
	same
)

func (m messageID) like(o messageID) likeness {
	switch {
	case m.cluster != o.cluster || m.id == "" || o.id == "":
		return unlike
	case m.id == o.id:
		return same
	}
	a, b := plain(m.id), plain(o.id)
	switch {
	case a == b:
		return sameSpelling
	case isNumber(a, 10, b, 16) || isNumber(a, 16, b, 10):
		return sameNumber
	}
	return unlike
}

// plain is an id without what padding and case add.
func plain(id string) string {
	id = strings.ToUpper(strings.TrimSpace(id))
	if short := strings.TrimLeft(id, "0"); short != "" || id == "" {
		return short
	}
	return "0"
}

// isNumber reports whether two ids are the same number in these bases.
func isNumber(a string, inA int, b string, inB int) bool {
	x, ok := numberIn(a, inA)
	if !ok {
		return false
	}
	y, ok := numberIn(b, inB)
	return ok && x.Cmp(y) == 0
}

func numberIn(s string, base int) (*big.Int, bool) {
	if strings.Trim(s, "0123456789ABCDEF") != "" { // no sign, no underscore
		return nil, false
	}
	return new(big.Int).SetString(s, base)
}
