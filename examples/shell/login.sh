#!/bin/sh
# A log-in with the command line of Signum. The exit codes tell what happened: 0 the user
# signed and the signature verifies, 3 the user did not sign ("signum sign --help" lists all).
set -eu
number=+41791000001

# The user approves. The command verifies the signature and compares the text.
signum sign --out login.der "$number" "Log in to example.com?"

# Anybody who has the root of the users' certificates can verify it later, without the service.
signum verify --text "Sandbox: Log in to example.com?" login.der >verified
echo "signed: Sandbox: Log in to example.com?"

# The user refuses.
signum phone set "$number" cancel
code=0
signum sign --json "$number" "Log in to example.com?" >refused.json || code=$?
signum phone set "$number" approve
[ "$code" = 3 ]
grep -q '"status":401' refused.json
echo "refused: 401"
