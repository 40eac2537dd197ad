package phone

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// AppRecord is what an App keeps when it is off. It has no passcode and not
// the service's share: who has it cannot sign. On a real phone AuthKey and
// Secret are in hardware and cannot be read.
type AppRecord struct {
	DeviceID     string   `json:"device"`
	MSISDN       string   `json:"msisdn"`
	Serial       string   `json:"serial"`
	Service      string   `json:"service"` // aud of proofs
	Name         string   `json:"name"`
	Certificates [][]byte `json:"certificates"` // the App's own and the CA's, at the enrolment
	AuthKey      []byte   `json:"auth_key"`     // PKCS #8
	Secret       []byte   `json:"secret"`       // the device secret
	Salt         []byte   `json:"salt"`
	Rounds       int      `json:"rounds"` // of PBKDF2
	SignKey      []byte   `json:"sign_key"`
	Public       []byte   `json:"public"` // of SignKey, SubjectPublicKeyInfo
}

// String leaves the keys out, as does GoString.
func (r AppRecord) String() string { return "App " + r.DeviceID }

// GoString is String.
func (r AppRecord) GoString() string { return r.String() }

// AppStore is the storage of Apps. Implementations are safe for concurrent
// use.
type AppStore interface {
	// Apps lists the devices that it has, ordered.
	Apps() ([]string, error)
	// App returns what was kept; the error is fs.ErrNotExist if nothing was. The
	// caller may keep it, and must not change it.
	App(deviceID string) (*AppRecord, error)
	// PutApp keeps it, in the place of what was kept.
	PutApp(r *AppRecord) error
	// RemoveApp forgets it. It is no error if there is nothing.
	RemoveApp(deviceID string) error
}

// MemoryApps is an AppStore that lasts as long as the process. The zero value
// is empty.
type MemoryApps struct {
	mu   sync.Mutex
	apps map[string]*AppRecord
}

var _ AppStore = (*MemoryApps)(nil)

// Apps implements AppStore.
func (m *MemoryApps) Apps() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.apps)), nil
}

// App implements AppStore.
func (m *MemoryApps) App(deviceID string) (*AppRecord, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.apps[deviceID]; ok {
		return r, nil
	}
	return nil, fmt.Errorf("App %q: %w", deviceID, fs.ErrNotExist)
}

// PutApp implements AppStore.
func (m *MemoryApps) PutApp(r *AppRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.apps == nil {
		m.apps = make(map[string]*AppRecord)
	}
	m.apps[r.DeviceID] = r
	return nil
}

// RemoveApp implements AppStore.
func (m *MemoryApps) RemoveApp(deviceID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.apps, deviceID)
	return nil
}

const appExt = ".app"

// DirApps is an AppStore in a directory, as DirKeys is a KeyStore; both can
// have the same. A file holds a record as JSON, is readable by the owner only
// and appears whole or not at all.
//
// One process at a time may use a directory.
type DirApps struct{ dir DirKeys }

var _ AppStore = (*DirApps)(nil)

// OpenApps opens the directory, and makes it if it does not exist.
func OpenApps(dir string) (*DirApps, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("storage of Apps: %w", err)
	}
	return &DirApps{dir: DirKeys{dir: dir}}, nil
}

// Apps implements AppStore. The names are those in the files: what a file is
// called says it only where nothing had to be escaped.
func (d *DirApps) Apps() ([]string, error) {
	entries, err := os.ReadDir(d.dir.dir)
	if err != nil {
		return nil, fmt.Errorf("storage of Apps: %w", err)
	}
	var ids []string
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), appExt) {
			continue
		}
		r, err := readApp(filepath.Join(d.dir.dir, e.Name()))
		if err != nil {
			return nil, err
		}
		ids = append(ids, r.DeviceID)
	}
	slices.Sort(ids)
	return ids, nil
}

// App implements AppStore.
func (d *DirApps) App(deviceID string) (*AppRecord, error) {
	path := d.dir.path(deviceID, appExt)
	r, err := readApp(path)
	if err == nil && r.DeviceID != deviceID {
		err = fmt.Errorf("%s is of App %q, not %q", path, r.DeviceID, deviceID)
	}
	return r, err
}

func readApp(path string) (*AppRecord, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("storage of Apps: %w", err)
	}
	r := new(AppRecord)
	if err = json.Unmarshal(text, r); err == nil && r.DeviceID == "" {
		err = errors.New("it names no device")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is corrupt: %w", path, err)
	}
	return r, nil
}

// PutApp implements AppStore.
func (d *DirApps) PutApp(r *AppRecord) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := writeFile(d.dir.path(r.DeviceID, appExt), append(text, '\n')); err != nil {
		return fmt.Errorf("storage of App %q: %w", r.DeviceID, err)
	}
	return nil
}

// RemoveApp implements AppStore.
func (d *DirApps) RemoveApp(deviceID string) error {
	err := os.Remove(d.dir.path(deviceID, appExt))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage of App %q: %w", deviceID, err)
	}
	return syncDir(d.dir.dir)
}
