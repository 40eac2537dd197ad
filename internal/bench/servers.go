package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/internal/ca"
	"github.com/signum-mssp/signum/internal/engine/phonetest"
	"github.com/signum-mssp/signum/internal/lab/card"
	"github.com/signum-mssp/signum/internal/lab/person"
	"github.com/signum-mssp/signum/internal/lab/sandbox"
	"github.com/signum-mssp/signum/internal/lab/scenario"
	"github.com/signum-mssp/signum/internal/mssp"
)

// msisdn returns the number of the n-th user.
func msisdn(n int) string { return fmt.Sprintf("+4179%07d", 2000000+n) }

// The commands of a parent to a server, which answers each with a line.
const (
	settleWord  = "settle"  // collect garbage; the answer has the sizes of heap and stacks, in bytes
	profileWord = "profile" // start a CPU profile, in the file of the flag
	doneWord    = "done"    // end it
	statsWord   = "stats"   // the figures of the SIM channel, in JSON

	profiling = "profiling" // the answer to profileWord
)

// obey executes the parent's commands until the parent closes the pipe.
func obey(profile string, stats func() any) {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch in.Text() {
		case settleWord:
			runtime.GC()
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Println(m.HeapAlloc, m.StackInuse)
		case profileWord:
			if err := startProfile(profile); err != nil {
				fmt.Println(err)
				continue
			}
			fmt.Println(profiling)
		case statsWord:
			json.NewEncoder(os.Stdout).Encode(stats())
		case doneWord:
			pprof.StopCPUProfile()
			fmt.Println("ended")
		}
	}
	pprof.StopCPUProfile()
}

func startProfile(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return pprof.StartCPUProfile(f) // runs until the process ends
}

