package sandbox

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/signum-mssp/signum/internal/ca"
)

// startOver is the advice for a file that cannot be made again.
const startOver = "restore it from a backup, or start over with another directory"

// damaged says which file cannot be used, and what to do.
func damaged(path string, err error) error {
	if _, named := errors.AsType[*fs.PathError](err); named || strings.Contains(err.Error(), path) {
		return fmt.Errorf("%w; %s", err, startOver)
	}
	return fmt.Errorf("%s: %w; %s", path, err, startOver)
}

// checkLost refuses a directory that has lost files: new ones would not fit what the
// database, the users' phones and the clients have. The database says that the first
// part of them was used, sandbox.json that all were.
func (b *Sandbox) checkLost() error {
	private := func(name string) string { return b.Path(filepath.Join(privateDir, name)) }
	database := private(databaseFile)
	var needed []string
	info, err := ReadInfo(b.Dir)
	ran := err == nil && info.BaseURL != ""
	if ran || exists(database) {
		needed = append(needed, private(serverCAKeyFile), private(serverKeyFile), private(masterFile), private(vapidFile))
	}
	if ran {
		for _, c := range clientCerts {
			needed = append(needed, b.Path(c.keyFile))
		}
		if b.cfg.Cards == nil {
			needed = append(needed, private(cardsDir))
		}
	}
	var lost []string
	for _, name := range needed {
		if !exists(name) {
			lost = append(lost, name)
		}
	}
	switch {
	case len(lost) > 0:
		return fmt.Errorf("the directory was used, but has lost %s; %s", strings.Join(lost, ", "), startOver)
	case !ran:
		return nil
	case b.cfg.Store != "":
	case !exists(database):
		return fmt.Errorf("the directory was used, but has lost %s; %s, or give the database of the last run with --store", database, startOver)
	default:
		if err := checkSQLite(database); err != nil {
			return damaged(database, err)
		}
	}
	return checkCA(private(caDir))
}

// sqliteHeader begins each database. SQLite would make a new one of an empty file.
const sqliteHeader = "SQLite format 3\x00"

func checkSQLite(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	header := make([]byte, len(sqliteHeader))
	if _, err := io.ReadFull(f, header); err != nil || string(header) != sqliteHeader {
		return errors.New("this is not an SQLite database")
	}
	return nil
}

// checkCA checks that the CA can be read, unless it was moved to former in order to be
// replaced.
func checkCA(dir string) error {
	_, err := ca.Load(dir)
	switch {
	case err == nil, errors.Is(err, ca.ErrExposed):
		return nil // the node says what to do
	case errors.Is(err, ca.ErrNoAuthority):
		if former, _ := ca.FormerRootsIn(dir); len(former) > 0 {
			return nil
		}
		return fmt.Errorf("the directory was used, but has lost the CA in %s; %s", dir, startOver)
	}
	return damaged(dir, err)
}

// checkDatabase adds to an error what to do about a damaged file.
func (b *Sandbox) checkDatabase(err error) error {
	e, ok := errors.AsType[*sqlite.Error](err)
	if ok && b.cfg.Store == "" {
		if primary := e.Code() & 0xff; primary == sqlite3.SQLITE_CORRUPT || primary == sqlite3.SQLITE_NOTADB {
			return damaged(b.Path(filepath.Join(privateDir, databaseFile)), err)
		}
	}
	return err
}

// readSecret reads a file that must be a file.
func readSecret(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = damaged(path, err)
	}
	return data, err
}
