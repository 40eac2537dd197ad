//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/signum-mssp/signum/internal/store/pgtest"
)

// powerPlan is what a power test does.
type powerPlan struct {
	dir, kernel string
	binary      string
	postgres    bool
	lies        bool // the disk
	seed        uint64
	cuts, users int
	say         io.Writer
}

// powerTest cuts the power of a machine on which the service runs, again and again.
type powerTest struct {
	powerPlan
	rand          *rand.Rand
	guest         *guest
	ledger        *ledger
	load          *load
	boots         []time.Duration
	early         int // cuts before the service was ready
	applied, lost int // writes to the disk, see cutPower
	checks        int // status queries after cuts
	findings
}

// powerTests runs "make power-test".
func powerTests(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("power-test", flag.ExitOnError)
	p := powerPlan{say: os.Stderr}
	fs.IntVar(&p.cuts, "cuts", 10, "power cuts, with each store")
	fs.Uint64Var(&p.seed, "seed", uint64(time.Now().UnixNano()), "what users do, when the power is cut, and which writes are lost")
	fs.IntVar(&p.users, "users", len(cast), "users")
	fs.BoolVar(&p.lies, "lying-disk", false, "the disk says that it has flushed what it has not: shows that the test finds what is lost")
	store := fs.String("store", "sqlite,postgres", "stores, one after the other")
	fs.StringVar(&p.kernel, "kernel", "", "directory with the files of Debian's package of the kernel")
	fs.StringVar(&p.dir, "dir", "", "directory for images, logs and ledgers, which stay; default a temporary one, which stays if something is wrong")
	fs.Parse(args)
	return inDir(ctx, p.dir, *store, func(dir, binary, store string) error {
		p := p
		p.dir, p.binary, p.postgres = dir, binary, store == "postgres"
		t, err := cutPowers(ctx, p)
		if err != nil {
			return err
		}
		t.report(os.Stdout, store)
		if len(t.wrong) > 0 {
			return fmt.Errorf("%d faults", len(t.wrong))
		}
		return nil
	})
}

// cutPowers runs a plan to its end.
func cutPowers(ctx context.Context, p powerPlan) (*powerTest, error) {
	t := &powerTest{powerPlan: p, rand: rand.New(rand.NewPCG(p.seed, 1<<33))}
	if err := t.prepare(ctx); err != nil {
		return nil, err
	}
	path := filepath.Join(p.dir, "ledger.jsonl")
	var err error
	if t.ledger, err = newLedger(path); err != nil {
		return nil, err
	}
	defer t.ledger.close()
	if err := t.start(ctx); err != nil {
		return nil, err
	}
	defer func() { t.guest.machine.kill() }()
	t.load = newLoad(t.guest, t.ledger)
	t.load.slow = emulated
	working, giveUp := context.WithCancel(ctx)
	defer giveUp()
	t.load.begin(working, p.seed)
	if err = t.cut(ctx, path); err != nil {
		giveUp() // nobody answers any more
	}
	t.progress("the load ends")
	if err := errors.Join(err, t.load.end(), ctx.Err()); err != nil {
		return t, err
	}
	return t, t.check(ctx, path)
}

// emulated is how many times slower an emulated machine is, about.
const emulated = 5

