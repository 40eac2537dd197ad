//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/mssp"
)

// msisdn returns the number of a user.
func msisdn(n int) string { return fmt.Sprintf("+4179%07d", 2_000_000+n) }

// kind is what is known of the n-th user.
type kind struct {
	method   signum.Method
	approves bool
}

// code is what the party of such a user is told.
func (k kind) code() signum.Code {
	if k.approves {
		return signum.SignatureMade
	}
	return signum.ExpiredTransaction
}

// slow reports whether the party of such a user may be told this code if the machine is too
// slow: the card was not reached, or the approval came too late.
func (k kind) slow(code signum.Code) bool {
	return k.method == signum.SIM && (code == signum.OTAError || code == signum.ExpiredTransaction)
}

// kindOf returns the kind of a user: every other one has a SIM, and one of so many of them
// approves.
func kindOf(n, approve int) kind {
	if n%2 == 1 {
		return kind{signum.App, false}
	}
	return kind{signum.SIM, n/2%approve == 0}
}

// partyOf returns the AP_ID of a party.
func partyOf(n int) string { return fmt.Sprintf("mid://crowd/%d", n) }

const (
	otherParty = sandbox.OpenAPID // that goes on with its requests meanwhile
	otherUsers = 20               // of that party, after those of the crowd
)

// The commands of the parent to the node, each answered with a line.
const (
	settleWord  = "settle"  // collect garbage; the answer has the sizes of heap and stacks, in bytes
	profileWord = "profile" // write a heap profile to the file that follows
	done        = "done"    // the answer to it
)

// runNode runs a node with its phones, until its standard input ends.
func runNode(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("node", flag.ExitOnError)
	dir := fs.String("dir", "", "directory")
	store := fs.String("store", "", "database")
	users := fs.Int("users", 0, "users who are asked to wait")
	approve := fs.Int("approve", 1, "one of so many users of a SIM approves")
	after := fs.Duration("after", 0, "after this time")
	parties := fs.Int("parties", 1, "parties")
	most := fs.Int("most", 1, "requests that each party may have open")
	fs.Parse(args)
	debug.SetGCPercent(100) // as signum serve
	box, err := sandbox.Open(ctx, sandbox.Config{
		Dir: *dir, Addr: "127.0.0.1:0", Store: *store, MinTimeout: time.Second, Cards: card.NewMemory(),
		Logger: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		return err
	}
	defer box.Close()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	served, err := box.Start(ctx)
	if err != nil {
		return err
	}
	pop := &population{box: box, approve: *approve, after: *after}
	if err := errors.Join(pop.addParties(ctx, *parties, *most), pop.addUsers(ctx, *users)); err != nil {
		return err
	}
	fmt.Println(box.Info.BaseURL, box.OpsURL())
	go func() {
		obey()
		stop()
	}()
	return <-served
}

// obey executes the commands of the parent until it closes the pipe.
func obey() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		word, file, _ := strings.Cut(in.Text(), " ")
		switch word {
		case settleWord:
			runtime.GC()
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Println(m.HeapAlloc, m.StackInuse)
		case profileWord:
			if err := heapProfile(file); err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println(done)
		}
	}
}

func heapProfile(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.WriteHeapProfile(f), f.Close())
}

// population makes parties and users.
type population struct {
	box     *sandbox.Sandbox
	approve int
	after   time.Duration
	key     *ecdsa.PublicKey // of all Apps, which never sign
}

// addParties adds parties like that of the sandbox, with a limit of open requests.
func (p *population) addParties(ctx context.Context, n, most int) error {
	for i := range n {
		like, err := p.box.Store.Party(ctx, otherParty)
		if err != nil {
			return err
		}
		party := *like // the store keeps that one
		party.ID, party.Limits.MaxOpen = partyOf(i), most
		if err := p.box.Store.PutParty(ctx, &party); err != nil {
			return err
		}
	}
	return nil
}

// addUsers adds those of the crowd, and those of the other party.
func (p *population) addUsers(ctx context.Context, n int) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	p.key = &key.PublicKey
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i := range n + otherUsers {
		g.Go(func() error {
			switch k := kindOf(i, p.approve); {
			case i >= n:
				return p.addSIM(ctx, msisdn(i), person.Behaviour{})
			case k.method == signum.App:
				return p.addApp(ctx, msisdn(i))
			case k.approves:
				return p.addSIM(ctx, msisdn(i), person.Delayed(p.after))
			}
			return p.addSIM(ctx, msisdn(i), person.Behaviour{Do: person.Silent})
		})
	}
	return g.Wait()
}

func (p *population) addSIM(ctx context.Context, number string, does person.Behaviour) error {
	u := sandbox.User{MSISDN: number, Methods: []signum.Method{signum.SIM}, KeyType: signum.EC}
	return errors.Join(p.box.AddUser(ctx, u), p.box.Behave(number, does))
}

// addApp adds a user with an App that never connects.
func (p *population) addApp(ctx context.Context, number string) error {
	now := time.Now()
	s := &mssp.Subscriber{MSISDN: number, Serial: ca.NewSerial(), State: mssp.SubscriberActive}
	if err := p.box.Store.PutSubscriber(ctx, s); err != nil {
		return err
	}
	code := sha256.Sum256([]byte(number))
	if err := p.box.Store.PutInvite(ctx, &mssp.Invite{CodeHash: code[:], MSISDN: number, Created: now, Expires: now.Add(time.Hour)}); err != nil {
		return err
	}
	auth, err := x509.MarshalPKIXPublicKey(p.key)
	if err != nil {
		return err
	}
	d := mssp.Device{ID: "app-" + number[1:], Method: signum.App, State: signum.DeviceActive, KeyType: signum.EC}
	if d.Certificate, err = p.box.CA.Issue(ctx, s.Serial, d.ID, p.key); err != nil {
		return err
	}
	return p.box.Store.EnrolApp(ctx, &mssp.Enrolment{CodeHash: code[:], Device: d, App: &mssp.AppDevice{
		DeviceID: d.ID, MSISDN: number, AuthKey: auth, VerifierHash: code[:], Share: code[:], Enrolled: now, LastSeen: now,
	}}, now)
}
