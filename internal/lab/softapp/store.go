package softapp

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/signum-mssp/signum/internal/durable"
)

// Record is what an App stores. Without the passcode and the service's share it
// is not enough to sign. On a real phone AuthKey and Secret are in hardware and
// cannot be read.
type Record struct {
	DeviceID     string   `json:"device"`
	MSISDN       string   `json:"msisdn"`
	Serial       string   `json:"serial"`
	Service      string   `json:"service"` // the aud of proofs
	Name         string   `json:"name"`
	Certificates [][]byte `json:"certificates"` // DER: of the App and the CA, at the enrolment
	AuthKey      []byte   `json:"auth_key"`     // PKCS #8
	Secret       []byte   `json:"secret"`       // device secret
	Salt         []byte   `json:"salt"`
	Rounds       int      `json:"rounds"`   // of PBKDF2
	SignKey      []byte   `json:"sign_key"` // encrypted
	Public       []byte   `json:"public"`   // of SignKey, SubjectPublicKeyInfo
}

// String omits the keys.
func (r Record) String() string { return "App " + r.DeviceID }

// GoString is String, so that %#v prints no keys either.
func (r Record) GoString() string { return r.String() }

// Store is the storage of Apps. Implementations are safe for concurrent use.
type Store interface {
	// Apps lists the device IDs in order.
	Apps() ([]string, error)
	// App returns a record; fs.ErrNotExist if there is none. The caller may keep
	// the record but must not change it.
	App(deviceID string) (*Record, error)
	// PutApp stores a record and replaces an older one.
	PutApp(r *Record) error
	// RemoveApp deletes a record, if there is one.
	RemoveApp(deviceID string) error
}

// Memory is a Store that lasts as long as the process. The zero value is empty.
type Memory struct {
	mu   sync.Mutex
	apps map[string]*Record
}

var _ Store = (*Memory)(nil)

// Apps implements Store.
func (m *Memory) Apps() ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Sorted(maps.Keys(m.apps)), nil
}

// App implements Store.
func (m *Memory) App(deviceID string) (*Record, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if r, ok := m.apps[deviceID]; ok {
		return r, nil
	}
	return nil, fmt.Errorf("App %q: %w", deviceID, fs.ErrNotExist)
}

// PutApp implements Store.
func (m *Memory) PutApp(r *Record) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.apps == nil {
		m.apps = make(map[string]*Record)
	}
	m.apps[r.DeviceID] = r
	return nil
}

// RemoveApp implements Store.
func (m *Memory) RemoveApp(deviceID string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.apps, deviceID)
	return nil
}

const appExt = ".app"

// Dir is a Store in a directory. Each App has a file with its record as JSON,
// which only the owner can read and which is written atomically.
//
// Only one process at a time may use a directory.
type Dir struct{ dir string }

var _ Store = (*Dir)(nil)

// OpenDir opens a directory and creates it if it does not exist.
func OpenDir(dir string) (*Dir, error) {
	if err := errors.Join(os.MkdirAll(dir, 0o700), durable.Clean(dir)); err != nil {
		return nil, fmt.Errorf("storage of Apps: %w", err)
	}
	return &Dir{dir: dir}, nil
}

// Apps implements Store. It takes the IDs from the names of the files, so that it
// lists an App with a damaged record, too.
func (d *Dir) Apps() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, fmt.Errorf("storage of Apps: %w", err)
	}
	var ids []string
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), appExt)
		if !ok {
			continue
		}
		if id, err := url.PathUnescape(name); err == nil && d.path(id) == filepath.Join(d.dir, e.Name()) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// App implements Store.
func (d *Dir) App(deviceID string) (*Record, error) {
	path := d.path(deviceID)
	r, err := readApp(path)
	if err == nil && r.DeviceID != deviceID {
		err = fmt.Errorf("%s belongs to App %q, not %q", path, r.DeviceID, deviceID)
	}
	return r, err
}

func readApp(path string) (*Record, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("storage of Apps: %w", err)
	}
	r := new(Record)
	if err = json.Unmarshal(text, r); err == nil && r.DeviceID == "" {
		err = errors.New("it has no device ID")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is corrupt: %w", path, err)
	}
	return r, nil
}

// PutApp implements Store.
func (d *Dir) PutApp(r *Record) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	if err := durable.Write(d.path(r.DeviceID), append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("storage of App %q: %w", r.DeviceID, err)
	}
	return nil
}

// RemoveApp implements Store.
func (d *Dir) RemoveApp(deviceID string) error {
	err := os.Remove(d.path(deviceID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("storage of App %q: %w", deviceID, err)
	}
	return durable.SyncDir(d.dir)
}

// path escapes a device ID, which may contain anything, to a file name. Capitals
// are escaped too, because some file systems ignore case.
func (d *Dir) path(deviceID string) string {
	var name strings.Builder
	for _, c := range []byte(deviceID) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '+' || c == '-' || c == '_' {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02x", c)
		}
	}
	return filepath.Join(d.dir, name.String()+appExt)
}
