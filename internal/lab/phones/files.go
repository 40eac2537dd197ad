package phones

import (
	"bytes"
	"crypto/aes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	josecipher "github.com/go-jose/go-jose/v4/cipher"

	"github.com/signum-mssp/signum/internal/durable"
)

// The files in the directory.
const (
	keysFile  = "keys.json"     // of the cards, in the clear
	cardsDir  = "cards"         // what is on the cards
	CardsFile = "cards.csv"     // for an import
	KEKFile   = "transport.key" // that wraps the keys in CardsFile
	YAMLFile  = "smsc.yaml"     // for the configuration of a node
	InfoFile  = "smsc.json"     // for commands
	lockFile  = "lock"
)

// Info is the content of InfoFile.
type Info struct {
	Address   string   `json:"address"` // of the SMSC
	SystemIDs []string `json:"system_ids"`
	Password  string   `json:"password"`
	Control   string   `json:"control"` // base URL of the control addresses
	Token     string   `json:"token"`   // for them
	First     string   `json:"first"`   // number
	Users     int      `json:"users"`
}

// ReadInfo reads what the network in a directory told at its last start. The error is
// fs.ErrNotExist if there has been none.
func ReadInfo(dir string) (i Info, err error) {
	text, err := os.ReadFile(filepath.Join(dir, InfoFile))
	if err == nil {
		err = json.Unmarshal(text, &i)
	}
	return i, err
}

// keptSecret returns the secret in a file, or makes one.
func keptSecret(path string, fresh func() string) (string, error) {
	old, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(old)), nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	secret := fresh()
	return secret, durable.Write(path, []byte(secret+"\n"), 0o600)
}

func newKEK() string {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // does not fail
	return hex.EncodeToString(key)
}

// writeCards writes the file for an import.
func writeCards(dir string, all []sim) error {
	kekHex, err := keptSecret(filepath.Join(dir, KEKFile), newKEK)
	if err != nil {
		return err
	}
	kek, err := hex.DecodeString(kekHex)
	if err != nil {
		return fmt.Errorf("%s: %w", KEKFile, err)
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return fmt.Errorf("%s: %w", KEKFile, err)
	}
	var text bytes.Buffer
	text.WriteString("iccid,msisdn,key_set,algorithm,kic,kid,key_type\n")
	for _, s := range all {
		kic, err := josecipher.KeyWrap(block, s.KIc)
		if err != nil {
			return err
		}
		kid, err := josecipher.KeyWrap(block, s.KID)
		if err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s,%s,1,AES,%x,%x,%s\n", s.ICCID, s.MSISDN, kic, kid, s.KeyType)
	}
	return durable.Write(filepath.Join(dir, CardsFile), text.Bytes(), 0o600)
}

// writeYAML writes what a node needs to bind.
func writeYAML(dir string, i Info) error {
	var text bytes.Buffer
	fmt.Fprintf(&text, `# For the configuration of a node (signum.yaml). sim.master_key_file is needed, too.
sim:
  service_number: %s
  smscs:
    - name: lab
      address: %s
      system_id: %s
      password: %s
      transceivers: 2
      window: 100
  retry:
    absent: 1 # this network knows at once which phones are away
`, strconv.Quote(ServiceNumber), i.Address, strconv.Quote(i.SystemIDs[0]), strconv.Quote(i.Password))
	return durable.Write(filepath.Join(dir, YAMLFile), text.Bytes(), 0o600)
}

func writeInfo(dir string, i Info) error {
	text, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, InfoFile), append(text, '\n'), 0o600)
}
