package sim

import (
	"github.com/signum-mssp/signum/internal/applet"
	"github.com/signum-mssp/signum/internal/scp80"
	"github.com/signum-mssp/signum/internal/sms"
	"github.com/signum-mssp/signum/internal/visible"
)

// payload encodes a request, with the name of its party if the name is free: a card can
// show it, and the request takes as many short messages as without it. A name is never
// cut, because the rest of it could be the name of another party.
func payload(r *applet.Request, name string, cmd *scp80.Command, k scp80.Keys) ([]byte, error) {
	bare, err := r.MarshalBinary()
	if err != nil {
		return nil, err
	}
	named := *r
	var ok bool
	if named.Party, ok = nameOf(r.Op, name); !ok {
		return bare, nil
	}
	data, err := named.MarshalBinary()
	if err != nil {
		return bare, nil // longer than a payload may be
	}
	size, err := cmd.Size(k, len(bare))
	if err != nil {
		return nil, err
	}
	more, err := cmd.Size(k, len(data))
	if err != nil {
		return nil, err
	}
	if sms.Parts(more) > sms.Parts(size) {
		return bare, nil
	}
	r.Party = named.Party
	return data, nil
}

// nameOf encodes the name of a party. ok is false if the operation shows no name, or if a
// card would refuse this one.
func nameOf(op applet.Op, name string) (t applet.Text, ok bool) {
	if !op.ShowsText() || visible.Check(name) != nil {
		return applet.Text{}, false
	}
	return applet.EncodeParty(name)
}
