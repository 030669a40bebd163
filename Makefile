# `make` lists what can be made.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# No C anywhere, and one setting for build, tests, lint and demo: another one
# would compile the standard library a second time. (-trimpath would, too.)
export CGO_ENABLED := 0

# Where no PostgreSQL is installed, tests run one that is unpacked here.
export SKYTOOLS_PGUNPACK ?= $(CURDIR)/.cache/postgresql

# Never another version of the tools than tools/go.mod names.
TOOL := go tool -modfile=tools/go.mod

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# An older go command may fetch the right version by itself; asked inside the
# module it then tells that one's number.
.PHONY: go
go:
	@command -v go >/dev/null || { echo "Go 1.26 or newer is needed, and there is no go on PATH: see go.dev/dl" >&2; exit 1; }
	@v=$$(go env GOVERSION 2>/dev/null); [ -n "$$v" ] || v=$$(cd / && go env GOVERSION 2>/dev/null); \
	echo "$$v" | awk -F '[go.a-z]+' '{ exit !($$2 > 1 || ($$2 == 1 && $$3 >= 26)) }' || \
	{ echo "Go 1.26 or newer is needed, this is $${v:-an unknown version}: see go.dev/dl" >&2; exit 1; }

.PHONY: build
build: go ## build bin/pgqadm, bin/londiste and the links with Skytools' names
	@mkdir -p bin
	go build -o bin/ ./cmd/pgqadm ./cmd/londiste
	@ln -sf pgqadm bin/pgqadm.py
	@ln -sf pgqadm bin/pgqd
	@ln -sf londiste bin/londiste.py

.PHONY: demo
demo: go ## show the main job on two servers of its own
	@go run ./test/demo

.PHONY: test
test: go ## run all quick tests (REQUIRE=all: a missing tool fails instead of skipping)
	go test -timeout 15m ./...
	cd tools/release && go test ./...

.PHONY: test-long
test-long: go ## the same with many seeds, rounds and rows, and tests that download packages
	LONG=1 go test -tags long -count=1 -timeout 120m ./...
	@$(MAKE) --no-print-directory test-versions
	@$(MAKE) --no-print-directory test-release

.PHONY: release
release: go ## make archives, packages and image into dist/ (VERSION=1.2.3, else the tag's)
	cd tools/release && go run . -version "$(VERSION)"

.PHONY: test-release
test-release: go ## make a release twice, compare, install and remove its packages (needs root)
	cd tools/release && go test -tags long -count=1 -timeout 60m -run Release ./...

# What may differ from one version of the server to another: whole packages, and
# of those that take long the tests which read or write catalogues.
VERSIONED := ./schema ./pgq ./ticker ./doctor ./relay ./cmd/pgqadm ./test/capture ./plproxy ./internal/structure ./internal/compare ./internal/transfer
VERSIONED_OF := ./londiste ./londiste/diagnosis ./router ./web
VERSIONED_RUN := ^(TestExamine|TestBare|TestGauge|TestTriggersAreCreated|TestRepairWithoutRights|TestOutOfStep|TestRights|TestDatabasesOfAServer|TestRowsOfADatabase)$$
VERSIONS ?= 13 14 16 17 18

.PHONY: test-versions
test-versions: go ## run what depends on the server's version on the others, and from the oldest to the newest (fetches them)
	@for v in $(VERSIONS); do \
		echo "PostgreSQL $$v"; \
		SKYTOOLS_PGMAJOR=$$v go test -count=1 -timeout 60m $(VERSIONED) || exit 1; \
		SKYTOOLS_PGMAJOR=$$v go test -count=1 -timeout 60m -run '$(VERSIONED_RUN)' $(VERSIONED_OF) || exit 1; \
	done
	@echo "Between versions"; go test -tags long -count=1 -timeout 60m -run '^TestBetweenVersions$$' ./londiste

.PHONY: race
race: go ## run the tests of the daemons' packages with the race detector (needs gcc)
	CGO_ENABLED=1 go test -race -timeout 30m ./pgq ./ticker ./doctor ./relay ./router ./plproxy ./web ./londiste/... ./internal/{apply,compare,daemon,loop,notice,screen,session,structure,transfer}

.PHONY: lint
lint: go ## go vet, staticcheck, gofumpt and the rules of the house
	go vet ./...
	$(TOOL) staticcheck ./...
	cd tools/release && go vet ./... && go tool -modfile=../go.mod staticcheck ./...
	@out=$$($(TOOL) gofumpt -l .); [ -z "$$out" ] || { echo "not formatted (run make fmt):"; echo "$$out"; exit 1; }
	go test .

.PHONY: fmt
fmt: go ## format the code with gofumpt
	$(TOOL) gofumpt -w .

.PHONY: bench
bench: go ## measure side by side with what there is (takes long)
	@go run ./bench

.PHONY: clean
clean: ## remove what was built or unpacked here
	rm -rf bin dist .demo .cache
