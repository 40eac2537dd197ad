package sandbox

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"

	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/lab/world"
	"github.com/signum-mssp/signum/internal/partydoc"
)

// keptFile has the users and parties for later runs of the directory.
const keptFile = "scenario.yaml"

const keptNote = "# What the users and parties of this sandbox have that those of a new one do not.\n" +
	"# The sandbox writes this file. Change it with: signum user, signum party\n"

// readKept returns the users and parties that earlier runs of a directory kept. Those
// of a version that had no such file are in sandbox.json.
func readKept(dir string, log *slog.Logger) (*scenario.Scenario, error) {
	if dir == "" {
		return new(scenario.Scenario), nil
	}
	private := filepath.Join(dir, privateDir)
	if st, err := os.Lstat(private); err == nil && !st.IsDir() {
		return new(scenario.Scenario), nil // prepareDir refuses it
	}
	name := filepath.Join(private, keptFile)
	data, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return adopt(dir, log), nil
	}
	if err != nil {
		return nil, err
	}
	s, err := scenario.ParseKept(name, data)
	if err != nil {
		return nil, fmt.Errorf("the users and parties of earlier runs: %w; correct the file, or delete it to begin without them", err)
	}
	return s, nil
}

// adopt returns the users and parties whom an older version added. A certificate was kept
// by the name of its file.
func adopt(dir string, log *slog.Logger) *scenario.Scenario {
	s := new(scenario.Scenario)
	info, err := ReadInfo(dir)
	if err != nil {
		return s
	}
	s.Users = formerUsers(info)
	for _, old := range info.Parties {
		p := partydoc.Party{
			APID: old.APID, Name: old.Name, Prefix: old.DTBDPrefix, DefaultLang: old.DefaultLang,
			UnprefixedReceipts: old.UnprefixedReceipts, SubjectNameBase64: old.SubjectNameBase64,
		}
		if p.Check() != nil || world.PartyIndex(builtinParties(), p.APID) >= 0 {
			continue
		}
		for _, c := range old.Certificates {
			if c.Key != "" || c.Cert == "" {
				continue
			}
			text, err := os.ReadFile(c.Cert)
			if err != nil { // since it was added
				log.Warn("the party has lost a certificate", "ap_id", p.APID, "err", err)
				continue
			}
			p.Certificates = append(p.Certificates, string(text))
		}
		s.Parties = append(s.Parties, p)
	}
	return s
}

// publish writes who the users and parties are: for later runs, and for clients.
func (b *Sandbox) publish() error {
	b.publishing.Lock()
	defer b.publishing.Unlock()
	text, err := b.kept().Format()
	if err == nil {
		err = writeFile(filepath.Join(b.Dir, privateDir, keptFile), append([]byte(keptNote), text...), 0o600)
	}
	if err != nil {
		return err
	}
	info := b.Info // which says what was true at the start
	info.Users, info.Patterns = describeUsers(b.World.Users())
	info.Parties = nil
	for _, p := range b.World.Parties() {
		info.Parties = append(info.Parties, describe(&p))
		if p.APID == APID {
			info.DTBDPrefix = p.Prefix
		}
	}
	return info.write(b.Dir)
}

// kept returns what differs from a new sandbox.
func (b *Sandbox) kept() *scenario.Scenario {
	s := &scenario.Scenario{Users: b.keptUsers()}
	builtin := builtinParties()
	for _, p := range b.World.Parties() {
		if i := world.PartyIndex(builtin, p.APID); i < 0 || !reflect.DeepEqual(p, builtin[i]) {
			s.Parties = append(s.Parties, p)
		}
	}
	return s
}
