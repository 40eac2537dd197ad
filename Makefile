# The commands of the project. "make help" lists them.

GO       ?= go
FUZZTIME ?= 60s
export GOTOOLCHAIN = local

# The tools have a module of their own, so that users of package client do not
# get their dependencies.
TOOL     = $(GO) tool -modfile=tools/go.mod

.PHONY: help run build test chart slow lint deps fuzz bench bench-nodes bench-fairness bench-peers overload crowd crash upgrade-test faults power-test picture vulncheck image release release-check

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the sandbox, as "go run ./cmd/signum sandbox"
	$(GO) run ./cmd/signum sandbox

build: ## build bin/signum, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/signum ./cmd/signum

test: deps lint chart ## everything that must hold, with the race detector; installs what it needs where it can
	@TESTJSON=bin/test.json scripts/test.sh ./...

# Its tests have a module of their own, so that the modules of Helm and Kubernetes are no
# dependencies of the program.
chart: export CGO_ENABLED = 0
chart: ## render the Helm chart with many values, and check the objects and the configuration in it
	cd deploy/helm/check && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -count=1 ./...

slow: ## the slowest tests of the last "make test"
	@$(TOOL) gotestsum tool slowest --num 30 --jsonfile bin/test.json

# Without cgo, as releases are built, so that the compiler works once for lint and for
# the tests that build the program.
lint: export CGO_ENABLED = 0
lint: ## gofmt, vet and staticcheck, with and without the lab; go.mod
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "these files want gofmt -w"; exit 1; }
	$(GO) vet ./...
	$(GO) vet -tags nolab ./cmd/signum
	$(TOOL) staticcheck ./...
	$(TOOL) staticcheck -tags nolab ./cmd/signum
	$(GO) mod verify
	$(GO) mod tidy -diff
	cd tools && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) tool staticcheck ./...

deps: ## what the tests need besides Go: PostgreSQL, Chromium, openssl, curl, a C compiler, a JDK, Maven, xmllint, Node.js, Python, PHP, gSOAP, Kannel, PgBouncer, buildah, docker-compose, HAProxy, systemd, iproute2
	@scripts/deps.sh

fuzz: ## run every fuzz target for FUZZTIME (60s)
	@scripts/fuzz.sh $(FUZZTIME)

vulncheck: ## look the dependencies up in the Go vulnerability database (needs the network)
	$(TOOL) govulncheck ./...

bench: ## first signature, signatures per second by phones in memory, SIM and App, memory of waiting requests, connected Apps; ARGS="-rounds 5"
	$(GO) run ./internal/bench $(ARGS)
	@$(MAKE) --no-print-directory bench-nodes

bench-nodes: ## two nodes on one PostgreSQL: how soon a party hears of the end at another node and an App of a request, what both nodes do together, what notices cost
	@$(GO) test -run XXX -bench 'WakeAcrossNodes|AppAcrossNodes|TwoNodes|Notices' -benchtime 1x ./internal/faults

bench-fairness: ## what a party with one request at a time notices of one with 500 connections, SIM path; ARGS="-rounds 3 -delay 0"
	$(GO) run ./internal/bench fairness $(ARGS)

overload: ## 2,000 activations at once on one processor and a slow disk: what gets done, packets per step, late replies
	$(GO) run ./internal/bench overload $(ARGS)

bench-peers: ## the sandbox next to Prism, Mockoon and WireMock, which npm and Maven fetch once; ARGS="-workers 1,64"
	@scripts/bench-peers.sh $(ARGS)

crowd: ## 50,000 requests of 5 parties wait at a time for SIMs and Apps; ARGS="-requests 10000 -store sqlite"
	@$(GO) run ./internal/crowd $(ARGS)

crash: ## kill the service at random times, and PostgreSQL too, and look for what was lost; ARGS="-time 15m -store sqlite -seed 7"
	@$(GO) run ./internal/crash $(ARGS)

# The commit that upgrade-test upgrades from. Its schema is 19, which 20 only expands.
UPGRADE_FROM = 060e41881678f83d21aecd5290c8117d01938ef7

upgrade-test: ## roll three nodes from an earlier commit to this one and back, under load; ARGS="-seed 7 -between 5s"
	@$(GO) run ./internal/crash upgrade -from $(UPGRADE_FROM) $(ARGS)

power-test: ## cut the power of an emulated machine with the service, and look for what was lost; ARGS="-cuts 30 -store sqlite -seed 7"
	@scripts/deps-power.sh bin/kernel
	@$(GO) run ./internal/crash power -kernel bin/kernel $(ARGS)

faults: ## let what the service needs fail, for 20 s each: PostgreSQL, disk, SMSC, file descriptors; ARGS="-run TestPostgres/frozen"
	$(GO) test -count=1 -v -timeout 30m $(ARGS) ./internal/faults -longer 20s

picture: build ## record the first minute with bin/signum, and draw it for README; needs port 8443
	$(GO) run ./scripts/picture record bin/signum docs/img/first-minute.txt
	$(GO) run ./scripts/picture draw docs/img/first-minute.txt docs/img/first-minute.svg

image: ## build dist/ with an OCI image, to load with "docker load -i" or "podman load -i"; PLATFORMS="linux/amd64 linux/arm64" builds two
	@PLATFORMS="$${PLATFORMS:-linux/$$($(GO) env GOARCH)}" scripts/release.sh dist

release: ## build dist/: static binaries for every platform, images, SHA256SUMS, SBOMs; PLATFORMS="linux/arm64" builds fewer
	@scripts/release.sh dist

release-check: ## build the release of HEAD twice, in two directories with two caches, and compare
	@scripts/release-check.sh
