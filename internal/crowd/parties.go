//go:build linux

package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/signum-mssp/signum"
	"github.com/signum-mssp/signum/client"
)

// parties make requests at a node.
type parties struct {
	url   string
	conns []*http.Client // each with one connection

	mu   sync.Mutex
	last int // number of the last request
	told map[string]signum.Code
}

// connect opens the connections.
func connect(ctx context.Context, dir, base string, conns int) (*parties, error) {
	box, err := client.LoadSandbox(dir)
	if err != nil {
		return nil, err
	}
	p := &parties{url: base + "/rest/service/sign", told: make(map[string]signum.Code)}
	conf := box.Config.TLS.Clone()
	conf.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	for range conns {
		// MaxConnsPerHost makes requests wait for a stream, so that there is one connection.
		c := &http.Client{Transport: &http.Transport{TLSClientConfig: conf, ForceAttemptHTTP2: true, MaxConnsPerHost: 1, DisableCompression: true}}
		p.conns = append(p.conns, c)
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/rest/openapi.yaml", nil)
		if err != nil {
			return nil, err
		}
		resp, err := c.Do(req)
		if err != nil {
			return nil, err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil {
			return nil, err
		}
		if resp.ProtoMajor != 2 {
			return nil, fmt.Errorf("the service speaks %s", resp.Proto)
		}
	}
	return p, nil
}

// answer is what a party was told.
type answer struct {
	code   signum.Code
	detail string
	wait   time.Duration // Retry-After
	took   time.Duration
}

// busy reports whether the request was refused because of overload.
func (a *answer) busy() bool { return a.code == signum.InternalError && a.detail == signum.DetailBusy }

// limited reports whether it was refused because of a limit of the party.
func (a *answer) limited() bool {
	return a.code == signum.InternalError && a.detail == signum.DetailTooMany && a.wait > 0
}

// ask sends a request, and keeps what the party was told unless nothing was stored.
func (p *parties) ask(ctx context.Context, conn int, party, number string, timeout int) (a answer, err error) {
	p.mu.Lock()
	p.last++
	id := "K" + strconv.Itoa(p.last)
	p.mu.Unlock()
	begin := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(request(party, id, number, timeout)))
	if err != nil {
		return a, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := p.conns[conn%len(p.conns)].Do(req)
	if err != nil {
		return a, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return a, err
	}
	a.took = time.Since(begin)
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	a.wait = time.Duration(seconds) * time.Second
	if err := a.read(text); err != nil {
		return a, err
	}
	if !a.busy() && !a.limited() && a.code != signum.PBSignatureProcess { // the phone of the user is busy
		p.mu.Lock()
		p.told[party+" "+id] = a.code
		p.mu.Unlock()
	}
	return a, nil
}

// read takes the code from the body of an answer.
func (a *answer) read(text []byte) error {
	var m struct {
		Response struct {
			Status struct {
				Code struct{ Value string } `json:"StatusCode"`
			}
		} `json:"MSS_SignatureResp"`
		Fault struct {
			Code struct {
				SubCode struct{ Value string }
			}
			Detail string
		}
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return fmt.Errorf("%w: %.300s", err, text)
	}
	value := m.Response.Status.Code.Value
	if value == "" {
		value = m.Fault.Code.SubCode.Value[min(1, len(m.Fault.Code.SubCode.Value)):] // without the underscore
	}
	code, err := strconv.Atoi(value)
	if err != nil {
		return fmt.Errorf("an answer without a code: %.300s", text)
	}
	a.code, a.detail = signum.Code(code), m.Fault.Detail
	return nil
}

// request returns a request as clients send it.
func request(party, id, number string, timeout int) []byte {
	return fmt.Appendf(nil, `{"MSS_SignatureReq":{"AP_Info":{"AP_ID":%q,"AP_PWD":"disabled","AP_TransID":%q,"Instant":%q},`+
		`"MSSP_Info":{"MSSP_ID":{"URI":"http://mid.swisscom.ch/"}},"MajorVersion":"1","MinorVersion":"2","MessagingMode":"synch",`+
		`"MobileUser":{"MSISDN":%q},"SignatureProfile":%q,"TimeOut":"%d",`+
		`"DataToBeSigned":{"MimeType":"text/plain","Encoding":"UTF-8","Data":"Log in to example.com?"},`+
		`"AdditionalServices":[{"Description":"http://mss.ficom.fi/TS102204/v1.0.0#userLang","UserLang":{"Value":"en"}}]}}`,
		party, id, signum.FormatInstant(time.Now()), number, signum.ProfileAnyLoA4, timeout)
}
