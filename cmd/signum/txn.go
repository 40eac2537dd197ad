package main

import (
	"fmt"
	"io"

	"github.com/signum-mssp/signum"
)

// readTxn reads a transaction approval (JSON). It accepts only members that are
// shown or signed; the service enforces the limits.
func readTxn(stdin io.Reader, name string) (*signum.TxnApproval, error) {
	data, err := readFile(stdin, name)
	if err != nil {
		return nil, fmt.Errorf("--txn: %w", err)
	}
	t, err := signum.ParseTxnApproval(string(data))
	if err != nil {
		return nil, fmt.Errorf("--txn %s: not a transaction approval: %w", name, err)
	}
	return t, nil
}
