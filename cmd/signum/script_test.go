package main

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"signum": func() { os.Exit(run()) }})
}

// labScripts are commands that need a sandbox. lab_script_test.go adds them, unless the program is
// built without the lab.
var labScripts = map[string]func(ts *testscript.TestScript, neg bool, args []string){}

// fakeKey finds the service of a script.
type fakeKey struct{}

// TestScripts runs testdata/script/*.txtar: the command line as a user types it.
func TestScripts(t *testing.T) { scripts(t, "testdata/script", "sqlite", "") }

// scriptCommands are those of scripts. Besides the usual commands of package testscript there are
//
//	exits N signum …     runs the program, which must end with code N
//	transaction N        from now on the next N status queries are answered with 504
//	field NAME VAR       sets VAR to a member of the JSON object that was printed
//	pem FROM TO          wraps a DER file in PEM; base64 FROM TO in lines of Base64
//	certificate CERT KEY DAYS   writes the certificate of a server, which ends in DAYS days
//	sandbox DIR FLAGS…   runs a sandbox until the script ends
//	phones DIR NUMBER    runs an SMSC with phones until the script ends; nodes bind to it
//	node                 runs a node with signum.yaml until the script ends; $MSS and
//	                     $OPS are addresses of its listeners
//
// Each script has a service that signs at once, see fakeService: its address is
// $URL and its client files are in $BOX. $OTHER has those of another service,
// $NUMBER is a number that it knows, and $FORMS has signatures of others.
func scriptCommands() map[string]func(ts *testscript.TestScript, neg bool, args []string) {
	commands := map[string]func(ts *testscript.TestScript, neg bool, args []string){
		"exits": func(ts *testscript.TestScript, neg bool, args []string) {
			if neg || len(args) < 2 {
				ts.Fatalf("usage: exits N program …")
			}
			code := 0
			if err := ts.Exec(args[1], args[2:]...); err != nil {
				exit, ok := errors.AsType[*exec.ExitError](err)
				if !ok {
					ts.Fatalf("%v", err)
				}
				code = exit.ExitCode()
			}
			if strconv.Itoa(code) != args[0] {
				ts.Fatalf("exit code %d, want %s", code, args[0])
			}
			// An error is one line that cannot move the cursor.
			if said := ts.ReadFile("stderr"); code != 0 && !strings.Contains(said, "waiting") &&
				(strings.Count(said, "\n") != 1 || strings.Contains(said, "\x1b")) {
				ts.Fatalf("the error is not one clean line: %q", said)
			}
		},
		"node": func(ts *testscript.TestScript, neg bool, args []string) { runNode(ts) },
		"stopnode": func(ts *testscript.TestScript, neg bool, args []string) {
			ts.Value(fakeKey{}).(*fakeService).stopNode()
		},
		"transaction": func(ts *testscript.TestScript, neg bool, args []string) {
			f := ts.Value(fakeKey{}).(*fakeService)
			n, err := strconv.Atoi(args[0])
			ts.Check(err)
			f.mu.Lock()
			defer f.mu.Unlock()
			f.polls = n
			f.pending = base64.StdEncoding.EncodeToString(f.sign("Test: Hello"))
		},
		"field": func(ts *testscript.TestScript, neg bool, args []string) {
			m := regexp.MustCompile(`"` + args[0] + `":"([^"]*)"`).FindStringSubmatch(ts.ReadFile("stdout"))
			if m == nil {
				ts.Fatalf("no %s was printed", args[0])
			}
			ts.Setenv(args[1], m[1])
		},
		"pem": func(ts *testscript.TestScript, neg bool, args []string) {
			block := &pem.Block{Type: "CMS", Bytes: []byte(ts.ReadFile(args[0]))}
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(block), 0o600))
		},
		"base64": func(ts *testscript.TestScript, neg bool, args []string) {
			text := base64.StdEncoding.EncodeToString([]byte(ts.ReadFile(args[0])))
			ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text[:64]+"\r\n"+text[64:]+"\n"), 0o600))
		},
	}
	commands["certificate"] = writeCertificate
	for name, f := range labScripts {
		commands[name] = f
	}
	return commands
}

// scripts runs the scripts in a directory. A node of them uses the store, if one is given; the
// engine is a condition.
func scripts(t *testing.T, dir, engine, store string) {
	testscript.Run(t, testscript.Params{
		Dir:                 dir,
		RequireExplicitExec: true,
		Cmds:                scriptCommands(),
		Condition: func(cond string) (bool, error) {
			return cond == "lab" && len(labScripts) > 0 || cond == engine, nil
		},
		Setup: func(env *testscript.Env) error {
			if store != "" {
				env.Setenv("SIGNUM_STORE_URL", store)
			}
			f, other := newFakeService(t), newFakeService(t)
			env.Values[fakeKey{}] = f
			env.Setenv("URL", f.url)
			env.Setenv("BOX", f.dir)
			env.Setenv("OTHER", other.dir)
			env.Setenv("NUMBER", "+41791000001")
			forms, err := filepath.Abs("../../client/testdata/cms")
			if err != nil {
				return err
			}
			env.Setenv("FORMS", forms)
			env.Setenv(envSandbox, "")
			env.Setenv(envPassword, "")
			return nil
		},
	})
}

// TestReadmeCommands: every command line of the README and of docs/sandbox.md is in
// readme.txtar, which runs it. (bin/signum is signum there, and quotes are single.)
func TestReadmeCommands(t *testing.T) {
	pages := readPage(t, "../../README.md") + readPage(t, "../../docs/sandbox.md")
	script, err := os.ReadFile(filepath.Join("testdata", "script", "readme.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]string{
		"phone open --sandbox ./box": "TestEndToEndApp2App opens the address of a request",
		"--smsc 'smpp://":            "the tests of the sandbox bind to another SMSC",
		"signum sandbox --dir ./box": "the script has such a sandbox",
	}
	lines := regexp.MustCompile(`(?m)^    bin/(signum .*?)(?:\s+#.*)?$`).FindAllStringSubmatch(pages, -1)
	if len(lines) < 10 {
		t.Fatalf("only %d commands in the README", len(lines))
	}
next:
	for _, m := range lines {
		for part := range elsewhere {
			if strings.Contains(m[1], part) {
				continue next
			}
		}
		want := strings.NewReplacer(`"`, `'`, "TRANS_ID", "$TRANS_ID").Replace(m[1])
		if !strings.Contains(string(script), want+"\n") {
			t.Errorf("readme.txtar does not run\n%s", want)
		}
	}
}

func readPage(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
