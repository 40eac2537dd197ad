#!/usr/bin/env bash
# Builds the release of the commit that is checked out twice, in two fresh clones with two empty build
# caches, and fails unless every file is the same.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commit=$(git rev-parse HEAD)
for clone in one a/deeper/two; do
	git clone -q --no-hardlinks . "$work/$clone"
	git -C "$work/$clone" checkout -q "$commit"
	GOCACHE=$work/cache-${clone##*/} "$work/$clone/scripts/release.sh" dist
done
diff "$work/one/dist/SHA256SUMS" "$work/a/deeper/two/dist/SHA256SUMS"
(cd "$work/one/dist" && sha256sum -c --quiet SHA256SUMS && cat SHA256SUMS)
echo "both builds are the same"
