package main

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/rogpeppe/go-internal/testscript"
)

// runNode runs a node with the configuration signum.yaml of a script. It gets a directory of
// its own for sockets, whose paths are short, in $RUN.
func runNode(ts *testscript.TestScript) {
	run, err := os.MkdirTemp("", "run")
	ts.Check(err)
	ts.Setenv("RUN", run)
	ts.Setenv(envConfig, ts.MkAbs("signum.yaml"))
	node := exec.Command(programIn(ts.Getenv("PATH")), "serve", "--config", "signum.yaml")
	node.Dir = ts.MkAbs(".")
	node.Env = append(os.Environ(), "SIGNUM_LISTEN_ADMIN_SOCKET="+filepath.Join(run, "admin.sock"), "SIGNUM_LISTEN_OPS_ADDRESS=127.0.0.1:0")
	for _, name := range []string{"STORE_URL", "SIM_SMSCS_0_NAME", "SIM_SMSCS_0_ADDRESS", "SIM_SMSCS_0_SYSTEM_ID", "SIM_SMSCS_0_PASSWORD"} {
		if value := ts.Getenv("SIGNUM_" + name); value != "" {
			node.Env = append(node.Env, "SIGNUM_"+name+"="+value)
		}
	}
	stderr, err := node.StderrPipe()
	ts.Check(err)
	ts.Check(node.Start())
	lines := bufio.NewScanner(stderr)
	stop := sync.OnceFunc(func() {
		_ = node.Process.Signal(syscall.SIGTERM)
		for lines.Scan() {
			ts.Logf("%s", lines.Text())
		}
		ts.Check(node.Wait())
		ts.Check(os.RemoveAll(run))
	})
	ts.Value(fakeKey{}).(*fakeService).stopNode = stop
	ts.Defer(stop)
	address := regexp.MustCompile(`listener=(mss|ops) address=(\S+)`)
	for lines.Scan() {
		ts.Logf("%s", lines.Text())
		if m := address.FindStringSubmatch(lines.Text()); m != nil {
			ts.Setenv(strings.ToUpper(m[1]), m[2])
		}
		if strings.Contains(lines.Text(), "msg=ready") {
			return
		}
	}
	ts.Fatalf("the node is not ready")
}

// programIn finds the program as the script does.
func programIn(path string) string {
	for _, dir := range filepath.SplitList(path) {
		if file := filepath.Join(dir, "signum"); isProgram(file) {
			return file
		}
	}
	return "signum"
}

func isProgram(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode()&0o111 != 0
}
