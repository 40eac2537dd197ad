#!/usr/bin/env bash
# Builds a release into a directory (default dist): for each platform a static
# binary and a CycloneDX SBOM, for Linux an image too, and the checksums of all.
# The same commit results in the same bytes on every machine: version, commit and
# date come from git, and paths of the machine are left out.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-dist}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}
export GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS='' GOEXPERIMENT='' GOFIPS140=off

commit=$(git rev-parse HEAD)
version=$(git describe --tags --always --abbrev=12 --dirty)
date=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
gomod=$(go tool -modfile=tools/go.mod -n cyclonedx-gomod)
schemas=$(go list -modfile=tools/go.mod -m -f '{{.Dir}}' github.com/CycloneDX/cyclonedx-go)/schema
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/sbomcheck" ./scripts/sbomcheck
go build -C tools -o "$work/image" ./image

# sbom writes the SBOM for the platform in GOOS and GOARCH. It omits the checksums
# of the tool that wrote it, because they depend on the machine that built it.
sbom() {
	"$gomod" app -json -licenses -noserial -notimestamp -std -main cmd/signum -output "$work/sbom" . 2>"$work/log" || {
		cat "$work/log" >&2
		return 1
	}
	sed '/"tools": \[/,/"component": {/ { /"hashes": \[/,/\],/d; }' "$work/sbom"
}

rm -rf "$out"
mkdir -p "$out"
for platform in $platforms; do
	export GOOS=${platform%/*} GOARCH=${platform#*/}
	name=signum_${version}_${GOOS}_${GOARCH}
	echo "$name"
	suffix=
	[ "$GOOS" != windows ] || suffix=.exe
	go build -trimpath -buildvcs=false -o "$out/$name$suffix" \
		-ldflags "-s -w -buildid= -X main.releaseVersion=$version -X main.releaseCommit=$commit -X main.releaseDate=$date" ./cmd/signum
	sbom >"$out/$name.cdx.json"
	"$work/sbomcheck" "$out/$name$suffix" "$out/$name.cdx.json" "$schemas"
	[ "$GOOS" != linux ] || "$work/image" -binary "$out/$name" -platform "$platform" -version "$version" \
		-commit "$commit" -date "$date" -out "$out/$name.image.tar"
done
cp LICENSE "$out"
cd "$out"
sha256sum -- * >SHA256SUMS
