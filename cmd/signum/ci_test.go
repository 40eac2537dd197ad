//go:build !nolab

package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/signum-mssp/signum/internal/durable"
	"github.com/signum-mssp/signum/internal/testkit"
)

const integrationsDir = "../../integrations/ci"

// step is what these tests know of a step of GitHub Actions.
type step struct {
	Name, ID, Uses, Run, Shell, If string
	Env, With                      map[string]string
}

// load reads a file of a CI service. A member that these tests do not know is an error: they
// would not run it.
func load(t *testing.T, name string, to any) {
	t.Helper()
	d := yaml.NewDecoder(strings.NewReader(readPage(t, filepath.Join(integrationsDir, name))))
	d.KnownFields(true)
	if err := d.Decode(to); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// job is the machine of a job: its directory, and the variables of its steps.
type job struct {
	t   *testing.T
	dir string
	env []string
}

// newJob returns one in which "go install" succeeds, and the program is this one.
func newJob(t *testing.T) *job {
	t.Helper()
	testkit.Needs(t, "bash")
	j := &job{t: t, dir: t.TempDir()}
	t.Cleanup(j.awaitEnd)
	bin := filepath.Join(j.dir, "bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	install := "#!/bin/sh\n[ \"$1\" = install ] && [ \"$2\" = github.com/signum-mssp/signum/cmd/signum@latest ]\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(install), 0o700); err != nil {
		t.Fatal(err)
	}
	j.env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return j
}

// awaitEnd waits until no sandbox uses the directory: the steps stop theirs, and do not wait
// for its end.
func (j *job) awaitEnd() {
	for _, pattern := range []string{"*/private/lock", ".signum/box/private/lock"} {
		locks, err := filepath.Glob(filepath.Join(j.dir, pattern))
		if err != nil {
			j.t.Error(err)
		}
		for _, path := range locks {
			for {
				f, err := durable.Lock(path)
				if !errors.Is(err, durable.ErrLocked) {
					f.Close()
					break
				}
				time.Sleep(10 * time.Millisecond)
			}
		}
	}
}

// run runs commands as the services do: in bash, which ends at the first that fails.
func (j *job) run(name, commands string, env ...string) string {
	j.t.Helper()
	cmd := exec.CommandContext(j.t.Context(), "bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", commands)
	cmd.Dir, cmd.Env, cmd.WaitDelay = j.dir, append(slices.Clip(j.env), env...), 5*time.Second
	out, err := cmd.CombinedOutput()
	if err != nil {
		j.t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out)
}

// TestGitHubWorkflow runs the steps of the workflow, with those of the action in place of it.
func TestGitHubWorkflow(t *testing.T) {
	t.Parallel()
	var workflow struct {
		Name string
		On   []string
		Jobs map[string]struct {
			RunsOn  string `yaml:"runs-on"`
			Timeout int    `yaml:"timeout-minutes"`
			Steps   []step
		}
	}
	var action struct {
		Name, Description string
		Inputs            map[string]struct{ Description, Default string }
		Outputs           map[string]struct{ Description, Value string }
		Runs              struct {
			Using string
			Steps []step
		}
	}
	load(t, "github/workflow.yml", &workflow)
	load(t, "github/action.yml", &action)
	j := newJob(t)
	files := map[string]string{}
	for _, name := range []string{"GITHUB_ENV", "GITHUB_OUTPUT"} {
		files[name] = filepath.Join(j.dir, name)
		j.env = append(j.env, name+"="+files[name])
	}
	j.env = append(j.env, "RUNNER_TEMP="+j.dir)
	ran := map[string]bool{}
	for _, s := range workflow.Jobs["test"].Steps {
		switch {
		case strings.HasPrefix(s.Uses, "signum-mssp/signum/integrations/ci/github@"):
			for _, inner := range action.Runs.Steps {
				var env []string
				for name, value := range inner.Env {
					for input, known := range action.Inputs {
						if given, ok := s.With[input]; ok {
							known.Default = given
						}
						value = strings.ReplaceAll(value, fmt.Sprintf("${{ inputs.%s }}", input), known.Default)
					}
					env = append(env, name+"="+value)
				}
				j.run(inner.Name, inner.Run, env...)
				ran[inner.Name] = true
			}
			j.env = append(j.env, strings.Fields(readPage(t, files["GITHUB_ENV"]))...)
		case s.Uses == "":
			j.run(s.Name, s.Run)
			ran[s.Name] = true
		case !strings.HasPrefix(s.Uses, "actions/"):
			t.Errorf("step %q is not run", s.Uses)
		}
	}
	if !ran["Log in"] || !ran["Start the sandbox"] || !ran["Stop the sandbox"] {
		t.Errorf("ran %v", ran)
	}
	if out := action.Outputs["sandbox"].Value; out != "${{ steps.start.outputs.sandbox }}" || !strings.HasPrefix(readPage(t, files["GITHUB_OUTPUT"]), "sandbox="+j.dir) {
		t.Errorf("the output is %s of %s", out, readPage(t, files["GITHUB_OUTPUT"]))
	}
}

// TestGitLabTemplate runs the job of the template, as GitLab does: what stands before it in
// the same shell, what stands after it in another one.
func TestGitLabTemplate(t *testing.T) {
	t.Parallel()
	type gitlabJob struct {
		Image, Timeout, Extends string
		Variables               map[string]string
		Before                  []string `yaml:"before_script"`
		Script                  []string
		After                   []string `yaml:"after_script"`
		Artifacts               struct {
			When  string
			Paths []string
		}
	}
	var jobs map[string]gitlabJob
	load(t, "gitlab-ci.yml", &jobs)
	template, login := jobs[".signum"], jobs["log in"]
	if login.Extends != ".signum" || len(login.Script) == 0 {
		t.Fatalf("the job is %+v", login)
	}
	j := newJob(t)
	for name, value := range template.Variables {
		j.env = append(j.env, name+"="+strings.ReplaceAll(value, "$CI_PROJECT_DIR", j.dir))
	}
	said := j.run("script", strings.Join(append(template.Before, login.Script...), "\n"))
	if !strings.Contains(said, "Verified     yes") || !strings.Contains(said, "401 USER_CANCEL") {
		t.Errorf("the job says\n%s", said)
	}
	if log, err := os.ReadFile(filepath.Join(j.dir, template.Artifacts.Paths[0])); err != nil || !bytes.Contains(log, []byte("ready https://")) {
		t.Errorf("the log is %q, %v", log, err)
	}
	j.run("after_script", strings.Join(template.After, "\n"))
}
