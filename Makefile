# The commands of the project. `make help` lists them.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO     ?= go
BIN    := bin
LINT   := $(GO) tool -modfile=tools/go.mod golangci-lint
# How long each fuzz target runs in `make fuzz` and `make test`.
FUZZTIME ?= 3s
# Runs of the kill -9 test in `make crash`.
CRASH_RUNS ?= 200
# How long `make soak` keeps a hub under load.
SOAK_TIME ?= 10m

# The products are static binaries without cgo; -race alone needs a C compiler.
export CGO_ENABLED ?= 0

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/tvilling
	$(GO) build -trimpath -o $(BIN)/ ./cmd/tvilling

.PHONY: install
install: ## install tvilling with go install
	$(GO) install -trimpath ./cmd/tvilling

.PHONY: check
check: format vet arch ## what to run before a commit: format, vet, architecture, tests (under two minutes, warm)
	$(GO) test ./...

.PHONY: test
test: setup format vet lint race fuzz interop ## everything a change has to pass; what CI runs
	@echo "make test: everything passed"

.PHONY: setup
setup: ## install what the tests need and the machine lacks
	scripts/setup

.PHONY: format
format: ## fail if a Go file is not formatted as gofmt does, or go.mod and go fix would change something
	scripts/format

.PHONY: fmt
fmt: ## format all Go files (gofumpt, gci)
	$(LINT) fmt ./...

.PHONY: vet
vet: ## go vet, of the benchmarks' module, too
	$(GO) vet ./...
	cd bench && $(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, formatters included
	$(LINT) run ./...

.PHONY: arch
arch: ## the dependency rule, package comments and sizes
	$(GO) test -count=1 ./internal/arch/

.PHONY: race
race: ## all Go tests under the race detector, without the test cache
	CGO_ENABLED=1 $(GO) test -race -count=1 -timeout=20m ./...

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (3s)
	$(GO) run ./scripts/fuzz -time=$(FUZZTIME)

.PHONY: interop
interop: build node-modules ## the unmodified Node clients and mosquitto against a real hub
	cd test/interop && node run.mjs

.PHONY: node-modules
node-modules: test/interop/node_modules/.package-lock.json

test/interop/node_modules/.package-lock.json: test/interop/package.json test/interop/package-lock.json
	cd test/interop && npm ci --no-audit --no-fund
	@touch $@

.PHONY: crash
crash: ## kill -9 under load, CRASH_RUNS (200) times
	TVILLING_CRASH_RUNS=$(CRASH_RUNS) $(GO) test -count=1 -timeout=60m -run=Crash ./test/crash/ ./internal/store/...

.PHONY: soak
soak: ## a hub under load for SOAK_TIME (10m) with ceilings on heap and goroutines
	TVILLING_SOAK_TIME=$(SOAK_TIME) $(GO) test -count=1 -timeout=0 -run=Soak -v ./test/soak/

.PHONY: bench
bench: ## the hub's figures beside those of its peers and of the machine (see docs/benchmarks.md)
	cd bench && $(GO) run .

.PHONY: micro
micro: ## Go benchmarks of single packages
	$(GO) test -run='^$$' -bench=. -benchmem ./...

.PHONY: cover
cover: ## test coverage, by function
	$(GO) test -coverpkg=./... -coverprofile=cover.out ./...
	$(GO) tool cover -func=cover.out | tail -n 1

.PHONY: clean
clean: ## remove what the other targets made
	rm -rf $(BIN) cover.out test/interop/node_modules
