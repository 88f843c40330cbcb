# The commands of the project. `make help` lists them.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

GO     ?= go
BIN    := bin
CONSOLE := internal/console/assets
LINT   := $(GO) tool -modfile=tools/go.mod golangci-lint
# How long each fuzz target runs in `make fuzz` and `make test`.
FUZZTIME ?= 3s
# Runs of the kill -9 test in `make crash`.
CRASH_RUNS ?= 200
# How long `make soak` keeps a hub under load.
SOAK_TIME ?= 10m

# The version of a release, such as 1.0.0; without it, the one that Go knows of
# the working copy.
VERSION ?=
# Times in packages, so that the same source gives the same files.
export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 0)

# The products are static binaries without cgo; -race alone needs a C compiler.
export CGO_ENABLED ?= 0

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: agent ## build bin/tvilling and bin/tvilling-agent
	$(GO) build -trimpath -o $(BIN)/ ./cmd/tvilling

AGENT := GOOS=linux $(GO) build -trimpath -ldflags='-s -w$(if $(VERSION), -X main.version=$(VERSION))'

.PHONY: agent
agent: ## build bin/tvilling-agent, stripped, for Linux on this kind of machine
	$(AGENT) -o $(BIN)/tvilling-agent ./cmd/tvilling-agent

.PHONY: agents
agents: ## build bin/tvilling-agent-linux-{amd64,arm64,armv7}; fail if one is not static, or larger than 12 MB
	GOARCH=amd64 $(AGENT) -o $(BIN)/tvilling-agent-linux-amd64 ./cmd/tvilling-agent
	GOARCH=arm64 $(AGENT) -o $(BIN)/tvilling-agent-linux-arm64 ./cmd/tvilling-agent
	GOARCH=arm GOARM=7 $(AGENT) -o $(BIN)/tvilling-agent-linux-armv7 ./cmd/tvilling-agent
	$(GO) run ./scripts/static $(BIN)/tvilling-agent-linux-{amd64,arm64,armv7}

.PHONY: deb
deb: agents ## build the agent's Debian packages, bin/tvilling-agent_VERSION_{amd64,arm64,armhf}.deb
	scripts/deb $(BIN)/tvilling-agent-linux-amd64 amd64 $(BIN) $(VERSION)
	scripts/deb $(BIN)/tvilling-agent-linux-arm64 arm64 $(BIN) $(VERSION)
	scripts/deb $(BIN)/tvilling-agent-linux-armv7 armhf $(BIN) $(VERSION)

.PHONY: assets
assets: ## build the console's style sheet and scripts, which are committed
	scripts/assets

.PHONY: assets-check
assets-check: console-modules ## fail if the console's files are not what their sources build, or types do not fit
	scripts/assets --check
	cd $(CONSOLE) && npm run --silent check

.PHONY: browser
browser: console-modules ## the console in a real Chromium
	$(GO) vet -tags=browser ./test/browser
	$(GO) test -count=1 -tags=browser -timeout=20m ./test/browser

.PHONY: screens
screens: ## make the pictures of the README, docs/screens
	mkdir -p docs/screens
	$(GO) test -count=1 -tags=browser -run=TestScreens ./test/browser -screens=$(CURDIR)/docs/screens

.PHONY: console-modules
console-modules: $(CONSOLE)/node_modules/.package-lock.json

$(CONSOLE)/node_modules/.package-lock.json: $(CONSOLE)/package.json $(CONSOLE)/package-lock.json
	cd $(CONSOLE) && npm ci --no-audit --no-fund
	@touch $@

.PHONY: install
install: ## install tvilling with go install
	$(GO) install -trimpath ./cmd/tvilling

.PHONY: check
check: format vet arch ## what to run before a commit: format, vet, architecture, tests (under two minutes, warm)
	$(GO) test ./...

.PHONY: test
test: setup format vet lint agents assets-check race fuzz interop browser ## everything a change has to pass; what CI runs
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
	rm -rf $(BIN) cover.out test/interop/node_modules $(CONSOLE)/node_modules
