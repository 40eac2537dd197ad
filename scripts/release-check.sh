#!/usr/bin/env bash
# Builds the release of the commit that is checked out twice, in two fresh clones with two empty build
# caches and in two time zones, and fails unless every file is the same.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commit=$(git rev-parse HEAD)

build() { # directory, time zone
	git clone -q --no-local . "$work/$1"
	git -C "$work/$1" checkout -q "$commit"
	GOCACHE=$work/cache-${1##*/} TZ=$2 "$work/$1/scripts/release.sh" dist
}

build one UTC
build a/deeper/two Asia/Tokyo
diff "$work/one/dist/SHA256SUMS" "$work/a/deeper/two/dist/SHA256SUMS"
(cd "$work/one/dist" && sha256sum -c --quiet SHA256SUMS && cat SHA256SUMS)
echo "both builds are the same"