func (t *powerTest) progress(format string, args ...any) {
	fmt.Fprintf(t.say, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// start boots the machine and waits for the service.
func (t *powerTest) start(ctx context.Context) error {
	begin := time.Now()
	if err := t.guest.boot(ctx); err != nil {
		return err
	}
	if err := t.guest.ready(ctx); err != nil {
		return err
	}
	t.boots = append(t.boots, time.Since(begin))
	return nil
}

// cut cuts the power at random times, one time in six while the machine starts. After
// each cut, everything that a party was told before must still be true.
func (t *powerTest) cut(ctx context.Context, ledger string) error {
	for n := 1; n <= t.cuts; n++ {
		before := t.lost
		if !sleep(ctx, 2*time.Second+t.upTo(10*time.Second)) {
			return ctx.Err()
		}
		if err := t.powerOff(); err != nil {
			return err
		}
		for t.rand.IntN(6) == 0 && n < t.cuts {
			n++
			t.early++
			if err := t.guest.boot(ctx); err != nil {
				return err
			}
			sleep(ctx, t.upTo(t.boots[0]))
			if err := t.powerOff(); err != nil {
				return err
			}
		}
		calls, err := readLedger(ledger)
		if err != nil {
			return err
		}
		if err := t.start(ctx); err != nil {
			return err
		}
		var f findings
		outcomes := f.readAnswers(calls)
		f.wrong = nil // the check at the end reads the ledger, too
		if err := f.queries(ctx, t.guest, t.guest.connections(true), outcomes); err != nil {
			return err
		}
		t.checks += f.asked
		t.wrong = append(t.wrong, f.wrong...)
		t.progress("cut %d of %d: %d signatures so far, %d outcomes checked, %d missing; the disk lost %d writes", n, t.cuts, t.load.signed.Load(), f.asked, len(f.wrong), t.lost-before)
	}
	return nil
}

func (t *powerTest) upTo(d time.Duration) time.Duration {
	return time.Duration(t.rand.Int64N(int64(d)))
}

// powerOff cuts the power.
func (t *powerTest) powerOff() error {
	t.guest.machine.kill()
	applied, lost, err := cutPowerOf(t.guest.disk(), t.guest.log(), t.lies, t.rand)
	t.applied += applied
	t.lost += lost
	return err
}

// prepare makes the disk: a sandbox that has run once on this machine, and PostgreSQL.
func (t *powerTest) prepare(ctx context.Context) (err error) {
	root := filepath.Join(t.dir, "root")
	for _, d := range []string{"bin", "dev", "proc", "tmp", "etc", "pg"} {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			return err
		}
	}
	g := &guest{dir: t.dir, kernel: t.kernel}
	t.guest = g
	if g.console, err = os.Create(filepath.Join(t.dir, "console.log")); err != nil {
		return err
	}
	ports := make([]string, 2)
	for i := range ports {
		if ports[i], err = pgtest.FreePort(); err != nil {
			return err
		}
	}
	g.service, g.database = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	t.progress("preparing the disk")
	url, stop, err := t.postgresOnDisk(ctx, root)
	if err != nil {
		return err
	}
	defer stop()
	if g.box, err = newBox(t.binary, root, url, t.users); err != nil {
		return err
	}
	if err := errors.Join(g.box.launch(), g.box.ready(ctx), g.box.stop(), stop()); err != nil {
		return err
	}
	option := ""
	if t.postgres {
		option = "--store 'postgres://postgres@127.0.0.1/postgres?sslmode=disable'"
	}
	start := fmt.Appendf(nil, startScript, map[bool]string{true: "/pg/data"}[t.postgres], g.postgres, g.postgres, option)
	busybox := lookPath("busybox")
	if err := errors.Join(copyFile(ctx, t.binary, root), copyFile(ctx, busybox, filepath.Join(root, "bin")),
		os.Symlink("busybox", filepath.Join(root, "bin", "sh")), os.WriteFile(filepath.Join(root, "start"), start, 0o755)); err != nil {
		return err
	}
	return g.build(ctx, root, 1024)
}

// postgresOnDisk starts a PostgreSQL server here, for the first run of the service. Stop
// ends it and moves it to the disk of the guest.
func (t *powerTest) postgresOnDisk(ctx context.Context, root string) (url string, stop func() error, err error) {
	if !t.postgres {
		return "", func() error { return nil }, nil
	}
	pg, err := pgtest.NewServer(ctx, t.guest.console)
	if err != nil {
		return "", nil, err
	}
	t.guest.postgres = pg.Bin
	return pg.URL(), sync.OnceValue(func() error { return errors.Join(movePostgres(ctx, pg, root), pg.Remove()) }), nil
}

// movePostgres stops a server, and copies its data and its programs to the disk of a guest.
func movePostgres(ctx context.Context, pg *pgtest.Server, root string) error {
	pg.Stop()
	// The guest sees clients of this machine with other addresses, and has no time zones.
	if err := errors.Join(appendTo(filepath.Join(pg.Data(), "pg_hba.conf"), "host all all 10.0.2.0/24 trust\n"),
		appendTo(filepath.Join(pg.Data(), "postgresql.conf"), "timezone = GMT\nlog_timezone = GMT\n")); err != nil {
		return err
	}
	var owner syscall.Stat_t
	if err := syscall.Stat(pg.Data(), &owner); err != nil {
		return err
	}
	passwd := fmt.Appendf(nil, "root:x:0:0::/:/bin/sh\npostgres:x:%d:%d::/pg:/bin/sh\n", owner.Uid, owner.Gid)
	if err := errors.Join(copyFile(ctx, pg.Data(), filepath.Join(root, "pg")), os.WriteFile(filepath.Join(root, "etc", "passwd"), passwd, 0o644)); err != nil {
		return err
	}
	files := []string{filepath.Join(pg.Bin, "postgres"), filepath.Join(pg.Bin, "pg_isready")}
	for _, program := range files[:2] {
		needed, err := libraries(ctx, program)
		if err != nil {
			return err
		}
		files = append(files, needed...)
	}
	for _, what := range []string{"--pkglibdir", "--sharedir"} {
		dir, err := exec.CommandContext(ctx, filepath.Join(pg.Bin, "pg_config"), what).Output()
		if err != nil {
			return err
		}
		files = append(files, strings.TrimSpace(string(dir)))
	}
	slices.Sort(files)
	copied := exec.CommandContext(ctx, "cp", append([]string{"-aL", "--parents", "-t", root}, slices.Compact(files)...)...)
	copied.Dir = "/" // where it looks for the parents
	if out, err := copied.CombinedOutput(); err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// appendTo appends to a file.
func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// check says what was lost. The power is cut once more, so that the database of SQLite
// is read from the disk.
func (t *powerTest) check(ctx context.Context, ledger string) error {
	settled := time.Now()
	l := newLoad(t.guest, t.ledger)
	l.slow = emulated
	if err := t.everybodySigns(ctx, l, t.seed); err != nil {
		return err
	}
	calls, err := readLedger(ledger)
	if err != nil {
		return err
	}
	outcomes := t.readAnswers(calls)
	if err := t.queries(ctx, t.guest, t.guest.connections(true), outcomes); err != nil {
		return err
	}
	party := t.guest.box.party.APID
	if t.postgres {
		return t.checkDatabase(ctx, "postgres://postgres@"+t.guest.database+"/postgres?sslmode=disable", t.dir, party, calls, settled)
	}
	if err := t.powerOff(); err != nil {
		return err
	}
	database := filepath.Join(t.dir, "signum.db")
	if err := t.guest.fetch(ctx, "/box/private/signum.db", database); err != nil {
		return err
	}
	config, err := t.guest.box.configuration() // the CA and the master key are as they were here
	if err != nil {
		return err
	}
	if out, err := command(ctx, t.binary, config, "sqlite:"+database, "check").CombinedOutput(); err != nil {
		t.fault("signum check: %s", out)
	}
	return t.checkDatabase(ctx, "sqlite:"+database, t.dir, party, calls, settled)
}

// report prints the figures as a table, and then what is wrong.
func (t *powerTest) report(w io.Writer, store string) {
	row := func(name, format string, args ...any) {
		fmt.Fprintf(w, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(w, "\n| %s in an emulated machine, seed %d | |\n|---|---|\n", store, t.seed)
	row("power cuts (of them before the service was ready)", "%d (%d)", t.cuts, t.early)
	row("writes to the disk that a cut lost / that were kept", "%d / %d", t.lost, t.applied)
	row("calls sent", "%d", t.sent)
	row("signatures", "%d", t.signed)
	row("transactions in the database at the end", "%d", t.rows)
	row("outcomes checked by status query at the end (and after each cut)", "%d (+%d)", t.asked, t.checks)
	row("calls whose answer was lost, repeated: in the database, refused with 101 / not in it", "%d / %d", t.lostInserted, t.lostNot)
	row("repetitions of answered calls refused", "%d", t.replays)
	row("receipts taken / refused as second ones", "%d / %d", t.receipts, t.secondReceipts)
	row("users who sign at the end", "%d", t.signAtTheEnd)
	row("power on to ready, mean / max", "%s / %s", mean(t.boots), slices.Max(t.boots).Round(10*time.Millisecond))
	row("lost, doubled, changed, damaged", "%d", len(t.wrong))
	if len(t.wrong) > 0 {
		fmt.Fprintf(w, "\nwrong:\n  %s\n", strings.Join(t.wrong, "\n  "))
	}
}