// runServer runs this service with users whose phones answer at once, or never.
func runServer(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("server", flag.ExitOnError)
	dir := fs.String("dir", "", "directory")
	store := fs.String("store", "", "database")
	users := fs.Int("users", 1, "users")
	silent := fs.Bool("silent", false, "phones never answer")
	invites := fs.Int("invites", 0, "further users, who enrol an App each")
	memory := fs.Bool("memory", false, "phones in memory instead of SIM cards behind an SMSC")
	delay := fs.Duration("delay", 0, "what a user takes to approve")
	light := fs.Bool("light", false, "cards in memory: the phones of a real network do not use this disk")
	blank := fs.Bool("blank", false, "SIM cards that the first request activates")
	commit := fs.Duration("commit", 0, "what a commit takes longer")
	profile := fs.String("cpuprofile", "", "where a CPU profile goes")
	fs.Parse(args)
	debug.SetGCPercent(400) // as signum sandbox does

	cfg := sandbox.Config{Dir: *dir, Addr: "127.0.0.1:0", Store: *store, PhoneDelay: *delay}
	if *commit > 0 {
		cfg.BeforeCommit = func() { time.Sleep(*commit) }
	}
	if *light {
		cfg.Cards = card.NewMemory()
	}
	var phones *phonetest.Phones
	if *memory {
		phones = phonetest.New(phonetest.Config{})
		cfg.WrapSIMs = func(_ mssp.Channel, answers mssp.AnswerHandler) mssp.Channel {
			phones.Connect(answers)
			return phones
		}
	}
	box, err := sandbox.Open(ctx, cfg)
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
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(32)
	for n := range *users {
		g.Go(func() error {
			if phones != nil {
				return addInMemory(gctx, box, phones, msisdn(n), *silent)
			}
			var b person.Behaviour
			if *silent {
				b.Do = person.Silent
			}
			u := sandbox.User{MSISDN: msisdn(n), Methods: []signum.Method{signum.SIM}, KeyType: signum.EC}
			if *blank {
				u.State = string(scenario.Registered)
			}
			return errors.Join(box.AddUser(gctx, u), box.Behave(u.MSISDN, b))
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := invite(ctx, box, *invites); err != nil {
		return err
	}
	go func() {
		obey(*profile, func() any { return box.SIMs.Stats() })
		stop()
	}()
	fmt.Println(box.Info.BaseURL + "/rest/service/sign")
	err = <-served
	if phones != nil {
		err = errors.Join(err, phones.Close())
	}
	return err
}

// addInMemory adds a user whose SIM is just a P-256 key in memory.
func addInMemory(ctx context.Context, box *sandbox.Sandbox, phones *phonetest.Phones, msisdn string, silent bool) error {
	s := &mssp.Subscriber{MSISDN: msisdn, Serial: ca.NewSerial(), State: mssp.SubscriberActive, Devices: []mssp.Device{
		{ID: msisdn, Method: signum.SIM, State: signum.DeviceActive, KeyType: signum.EC},
	}}
	d, err := phones.Add(phonetest.Spec{ID: msisdn, MSISDN: msisdn, Method: signum.SIM})
	if err != nil {
		return err
	}
	if silent {
		err = phones.Behave(msisdn, phonetest.Silent)
	}
	if err = errors.Join(err, box.Store.PutSubscriber(ctx, s)); err != nil {
		return err
	}
	if s.Devices[0].Certificate, err = box.CA.Issue(ctx, s.Serial, msisdn, d.Key().Public()); err != nil {
		return err
	}
	return box.Store.PutSubscriber(ctx, s)
}

// message is the request as the bare server decodes it.
type message struct {
	Req struct {
		APInfo struct {
			ID      string `json:"AP_ID"`
			TransID string `json:"AP_TransID"`
			Instant string
		} `json:"AP_Info"`
		MajorVersion, MinorVersion, MessagingMode, SignatureProfile, TimeOut string
		MobileUser                                                           struct{ MSISDN string }
		DataToBeSigned                                                       struct{ MimeType, Encoding, Data string }
		AdditionalServices                                                   []struct {
			Description string
			UserLang    struct{ Value string }
		}
	} `json:"MSS_SignatureReq"`
}

// runBare is the baseline: the cost of a signature without a service.
func runBare(ctx context.Context, args []string) error {
	fs := flag.NewFlagSet("bare", flag.ExitOnError)
	dir := fs.String("dir", "", "directory of a sandbox, for its certificates")
	silent := fs.Bool("silent", false, "never answer")
	size := fs.Int("size", 3300, "bytes of an answer")
	fs.Parse(args)
	debug.SetGCPercent(400)

	cert, err := tls.LoadX509KeyPair(filepath.Join(*dir, "private", "server.crt"), filepath.Join(*dir, "private", "server.key"))
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /rest/service/sign", func(w http.ResponseWriter, r *http.Request) {
		// Read to the end, because only then net/http notices a client that hangs up,
		// which the service needs as well.
		body, err := io.ReadAll(r.Body)
		var m message
		if err != nil || json.Unmarshal(body, &m) != nil || len(r.TLS.PeerCertificates) != 1 {
			http.Error(w, "bad request", http.StatusBadRequest)
			return
		}
		if *silent {
			<-r.Context().Done()
			return
		}
		hash := sha256.Sum256([]byte(m.Req.DataToBeSigned.Data))
		sig, err := ecdsa.SignASN1(rand.Reader, key, hash[:])
		if err != nil || !ecdsa.VerifyASN1(&key.PublicKey, hash[:], sig) {
			http.Error(w, "signature", http.StatusInternalServerError)
			return
		}
		answer := map[string]any{"MSS_SignatureResp": map[string]string{
			"AP_TransID": m.Req.APInfo.TransID, "Signature": base64.StdEncoding.EncodeToString(append(sig, der...)),
			"Padding": strings.Repeat("A", *size-400), "Value": "500",
		}}
		w.Header().Set("Content-Type", "application/json;charset=UTF-8")
		json.NewEncoder(w).Encode(answer)
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second, TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert, Certificates: []tls.Certificate{cert},
	}}
	go func() {
		obey("", nil)
		srv.Close()
	}()
	fmt.Println("https://" + l.Addr().String() + "/rest/service/sign")
	if err := srv.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
