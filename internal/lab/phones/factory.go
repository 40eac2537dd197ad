package phones

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/lab/card"
)

// sim is what the factory knows of a card.
type sim struct {
	ICCID   string         `json:"iccid"`
	MSISDN  string         `json:"msisdn"`
	KeyType signum.KeyType `json:"key_type"` // that the card will make
	KIc     []byte         `json:"kic"`
	KID     []byte         `json:"kid"`
}

const keySize = 16 // AES-128

// loadSims reads the cards of earlier runs.
func loadSims(path string) (all []sim, err error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &all)
	}
	if err != nil {
		return nil, fmt.Errorf("the keys of the cards: %s: %w", path, err)
	}
	return all, nil
}

// makeSims returns the cards of all numbers that the configuration names. What exists
// already stays as it is.
func (c *Config) makeSims(have []sim) (all []sim, made int, err error) {
	known := make(map[string]bool, len(have))
	for _, s := range have {
		known[s.MSISDN] = true
	}
	all = slices.Clone(have)
	for i := range c.Users {
		msisdn, err := plus(c.First, i)
		if err != nil {
			return nil, 0, err
		}
		if known[msisdn] {
			continue
		}
		s := sim{ICCID: card.NewICCID("5" + fmt.Sprintf("%013s", msisdn[1:])), MSISDN: msisdn, KeyType: signum.EC, KIc: make([]byte, keySize), KID: make([]byte, keySize)}
		if i >= c.Users-c.RSA {
			s.KeyType = signum.RSA
		}
		for _, key := range [][]byte{s.KIc, s.KID} {
			if _, err := rand.Read(key); err != nil {
				return nil, 0, err
			}
		}
		all = append(all, s)
		made++
	}
	return all, made, nil
}

func saveSims(dir string, all []sim) error {
	text, err := json.Marshal(all)
	if err != nil {
		return err
	}
	return durable.Write(filepath.Join(dir, keysFile), append(text, '\n'), 0o600)
}

// plus returns the number that is n after the first one.
func plus(first string, n int) (string, error) {
	digits, err := strconv.ParseUint(first[1:], 10, 64)
	if err != nil {
		return "", err
	}
	next := fmt.Sprintf("+%d", digits+uint64(n))
	if len(next) != len(first) {
		return "", fmt.Errorf("there are no %d numbers from %s on", n+1, first)
	}
	return next, nil
}
