#!/bin/sh
# Compares the sandbox with Prism, Mockoon and WireMock. The versions in
# internal/bench/peers are fetched once, with npm and Maven, and kept in the user's cache.
set -eu
versions=internal/bench/peers
id=$(cat "$versions"/* | sha256sum | cut -c 1-16)
dir=${XDG_CACHE_HOME:-$HOME/.cache}/signum-bench/$id
if [ ! -d "$dir" ]; then
	mkdir -p "${dir%/*}"
	making=$(mktemp -d "$dir-XXXXXX")
	trap 'rm -rf "$making"' EXIT
	cp "$versions"/* "$making"
	(
		cd "$making"
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
		mvn --batch-mode --quiet dependency:copy-dependencies -DoutputDirectory=lib
	)
	mv "$making" "$dir"
	trap - EXIT
fi
exec "${GO:-go}" run ./internal/bench peers -npm "$dir/node_modules/.bin" -wiremock "$(echo "$dir"/lib/wiremock-standalone-*.jar)" "$@"
