#!/usr/bin/env bash
# Builds a release into the directory given (dist): for each platform a static
# binary and a CycloneDX SBOM, and the checksums of all. The same commit gives
# the same bytes wherever it is built: version, commit and date come from git,
# and paths of the machine are left out.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-dist}
platforms=${PLATFORMS:-linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64}
export GOTOOLCHAIN=local CGO_ENABLED=0 GOAMD64=v1 GOARM64=v8.0 GOFLAGS=

commit=$(git rev-parse HEAD)
version=$(git describe --tags --always --abbrev=12 --dirty)
date=$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ)
sbom=$(go tool -modfile=tools/go.mod -n cyclonedx-gomod)

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
	"$sbom" app -json -licenses -noserial -notimestamp -std -main cmd/signum -output "$out/$name.cdx.json" . 2>/dev/null
done
cp LICENSE "$out"
cd "$out"
sha256sum -- * >SHA256SUMS
