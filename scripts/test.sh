#!/usr/bin/env bash
# Runs the tests of the packages given (default ./...) with the race detector.
# A failed test runs once more, unless more than three fail. If it then passes,
# the run does not fail; the test is printed as "flaky: NAME", and the next
# commit must fix it; a data race in a test counts as a failure like others. A
# panic or a leaked goroutine fails the run in any case. The last line summarises it:
# DONE 120 tests, 2 skipped, 1 flaky, 0 failures in 61s
# TESTJSON names a file for the events of the run.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
gotestsum=$(cd "$root" && go tool -modfile=tools/go.mod -n gotestsum)
work=$(mktemp -d)
ram=
trap 'rm -rf "$work" $ram' EXIT
(cd "$root" && go build -o "$work/testsum" ./scripts/testsum)
json=${TESTJSON:-$work/test.json}
mkdir -p "$(dirname "$json")"

# Tests that use the store spend half their time waiting for the disk. So the tests,
# not the compiler, work in memory where there is room (1 GB, more than twice what
# they need) and programs may be run.
room=$(df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 { print $4 }') || true
if [ -z "${TMPDIR:-}" ] && [ "${room:-0}" -ge 1000000 ]; then
	ram=$(mktemp -d /dev/shm/test.XXXX)
	chmod 1777 "$ram" # as /tmp: PostgreSQL runs as another user
	if cp /bin/true "$ram/true" && "$ram/true"; then
		export TMPDIR=$ram GOTMPDIR=${GOTMPDIR:-/tmp}
	fi
fi

# go test starts packages in the order in which they are named: the slowest come first,
# so that none of them is left to run alone at the end.
packages=${*:-./...}
if [ "$packages" = ./... ]; then
	packages="./internal/interop ./internal/web/phonepage ./internal/lab/sandbox ./internal/web/portal ./internal/store ./cmd/signum ./internal/sim ./internal/engine ./internal/node ./internal/lab/handsetpage ./..."
fi

# Many tests wait for a browser, a database or another program, so twice as many packages
# as there are processors run at once.
atonce=$((2 * $(getconf _NPROCESSORS_ONLN)))

# SQLite is C translated to Go. With the race detector and its checks of unsafe pointers,
# it takes most of the time of every test that uses the store, and neither can find bugs
# in this module there. The last pattern that matches a package counts. Vet is part of
# "make lint", which "make test" runs before.
set +e
"$gotestsum" --format pkgname --rerun-fails=1 --rerun-fails-max-failures=3 --jsonfile="$json" \
	--packages="$packages" -- -p "$atonce" -vet=off -race -gcflags='modernc.org/...=-d=checkptr=0' -gcflags='modernc.org/sqlite/lib=-d=checkptr=0 -race=false' -count=1 -timeout 20m 2>&1 |
	grep --line-buffered -v '^DONE ' # testsum says how it ended; mawk would show nothing before the end
status=${PIPESTATUS[0]}
set -e
"$work/testsum" -status "$status" "$json"
