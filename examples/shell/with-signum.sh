#!/bin/sh
# Runs a command with a sandbox of its own, and ends with the exit code of the command:
#
#   sh with-signum.sh npm test
#
# The command finds the sandbox by the variable SIGNUM_SANDBOX. It names a directory with
# sandbox.json (addresses, parties, users), certificates and keys. Two of these at the same
# time do not disturb each other: each has a directory and ports of its own.
set -eu
work=$(mktemp -d)
signum sandbox --dir "$work/box" --addr 127.0.0.1:0 >"$work/log" 2>&1 &
sandbox=$!
stop() {
	kill "$sandbox" 2>/dev/null || true
	wait "$sandbox" || true
	rm -rf "$work"
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

signum health --sandbox "$work/box" --wait 30s >/dev/null || { cat "$work/log" >&2; exit 1; }
SIGNUM_SANDBOX=$work/box "$@"
