package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/jsonapi"
	"github.com/signum-mssp/signum/internal/mssp"
	"github.com/signum-mssp/signum/internal/partydoc"
	"github.com/signum-mssp/signum/internal/password"
)

// object names what a call is about, for the log.
func object(r *jsonapi.Request) string {
	if number := r.PathValue("msisdn"); number != "" {
		return "user " + signum.MaskMSISDN(number)
	}
	return cmp.Or(r.PathValue("ap_id"), r.URL.Path)
}

// party reads a party that is not the service itself.
func (a *admin) party(ctx context.Context, id string) (*mssp.Party, error) {
	p, err := a.Store.Party(ctx, id)
	if err != nil {
		return nil, orMissing(err, "there is no party %s", id)
	}
	if p.Own {
		return nil, ownParty(id)
	}
	return p, nil
}

func ownParty(id string) error {
	return fmt.Errorf("%s: the service itself is this party; choose another AP_ID", id)
}

func (a *admin) listParties(r *jsonapi.Request) (any, error) {
	ids, err := a.Store.PartyIDs(r.Context())
	list := []partydoc.Party{}
	for _, id := range ids {
		p, err := a.Store.Party(r.Context(), id)
		if errors.Is(err, mssp.ErrNotFound) || p != nil && p.Own {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, err
		}
		list = append(list, partydoc.Of(p))
	}
	return map[string]any{"parties": list}, err
}

func (a *admin) getParty(r *jsonapi.Request) (any, error) {
	p, err := a.party(r.Context(), r.PathValue("ap_id"))
	if err != nil {
		return nil, err
	}
	return partydoc.Of(p), nil
}

// putParty adds a party or replaces it. What the body does not name, the party may not do.
func (a *admin) putParty(r *jsonapi.Request) (any, error) {
	var doc partydoc.Party
	if err := jsonapi.Decode(r.Body, &doc); err != nil {
		return nil, err
	}
	id := r.PathValue("ap_id")
	if cmp.Or(doc.APID, id) != id {
		return nil, errDiffers
	}
	doc.APID = id
	old, err := a.party(r.Context(), id)
	if err != nil && !isMissing(err) {
		return nil, err
	}
	p, err := a.stored(&doc)
	if err != nil {
		return nil, err
	}
	if old != nil {
		p.Logo = old.Logo
	} else {
		r.Status = http.StatusCreated
	}
	if err := a.Store.PutParty(r.Context(), p); err != nil {
		return nil, err
	}
	return partydoc.Of(p), nil
}

var errDiffers = errors.New("ap_id differs from the one in the address")

// patchParty changes what the body names. Certificates replace those that identified the
// party, unless the body names their pins, too.
func (a *admin) patchParty(r *jsonapi.Request) (any, error) {
	id := r.PathValue("ap_id")
	hash, err := newHash(r.Body)
	if err != nil {
		return nil, err
	}
	var changed *mssp.Party
	err = a.Store.UpdateParty(r.Context(), id, func(p *mssp.Party) error {
		if p.Own {
			return ownParty(id)
		}
		doc := partydoc.Of(p)
		members, err := jsonapi.MergePatch(&doc, r.Body)
		switch {
		case err != nil:
			return err
		case doc.APID != id:
			return errDiffers
		case members["certificates"] && !members["pins"]:
			doc.Pins = nil
		case members["password"] && members["password_hash"]:
			return errors.New("password and password_hash exclude each other")
		case members["password"]:
			doc.Password, doc.PasswordHash = nil, hash
		}
		logo := p.Logo
		if changed, err = a.stored(&doc); err != nil {
			return err
		}
		changed.Logo = logo
		*p = *changed
		return nil
	})
	if err != nil {
		return nil, orMissing(err, "there is no party %s", id)
	}
	return partydoc.Of(changed), nil
}

// newHash returns the hash of the password in a patch. It takes too long for a function that
// holds a row.
func newHash(patch []byte) (string, error) {
	var in struct {
		Password string `json:"password"`
	}
	if err := json.Unmarshal(patch, &in); err != nil {
		return "", fmt.Errorf("the body is not the expected JSON: %w", err)
	}
	if in.Password == "" {
		return "", nil
	}
	return password.Hash(in.Password), nil
}

// stored checks a document and returns the party that it describes.
func (a *admin) stored(doc *partydoc.Party) (*mssp.Party, error) {
	err := doc.Check()
	if err == nil && doc.SharedCertificates != nil {
		err = fmt.Errorf("%s: shared_certificates: only a sandbox has certificates that parties share", doc.APID)
	}
	if err == nil {
		err = doc.CheckCertificates(a.Clock.Now())
	}
	if err != nil {
		return nil, err
	}
	if doc.Password != nil && *doc.Password != "" {
		doc.PasswordHash = password.Hash(*doc.Password)
	}
	doc.Password = nil
	p := doc.Stored(partydoc.Rights{})
	for _, text := range doc.Certificates {
		c, err := partydoc.ParseCertificate(text, a.Clock.Now())
		if err != nil {
			return nil, err
		}
		p.Pins = append(p.Pins, mssp.PinOf(c.Raw))
	}
	slices.SortFunc(p.Pins, func(a, b mssp.Pin) int { return slices.Compare(a[:], b[:]) })
	p.Pins = slices.Compact(p.Pins)
	if len(p.Pins) == 0 {
		return nil, fmt.Errorf("%s: a party needs a client certificate: only by it can it be identified", doc.APID)
	}
	return p, nil
}

func (a *admin) deleteParty(r *jsonapi.Request) (any, error) {
	id := r.PathValue("ap_id")
	if _, err := a.party(r.Context(), id); err != nil {
		return nil, err
	}
	r.Status = http.StatusNoContent
	return nil, orMissing(a.Store.RemoveParty(r.Context(), id), "there is no party %s", id)
}

// putLogo takes an image.
func (a *admin) putLogo(r *jsonapi.Request) (any, error) {
	logo, err := mssp.NewLogo(r.Body)
	if err == nil {
		err = a.Store.PutLogo(r.Context(), logo)
	}
	if err != nil {
		return nil, err
	}
	return nil, a.setLogo(r, logo.ID)
}

func (a *admin) deleteLogo(r *jsonapi.Request) (any, error) { return nil, a.setLogo(r, "") }

func (a *admin) setLogo(r *jsonapi.Request, logo string) error {
	id := r.PathValue("ap_id")
	r.Status = http.StatusNoContent
	err := a.Store.UpdateParty(r.Context(), id, func(p *mssp.Party) error {
		if p.Own {
			return ownParty(id)
		}
		p.Logo = logo
		return nil
	})
	return orMissing(err, "there is no party %s", id)
}
