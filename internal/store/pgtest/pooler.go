//go:build unix

package pgtest

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// poolerConfig is the configuration of PgBouncer. The pool is small, so that the
// transactions of one client do get different connections of the server, and what a
// client leaves on a connection shows. No parameter of a start-up message is ignored:
// an unknown one is an error.
const poolerConfig = `
[databases]
* = %s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %s
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
max_client_conn = 1000
server_check_delay = 0
ignore_startup_parameters =
`

// startPooler starts PgBouncer in front of a server and returns the host:port where
// it listens.
func startPooler(server string) (string, error) {
	bin, err := exec.LookPath("pgbouncer")
	if err != nil {
		if bin = "/usr/sbin/pgbouncer"; !executable(bin) {
			return "", errNoPooler
		}
	}
	dir, err := os.MkdirTemp("", "signum-pgtest-")
	if err != nil {
		return "", err
	}
	address, err := startPoolerIn(dir, bin, server)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		os.RemoveAll(dir)
		return "", fmt.Errorf("start a pooler: %w\n%s", err, log)
	}
	return address, nil
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode()&0o111 != 0
}

func startPoolerIn(dir, bin, server string) (string, error) {
	who, err := Credential(dir)
	if err != nil {
		return "", err
	}
	u, err := url.Parse(server)
	if err != nil {
		return "", err
	}
	port, err := FreePort()
	if err != nil {
		return "", err
	}
	config := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(config, fmt.Appendf(nil, poolerConfig, target(u), port), 0o644); err != nil {
		return "", err
	}
	if err := supervise(dir, who, "TERM", []string{bin, config}); err != nil {
		return "", err
	}
	address := "127.0.0.1:" + port
	_, err = awaitServer((&url.URL{Scheme: "postgres", User: u.User, Host: address, Path: u.Path, RawQuery: "sslmode=disable&default_query_exec_mode=exec"}).String())
	return address, err
}

// target returns the connection string of a server in the form of PgBouncer.
func target(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	s := fmt.Sprintf("host=%s port=%s user=%s", u.Hostname(), port, u.User.Username())
	if password, ok := u.User.Password(); ok {
		s += " password='" + strings.ReplaceAll(password, "'", "''") + "'"
	}
	return s
}
