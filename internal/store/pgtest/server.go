//go:build unix

package pgtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// supervisor runs the server and outlives the test binary for a moment. When the
// test binary has ended, for whatever reason, its end of the pipe on file descriptor
// 3 is closed, and the supervisor ends the server and deletes the data. Arguments:
// the directory of the data, the signal that ends the server at once, and the
// server's command line.
const supervisor = `
dir=$1; signal=$2; shift 2
"$@" 3<&- & server=$!
cat <&3 >/dev/null
kill -$signal $server
wait $server
rm -rf "$dir"`

// start starts a server and returns the URL of its database "postgres".
func start(durable bool) (string, error) {
	bin, err := Binaries()
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "signum-pgtest-")
	if err != nil {
		return "", err
	}
	server, err := startIn(dir, bin, durable)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		os.RemoveAll(dir)
		return "", fmt.Errorf("start a server: %w\n%s", err, log)
	}
	return server, nil
}

func startIn(dir, bin string, durable bool) (string, error) {
	who, err := Credential(dir)
	if err != nil {
		return "", err
	}
	data := filepath.Join(dir, "data")
	initdb := exec.Command(filepath.Join(bin, "initdb"), "--pgdata="+data, "--username=postgres",
		"--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	initdb.Dir = dir
	initdb.SysProcAttr = &syscall.SysProcAttr{Credential: who}
	if out, err := initdb.CombinedOutput(); err != nil {
		return "", fmt.Errorf("initdb: %w: %s", err, out)
	}
	port, err := FreePort()
	if err != nil {
		return "", err
	}
	args := []string{filepath.Join(bin, "postgres"), "-D", data, "-h", "127.0.0.1", "-p", port,
		"-c", "unix_socket_directories=", "-c", "max_connections=1000", "-c", "shared_buffers=128MB"}
	if !durable {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off")
	}
	if err := supervise(dir, who, "QUIT", args); err != nil {
		return "", err
	}
	return awaitServer("postgres://postgres@127.0.0.1:" + port + "/postgres?sslmode=disable")
}

// supervise runs a server that ends with the test binary. Its output goes to the
// file "log" of the directory, which is deleted with the server.
func supervise(dir string, who *syscall.Credential, signal string, args []string) error {
	alive, dead, err := os.Pipe()
	if err != nil {
		return err
	}
	defer alive.Close()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", append([]string{"-c", supervisor, "pgtest", dir, signal}, args...)...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.ExtraFiles = []*os.File{alive}
	// A separate process group, so that an interrupt from the keyboard does not end it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who, Setpgid: true}
	if err := cmd.Start(); err != nil {
		dead.Close()
		return err
	}
	hold(dead)
	return nil
}

// held holds the pipes that keep the servers alive until the process ends. Here the
// garbage collector does not close them.
var (
	holding sync.Mutex
	held    []*os.File
)

func hold(f *os.File) {
	holding.Lock()
	defer holding.Unlock()
	held = append(held, f)
}

// Credential returns the user to run the server as, because it refuses to run as
// root.
func Credential(dir string) (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		u, err = user.Lookup("nobody")
	}
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	if err := os.Chown(dir, int(uid), int(gid)); err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: true}, nil
}

// Binaries returns the directory of a server's programs, for tests that treat a server
// worse than others can bear.
func Binaries() (string, error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		// The directory of a symbolic link may lack the server.
		if real, err := filepath.EvalSymlinks(path); err == nil {
			path = real
		}
		if _, err := os.Stat(filepath.Join(filepath.Dir(path), "postgres")); err == nil {
			return filepath.Dir(path), nil
		}
	}
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if len(found) == 0 {
		return "", errNotInstalled
	}
	newest := slices.MaxFunc(found, func(a, b string) int { return version(a) - version(b) })
	return filepath.Dir(newest), nil
}

// version returns the number in /usr/lib/postgresql/15/bin/initdb.
func version(path string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
	return n
}

// FreePort finds a port to listen on. It is below the ports that systems give to
// connections, which may be taken by the time the server starts.
func FreePort() (port string, err error) {
	for range 100 {
		port = strconv.Itoa(15_000 + rand.IntN(17_000))
		var l net.Listener
		if l, err = net.Listen("tcp", "127.0.0.1:"+port); err == nil {
			return port, l.Close()
		}
	}
	return "", err
}

// awaitServer tries to connect until the server lets it.
func awaitServer(server string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		conn, err := pgx.Connect(ctx, server)
		if err == nil {
			conn.Close(ctx)
			return server, nil
		}
		select {
		case <-ctx.Done():
			return "", fmt.Errorf("not ready after %s: %w", patience, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}
