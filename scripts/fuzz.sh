#!/bin/sh
# Runs every fuzz target of the module, each for the time given.
set -eu
time=${1:-60s}
go list ./... | while read -r pkg; do
	for f in $(go test -list '^Fuzz' "$pkg" | grep '^Fuzz' || true); do
		echo "== $pkg $f"
		# Minimising a large input can take all the time.
		go test -run '^$' -fuzz "^$f\$" -fuzztime "$time" -fuzzminimizetime 5x "$pkg" </dev/null
	done
done
