//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signum-mssp/signum"
)

// upgrades runs "make upgrade-test": three nodes of an earlier commit on one PostgreSQL are
// replaced by this program, one after the other, then by the earlier one again, and
// once more by this one, all under load.
func upgrades(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("upgrade", flag.ExitOnError)
	p := plan{say: os.Stderr, serve: true, nodes: 3}
	from := fs.String("from", "", "the earlier commit; its schema must be one that this program only expands")
	fs.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "what users do")
	fs.IntVar(&p.users, "users", 24, "users")
	fs.DurationVar(&p.pause, "between", 5*time.Second, "how long the nodes work between two of the steps")
	fs.StringVar(&p.dir, "dir", "", "directory for data, logs and the ledger, which stay; default a temporary one, which stays if something is wrong")
	fs.Parse(args)
	if *from == "" {
		return errors.New("-from is needed: the commit to upgrade from")
	}
	return inDir(ctx, p.dir, "postgres", func(dir, binary, store string) error {
		p := p
		p.dir, p.binary = dir, binary
		earlier, err := buildCommit(ctx, dir, *from)
		if err != nil {
			return err
		}
		return upgrade(ctx, p, earlier)
	})
}

// buildCommit builds the program of another commit, and returns its path.
func buildCommit(ctx context.Context, dir, commit string) (string, error) {
	source := filepath.Join(dir, "earlier")
	if err := os.Mkdir(source, 0o700); err != nil {
		return "", err
	}
	defer os.RemoveAll(source)
	archive := source + ".tar"
	defer os.Remove(archive)
	for _, args := range [][]string{{"git", "archive", "--output", archive, commit}, {"tar", "-x", "-f", archive, "-C", source}} {
		if out, err := exec.CommandContext(ctx, args[0], args[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(args[:2], " "), err, out)
		}
	}
	binary := filepath.Join(dir, "signum-earlier")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", binary, "./cmd/signum")
	build.Dir, build.Env = source, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building %s: %w\n%s", commit, err, out)
	}
	return binary, nil
}

// upgrade rolls the nodes, and prints what it found.
func upgrade(ctx context.Context, p plan, earlier string) error {
	log, err := os.Create(filepath.Join(p.dir, "postgres.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	if p.pg, err = newPostgres(ctx, nil, log); err != nil {
		return err
	}
	defer p.pg.Remove()
	r := newRun(p)
	n, err := newNode(ctx, p.binary, p.dir, p.pg.URL(), slices.Repeat([]kind{simEC}, p.users), 1, p.seed)
	if err != nil {
		return err
	}
	r.target = n
	defer n.close()
	if err := r.roll(ctx, n, earlier); err != nil {
		return fmt.Errorf("seed %d: %w", p.seed, err)
	}
	r.report(os.Stdout)
	if len(r.wrong) > 0 {
		return fmt.Errorf("seed %d: %d faults", p.seed, len(r.wrong))
	}
	return nil
}

// roll does the steps. The earlier program does not share parts of messages and inboxes, so
// all users have a SIM with an EC key, and its key is made while one node runs.
func (r *run) roll(ctx context.Context, n *node, earlier string) error {
	n.program = earlier
	if err := r.start(ctx); err != nil {
		return err
	}
	path := filepath.Join(r.dir, "ledger.jsonl")
	var err error
	if r.ledger, err = newLedger(path); err != nil {
		return err
	}
	defer r.ledger.close()
	if err := r.everybodySigns(ctx, newLoad(n, r.ledger), r.seed); err != nil {
		return err
	}
	for len(n.members) < r.nodes {
		if err := n.addMember(); err != nil {
			return err
		}
		if err := n.configure(n.members[len(n.members)-1]); err != nil {
			return err
		}
	}
	if err := r.start(ctx); err != nil {
		return err
	}
	r.load = newLoad(n, r.ledger)
	r.load.begin(ctx, r.seed)
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			r.progress("the schema is migrated while nodes of the earlier commit work")
			out, ok, err := r.person.do(ctx, "", "migrate")
			if err == nil && !ok {
				err = fmt.Errorf("signum migrate: %s", out)
			}
			return err
		},
		r.to(n, n.binary), r.to(n, earlier), r.to(n, n.binary),
	}
	for _, step := range steps {
		sleep(ctx, r.pause)
		if err := step(ctx); err != nil {
			return errors.Join(err, r.load.end())
		}
	}
	sleep(ctx, r.pause)
	if err := errors.Join(r.load.end(), ctx.Err()); err != nil {
		return err
	}
	return errors.Join(r.check(ctx, path), r.onlyDrains(path))
}

// to replaces the program of one node after the other.
func (r *run) to(n *node, program string) func(context.Context) error {
	return func(ctx context.Context) error {
		n.program = program
		for i, m := range n.members {
			r.progress("node %d becomes %s; %d calls, %d signatures", i, filepath.Base(program), r.load.sent.Load(), r.load.signed.Load())
			if err := n.stopMember(m); err != nil {
				return err
			}
			if err := r.start(ctx); err != nil {
				return err
			}
			sleep(ctx, r.pause)
		}
		return nil
	}
}

// onlyDrains checks that parties saw nothing but connections that a drain had closed: each
// call was accepted or told an outcome that its user gives, or its connection was refused or
// closed. A call that is repeated because of that, and a second receipt, are refused.
func (r *run) onlyDrains(ledger string) error {
	calls, err := readLedger(ledger)
	if err != nil {
		return err
	}
	closed := 0
	for _, c := range calls {
		for i, a := range c.answers {
			switch {
			case slices.Contains([]signum.Code{signum.RequestOK, signum.SignatureMade, signum.OutstandingTransact}, a.Code):
			case a.Code == signum.WrongParam && (i > 0 || c.Do == doReceipt):
			case a.Code == 0 && closedByDrain(a.Lost):
				closed++
			default:
				r.fault("call %d (%s) was answered with %d %s%s", c.Call, c.Do, a.Code, a.Detail, a.Lost)
			}
		}
	}
	r.progress("connections that were refused or closed: %d", closed)
	return nil
}

// closedByDrain reports whether an answer was lost because its connection was refused, or
// closed before or after the request.
func closedByDrain(lost string) bool {
	for _, how := range []string{"connection refused", "connection reset by peer", "EOF", "server closed idle connection", "GOAWAY", "broken pipe"} {
		if strings.Contains(lost, how) {
			return true
		}
	}
	return false
}
