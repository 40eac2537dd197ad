#!/usr/bin/env bash
# Runs the tests of the packages given (default ./...) with the race detector.
# A test that fails is run once more, unless more than three fail. One that
# passes the second time does not fail the run; it is printed as "flaky: NAME",
# and the next commit fixes it. The last line is gotestsum's summary, DONE …
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
gotestsum=$(cd "$root" && go tool -modfile=tools/go.mod -n gotestsum)
report=$(mktemp)
trap 'rm -f "$report"' EXIT

# The race detector comes with checks of unsafe pointers. In SQLite, which is C
# translated to Go, they take nearly half the time of every test that stores,
# and can find nothing of ours.
"$gotestsum" --format pkgname --rerun-fails=1 --rerun-fails-max-failures=3 --rerun-fails-report="$report" \
	--packages="${*:-./...}" -- -race -gcflags='modernc.org/...=-d=checkptr=0' -count=1 -timeout 20m 2>&1 |
	awk -v report="$report" '
		# A line of the report: example.org/pkg.TestName: 2 runs, 1 failures
		function flaky(   line, n, f) {
			while ((getline line < report) > 0) {
				n = split(line, f, " ")
				if (f[n-3] > f[n-1]) print "flaky: " substr(line, 1, match(line, /: [0-9]+ runs, /) - 1)
			}
		}
		/^DONE / { if (done != "") print done; done = $0; next } # the last one ends the output
		         { print; fflush() }
		END      { flaky(); if (done != "") print done }
	'
