package sandbox

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/signum-mssp/signum/client"
	"github.com/signum-mssp/signum/internal/lab/control"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/lab/worlds"
)

// openWorlds makes the place for further worlds, with their addresses on all listeners.
func (b *Sandbox) openWorlds(context.Context) error {
	image, err := logo()
	if err != nil {
		return err
	}
	users := make([]scenario.User, 0, len(Users()))
	for _, u := range Users() {
		users = append(users, asked(u))
	}
	set := worlds.New(worlds.Config{
		Authority: b.CA.Authority, KeyRing: b.KeyRing, PKIURL: b.PKIURL(), WebURL: b.WebURL(),
		AppsURL: b.WebListenerURL(), AppClient: appClient(b.files.serverCA), MSSPURI: msspURI,
		Users: users, Parties: builtinParties(), SharedPins: b.files.pins,
		Taken: func(apID string) bool { _, err := b.GetParty(apID); return err == nil },
		Logo:  image, PhoneDelay: b.cfg.PhoneDelay, MinTimeout: b.cfg.MinTimeout, Crowded: b.cfg.Crowded, Clock: b.cfg.Clock, Logger: b.cfg.Logger,
	})
	b.worlds.Store(set)
	b.onClose(func() error { set.Close(); return nil })
	b.HandleMSS(worlds.Path+"{world}/", b.inWorld(func(w *worlds.World) http.Handler { return b.mssOf(w) }))
	b.HandleMSS("/sandbox/v1/worlds/{world}/{address...}", http.HandlerFunc(b.longForm))
	b.HandlePKI(worlds.Path+"{world}/", b.inWorld(func(w *worlds.World) http.Handler { return w.PKI() }))
	b.HandleWeb(worlds.Path+"{world}/", b.inWorld(func(w *worlds.World) http.Handler { return w.Web() }))
	return nil
}

// longForm serves /sandbox/v1/worlds/NAME/ADDRESS as /w/NAME/sandbox/v1/ADDRESS.
func (b *Sandbox) longForm(w http.ResponseWriter, r *http.Request) {
	short := worlds.Path + r.PathValue("world") + "/sandbox/v1/"
	long := "/sandbox/v1/worlds/" + r.PathValue("world") + "/"
	to := r.Clone(r.Context())
	to.URL.Path = short + strings.TrimPrefix(r.URL.Path, long)
	if r.URL.RawPath != "" {
		to.URL.RawPath = short + strings.TrimPrefix(r.URL.RawPath, long)
	}
	b.ServeMSS(w, to)
}

// inWorld serves a request with what a world has for it.
func (b *Sandbox) inWorld(with func(*worlds.World) http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		found, err := b.worlds.Load().Find(r.PathValue("world"))
		if err != nil {
			notFound(w, err)
			return
		}
		with(found).ServeHTTP(w, r)
	})
}

// mssOf serves the calls of parties and of tests below the path of a world.
func (b *Sandbox) mssOf(w *worlds.World) http.Handler {
	target := &control.World{
		Phones: worldPhones{w}, Cards: w.Provisioner(), Traces: w, Files: worldFiles{b, w}, Parties: w, Scenarios: worldScenario{w}, Users: w, Requests: w,
	}
	return http.StripPrefix(w.Prefix(), http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b.ServeMSS(rw, r.WithContext(worlds.In(control.In(r.Context(), target, w.IsParty), w)))
	}))
}

// worldPhones are the phones of a world as package control sees them.
type worldPhones struct{ *worlds.World }

// Tap implements control.Phones.
func (p worldPhones) Tap(ctx context.Context, authURI string) (string, error) {
	return p.SoftApps.Open(ctx, authURI)
}

// worldScenario is what a world's users and parties are.
type worldScenario struct{ *worlds.World }

// Scenario implements control.Scenarios.
func (s worldScenario) Scenario(ctx context.Context) (*scenario.Scenario, error) {
	users, err := s.ListUsers(ctx)
	return &scenario.Scenario{Users: users, Parties: s.ListParties()}, err
}

