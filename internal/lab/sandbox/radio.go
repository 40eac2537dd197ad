package sandbox

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/signum-mssp/signum/internal/config"
	"github.com/signum-mssp/signum/internal/lab/handset"
	"github.com/signum-mssp/signum/internal/lab/phones"
	"github.com/signum-mssp/signum/internal/lab/smsc"
	"github.com/signum-mssp/signum/internal/simcards"
)

// How the SMSC knows the service.
const (
	smscUser    = "signum"
	smscBinds   = 2
	smscWindow  = 100
	serviceCode = "41790000500" // the number to which cards reply
)

// radio is the mobile network of a sandbox: an SMSC on loopback in front of the handsets. All
// traffic between the service and a card goes through it, as in an operator's network.
type radio struct {
	password string     // for the SMSC, a new one in each run, against other users of the machine
	smsc     *smsc.SMSC // nil: an external one
}

func newRadio(cfg Config, handsets *handset.Network) (*radio, error) {
	r := &radio{password: rand.Text()[:8]}
	if cfg.SMSC != "" {
		return r, nil
	}
	var err error
	r.smsc, err = smsc.New(smsc.Config{
		Addr: "127.0.0.1:0", Credentials: map[string]string{smscUser: r.password}, Radio: phones.Air{Network: handsets}, Clock: cfg.Clock, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, err
	}
	handsets.Connect(r.smsc.Submit)
	return r, nil
}

// smscConfig returns how the node binds to the SMSC, the sandbox's own or the one at the
// address, and how often the SMSC must report a phone as absent before it is believed.
func (r *radio) smscConfig(address string) (c config.SMSC, absent int, err error) {
	absent = config.Default().SIM.Retry.Absent
	if r.smsc == nil {
		c, err = ParseSMSC(address)
		return c, absent, err
	}
	c = config.DefaultSMSC()
	c.Name, c.Address, c.SystemID, c.Password = ownSMSC, config.Address(r.smsc.Addr()), smscUser, config.NewSecret(r.password)
	c.Transceivers, c.Window = smscBinds, smscWindow
	return c, 1, nil // the emulated network knows at once who is out of reach
}

// close ends the SMSC. Messages in it are lost; the service repeats them.
func (r *radio) close() error {
	if r.smsc != nil {
		r.smsc.Close()
	}
	return nil
}

// masterFile holds the key that wraps the keys of cards in the database. Without
// it those keys are lost.
const masterFile = "sim-master.key"

// masterKey loads or makes the key that wraps the keys of cards in the database.
func masterKey(dir string) ([]byte, error) {
	path := filepath.Join(dir, privateDir, masterFile)
	key, err := readSecret(path)
	if err == nil && len(key) != simcards.MasterKeySize {
		err = damaged(path, fmt.Errorf("the master key of the cards has %d octets, not %d", len(key), simcards.MasterKeySize))
	}
	if !errors.Is(err, os.ErrNotExist) {
		return key, err
	}
	key = make([]byte, simcards.MasterKeySize)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	return key, writeFile(path, key, 0o600)
}
