//go:build !nolab

package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/signum-mssp/signum/client"
)

// maxControlAnswer limits how much of a sandbox's answer is read, in bytes.
const maxControlAnswer = 1 << 20

const controlExitCodes = `Exit codes:
  0  done
  1  wrong usage, or the sandbox's directory cannot be read
  2  the sandbox refused the command
  5  the sandbox is not reachable`

// controlFlags name the running sandbox to control.
type controlFlags struct{ sandbox string }

func (f *controlFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.sandbox, "sandbox", "", "directory of the sandbox; default $"+envSandbox)
}

// controlCall is one call of a sandbox.
type controlCall struct {
	method      string // empty: POST
	path        string
	contentType string
	body        io.Reader
	size        int64         // of the body; -1: unknown
	timeout     time.Duration // 0: only the context's
	limit       int64         // of the answer, in bytes
}

// post calls the sandbox as its party, in JSON; answer may be nil.
func (f *controlFlags) post(ctx context.Context, path string, body, answer any) error {
	return f.call(ctx, http.MethodPost, path, body, answer)
}

// call is post with any method; body may be nil, too.
func (f *controlFlags) call(ctx context.Context, method, path string, body, answer any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	return f.send(ctx, controlCall{
		method: method, path: path, contentType: "application/json", body: bytes.NewReader(data), size: int64(len(data)),
		timeout: client.DefaultRequestTimeout, limit: maxControlAnswer,
	}, answer)
}

// send calls the sandbox as its party; answer may be nil, or a *[]byte for
// what is not JSON.
func (f *controlFlags) send(ctx context.Context, c controlCall, answer any) error {
	dir := cmp.Or(f.sandbox, os.Getenv(envSandbox))
	if dir == "" {
		return errors.New("which sandbox? give its directory with --sandbox DIR")
	}
	sb, err := loadSandbox(dir)
	if err != nil {
		return err
	}
	target, err := url.JoinPath(sb.BaseURL, c.path)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, cmp.Or(c.method, http.MethodPost), target, c.body)
	if err != nil {
		return err
	}
	req.ContentLength = c.size
	req.Header.Set("Content-Type", c.contentType)
	h := &http.Client{Transport: &http.Transport{TLSClientConfig: sb.Config.TLS, DialContext: sb.Config.DialContext}, Timeout: c.timeout}
	defer h.CloseIdleConnections()
	resp, err := h.Do(req)
	if err != nil {
		return explain(&client.TransportError{URL: target, Err: errors.Unwrap(err)})
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, c.limit))
	if err != nil {
		return explain(&client.TransportError{URL: target, Err: err})
	}
	return readControlAnswer(target, resp, data, answer)
}

// readControlAnswer distinguishes a refusal by the sandbox from an answer that does not
// come from a sandbox.
func readControlAnswer(target string, resp *http.Response, data []byte, answer any) error {
	if resp.StatusCode/100 == 2 {
		if raw, ok := answer.(*[]byte); ok {
			*raw = data
			return nil
		}
		if answer == nil || json.Unmarshal(data, answer) == nil {
			return nil
		}
	} else {
		var refusal struct {
			Error string `json:"error"`
		}
		if json.Unmarshal(data, &refusal) == nil && refusal.Error != "" {
			return &exitError{exitRefused, errors.New("refused by the sandbox: " + printable(refusal.Error))}
		}
	}
	return &exitError{exitUnreachable, fmt.Errorf("%s (HTTP %d) is not a sandbox of this version", target, resp.StatusCode)}
}

// withPlus completes a number with country code. Others stay as they are, so that an error
// shows what was typed.
func withPlus(msisdn string) string {
	if msisdn != "" && msisdn[0] >= '1' && msisdn[0] <= '9' {
		return "+" + msisdn
	}
	return msisdn
}