// CreateWorld implements control.Worlds.
func (c controlled) CreateWorld(ctx context.Context, n control.NewWorld) (*control.WorldInfo, error) {
	if err := world.CheckScenario(&scenario.Scenario{Users: n.Users, Parties: n.Parties}); err != nil {
		return nil, err
	}
	w, err := c.worlds.Load().Create(ctx, worlds.Options{Name: n.Name, Users: n.Users, Parties: n.Parties, Usual: n.Usual})
	if err != nil {
		return nil, err
	}
	return c.describe(w)
}

// ListWorlds implements control.Worlds.
func (c controlled) ListWorlds(context.Context) ([]control.WorldInfo, error) {
	list := []control.WorldInfo{}
	for _, w := range c.worlds.Load().List() {
		i, err := c.describe(w)
		if err != nil {
			return nil, err
		}
		i.Key, i.ServerCA, i.UserCA = "", "", ""
		list = append(list, *i)
	}
	return list, nil
}

// GetWorld implements control.Worlds.
func (c controlled) GetWorld(_ context.Context, name string) (*control.WorldInfo, error) {
	w, err := c.worlds.Load().Find(name)
	if err != nil {
		return nil, err
	}
	return c.describe(w)
}

// DropWorld implements control.Worlds.
func (c controlled) DropWorld(name string) error { return c.worlds.Load().Drop(name) }

// describe says what a client needs to know of a world.
func (b *Sandbox) describe(w *worlds.World) (*control.WorldInfo, error) {
	p, err := w.GetParty(w.APID)
	if err != nil {
		return nil, err
	}
	return &control.WorldInfo{
		Name: w.Name, BaseURL: b.Info.BaseURL + w.Prefix(), PKIURL: w.PKIURL(), APID: w.APID, DTBDPrefix: p.Prefix, Created: w.Created.UTC(),
		Certificate: string(w.Certificate), Key: string(w.Key), ServerCA: string(certsPEM(b.files.serverCA)), UserCA: string(certsPEM(w.Root())),
	}, nil
}

// worldFiles are the files for clients of a world. Those with the keys and the description
// are its own, the others those of the sandbox.
type worldFiles struct {
	*Sandbox
	world *worlds.World
}

// ownFiles are the files that each world has for itself.
var ownFiles = []string{InfoFile, APCertFile, APKeyFile, APP12File, UserCAFile, IssuingCAFile, UserCAChainFile}

// Files implements control.Files.
func (f worldFiles) Files() (all []control.File) {
	for _, file := range servedFiles {
		if slices.Contains(ownFiles, file.Name) || file.Name == ServerCAFile || file.Name == TruststoreFile {
			all = append(all, file)
		}
	}
	return all
}

// ReadFile implements control.Files.
func (f worldFiles) ReadFile(name string, access bool) ([]byte, error) {
	w := f.world
	switch name {
	case InfoFile:
		return f.info(access).encode()
	case APCertFile:
		return w.Certificate, nil
	case APKeyFile:
		return w.Key, nil
	case APP12File:
		return w.PKCS12(Password)
	case UserCAFile:
		return certsPEM(w.Root()), nil
	case IssuingCAFile:
		return certsPEM(w.Issuing()), nil
	case UserCAChainFile:
		return certsPEM(w.Root(), w.Issuing()), nil
	}
	return os.ReadFile(f.Path(name))
}

// info is the sandbox.json of a world.
func (f worldFiles) info(access bool) *Info {
	w := f.world
	i := f.Info
	i.BaseURL, i.PKIURL, i.World, i.APID, i.BasicAPID = f.Info.BaseURL+w.Prefix(), w.PKIURL(), w.Name, w.APID, BasicAPID
	if !access {
		i.Token = ""
	}
	i.Users, i.Patterns = describeUsers(w.World.Users())
	i.Parties = nil
	for _, p := range w.World.Parties() {
		d := describe(&p)
		d.Certificates = slices.DeleteFunc(d.Certificates, func(c client.SandboxCertificate) bool { return c.Cert == APRSACertFile })
		i.Parties = append(i.Parties, d)
		if p.APID == w.APID {
			i.DTBDPrefix = p.Prefix
		}
	}
	return &i
}

// notFound refuses a request for a world that does not exist, as all control addresses do.
func notFound(w http.ResponseWriter, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusNotFound)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()}) // the client has gone if it fails
}
