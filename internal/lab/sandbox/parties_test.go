package sandbox

import (
	"crypto/tls"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/lab/person"
)

// rsaKey is the file of a client key that the sandboxes of these tests share: making one
// takes long.
var rsaKey = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "signum-test-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, APRSAKeyFile)
	if _, err := loadKey(name, newRSAKey); err != nil {
		return nil, err
	}
	return os.ReadFile(name)
})

// giveRSAKey puts that key into a new directory.
func giveRSAKey(t *testing.T, dir string) {
	t.Helper()
	name := filepath.Join(dir, APRSAKeyFile)
	if exists(name) {
		return
	}
	key, err := rsaKey()
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err == nil {
		err = os.WriteFile(name, key, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// The open party signs texts that others may not, and needs no language.
func TestOpenParty(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	of := func(id, text string) func(*request) {
		return func(r *request) { r.AP.ID, r.Data.Data, r.Services = id, text, nil }
	}
	const login, done = "Test: Do you want to login?", "Login completed successfully"
	for _, wire := range wires {
		for _, m := range []signum.Method{signum.SIM, signum.App} {
			msisdn := f.addUser(person.Approve, m)
			resp := f.sign(t, wire, f.request(msisdn, of(OpenAPID, login)))
			f.verify(resp.Signature, login)
			r := f.receiptRequest(msisdn, resp.TransID)
			r.AP.ID, r.Message.Data = OpenAPID, done
			if _, err := f.clients[wire].Do(t.Context(), r); err != nil {
				t.Errorf("%s, %s: receipt: %v", wire, m, err)
			}
		}
		for id, changes := range map[string][]func(*request){
			APID:      {func(r *request) { r.Data.Data = login }},
			BasicAPID: {func(r *request) { r.AP.ID, r.Profile, r.Data.Data = BasicAPID, "", login }},
		} {
			_, err := f.clients[wire].Do(t.Context(), f.request("+41791000001", changes...))
			if fault := signum.AsFault(err); fault == nil || fault.Code != signum.InappropriateData {
				t.Errorf("%s, %s: %v, want 107", wire, id, err)
			}
		}
		_, err := f.clients[wire].Do(t.Context(), f.request("+41791000001", of(APID, DTBDPrefix+"Hello")))
		if fault := signum.AsFault(err); fault == nil || fault.Code != signum.MissingParam {
			t.Errorf("%s: no language: %v, want 102", wire, err)
		}
	}
}

// sandbox.json lists the parties as they are, and each accepts the certificates that it
// lists.
func TestPartiesListed(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if len(f.party.Parties) != 3 {
		t.Fatalf("parties: %+v", f.party.Parties)
	}
	for _, p := range f.party.Parties {
		stored, err := f.Store.Party(t.Context(), p.APID)
		if err != nil {
			t.Fatal(err)
		}
		if stored.DTBDPrefix != p.DTBDPrefix || stored.DefaultLang != p.DefaultLang || stored.Name != p.Name || stored.UnprefixedReceipts != p.UnprefixedReceipts {
			t.Errorf("%s is listed as %+v", p.APID, p)
		}
		for _, profile := range p.Profiles {
			if !stored.Authorised(profile) {
				t.Errorf("%s may not use the profile %s", p.APID, profile)
			}
		}
		for _, service := range p.Services {
			if !stored.Subscribed(service) {
				t.Errorf("%s may not use the service %s", p.APID, service)
			}
		}
		if len(p.Certificates) != 2 {
			t.Errorf("%s has the certificates %+v", p.APID, p.Certificates)
		}
		for _, c := range p.Certificates {
			pair, err := tls.LoadX509KeyPair(f.Path(c.Cert), f.Path(c.Key))
			if err != nil {
				t.Fatal(err)
			}
			if algorithm := map[signum.KeyType]string{signum.EC: "ECDSA", signum.RSA: "RSA"}[c.KeyType]; pair.Leaf.PublicKeyAlgorithm.String() != algorithm {
				t.Errorf("%s is an %s certificate, listed as %s", c.Cert, pair.Leaf.PublicKeyAlgorithm, c.KeyType)
			}
			r := f.request("+41791000001", func(r *request) { r.AP.ID, r.Profile = p.APID, "" })
			if _, err := f.client("rest", f.tlsWith(pair)).Do(t.Context(), r); err != nil {
				t.Errorf("%s with %s: %v", p.APID, c.Cert, err)
			}
		}
	}
}
