# The commands of the project. "make help" lists them.

GO       ?= go
FUZZTIME ?= 60s
export GOTOOLCHAIN = local

.PHONY: help run build test lint deps fuzz bench

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: ## run the sandbox, as "go run ./cmd/signum sandbox"
	$(GO) run ./cmd/signum sandbox

build: ## build bin/signum, one static binary
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/signum ./cmd/signum

test: deps lint ## everything that must hold, with the race detector; installs what it needs where it can
	$(GO) test -race -count=1 -timeout 20m ./...

lint: ## gofmt, vet, staticcheck, go.mod
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "these files want gofmt -w"; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	$(GO) mod verify
	$(GO) mod tidy -diff

deps: ## what the tests need besides Go: PostgreSQL, openssl, curl, a C compiler, keytool
	@scripts/deps.sh

fuzz: ## run every fuzz target for FUZZTIME (60s)
	@scripts/fuzz.sh $(FUZZTIME)

bench: ## signatures per second and memory of waiting requests, against a bare server; ARGS="-rounds 5"
	$(GO) run ./internal/bench $(ARGS)
