// Command signum is a Mobile Signature Service Provider and the tools around
// it: the sandbox, and the commands with which an application provider calls it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/signum-mssp/signum/internal/config"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, release := withSignals(context.Background())
	defer release()
	cmd := newRootCmd()
	err := cmd.ExecuteContext(ctx)
	switch {
	case err == nil:
	case errors.Is(err, errInterrupted), ctx.Err() != nil && isCancelled(ctx, err):
		fmt.Fprintln(os.Stderr, errInterrupted)
	default:
		for _, fault := range config.Faults(err) {
			fmt.Fprintln(os.Stderr, "signum:", fault)
		}
	}
	return exitCode(err)
}

// errInterrupted is the end of a command that did not do its work because of a signal.
var errInterrupted = errors.New("interrupted")

// isCancelled reports whether an error says no more than that there was a signal.
func isCancelled(ctx context.Context, err error) bool {
	if _, told := errors.AsType[*exitError](err); told {
		return false
	}
	return errors.Is(err, context.Canceled) || errors.Is(err, context.Cause(ctx))
}
