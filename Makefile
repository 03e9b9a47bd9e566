.PHONY: help build check test verify release verify-release image console-test k6 k6-all prometheus bench bench-parts bench-peers faults fuzz

help: ## this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "%-16s%s\n", $$1, $$2 }' Makefile

# need_go stops with one line where Go is missing or too old to read go.mod: Debian's
# says "invalid go version". One that fetches a newer Go says so itself, and why it cannot.
need_go = v=$$(command -v go >/dev/null && go version | sed 's/.*go1\.\([0-9]*\).*/\1/'); [ "$${v:-0}" -ge 26 ] || \
	{ echo "fraudcheck needs Go 1.26 or newer, see https://go.dev/dl; here is $$(GOTOOLCHAIN=local go version 2>/dev/null || echo none)"; exit 1; }

# need PROGRAM,PACKAGES,WHAT FOR,WITHOUT IT: says what is missing, and installs it
# where that may be done.
need = command -v $(1) >/dev/null || { echo "$(1) is missing: needed for $(3)"; \
	[ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq $(2) >/dev/null; } || echo "cannot install $(1): $(4)"

build: ## the program, as ./fraudcheck
	@$(need_go)
	go build -o fraudcheck ./cmd/fraudcheck

# After go vet, go test need not vet again; and tests need nothing that debuggers read, of
# which the linker would write as much again as of code.
go_test = go test -vet=off -ldflags=-w

# with_program builds the program once for all packages whose tests start it.
with_program = dir=$$(mktemp -d) && trap 'rm -r "$$dir"' EXIT && export TESTBED_PROGRAM="$$dir/fraudcheck" && \
	go build -ldflags=-w -o "$$TESTBED_PROGRAM" ./cmd/fraudcheck || exit

# Of the tests that start the program, check runs some: there are hundreds.
check: ## in about a minute: compile, vet, and the fast tests without -race
	@$(need_go)
	go list -export ./... >/dev/null # compiles all and links nothing
	go vet -tags verify ./... # with the tests of make verify, which nothing else here compiles
	@# Most of them wait more than they compute, so five packages run at once; the longest first.
	@$(with_program); set -ex; \
	$(go_test) -short -p 5 ./internal/velocity ./internal/operator ./internal/server $$(go list ./... | grep -v -e /loadtest -e /cmd/); \
	$(go_test) -short ./cmd/... -run 'Program|Package|Pages|Comments|Exported|Configuration'
	cd client && go vet ./... && $(go_test) -short ./...

# without_race are packages whose tests have no second goroutine of their own, read files,
# or start the program, where the race detector has nothing to find; and the tools that
# measure and test.
without_race = /(api|bench|deploy|verify|examples/.*|loadtest/lab|internal/(auth/(password|proof)|build|console|event|hangup|replay/report|testbed(/calls)?|wire))$$

# Paths of this folder are left out of all that is compiled: tests build an earlier version
# too, which can then share the standard library and what else has not changed.
test: export GOFLAGS = $(shell go env GOFLAGS 2>/dev/null) -trimpath
test: ## everything that must hold, in three to four minutes on two free processors
	@$(need_go)
	@$(call need,cc,gcc libc6-dev,the race detector,tests run without -race)
	@$(call need,memcached,memcached,the shared store,its tests are skipped)
	@$(call need,strace,strace,a slow disk in tests of the stop,those are skipped)
	go vet -tags verify ./...
	@# The longest come first, so that none is left to run alone; four at a time, as those
	@# with memcached wait more than they compute.
	@race=$$(command -v cc >/dev/null && echo -race); set -x; \
	$(go_test) $$race -shuffle=on -count=1 -p 4 -parallel 4 ./internal/velocity ./internal/operator $$(go list ./... | grep -v -E -e '/loadtest$$' -e '$(without_race)')
	cd client && go vet ./... && $(go_test) $$(command -v cc >/dev/null && echo -race) -shuffle=on -count=1 ./...
	@# Without the detector: what calls testbed.SkipRace, which are allocation budgets, that
	@# the detector would spoil, and tables filled by one goroutine, in which it can find
	@# nothing; and what starts the program, which it does not reach.
	@$(with_program); files=$$(grep -rl --include='*_test.go' 'testbed\.SkipRace(' internal); \
	tests=$$(awk '/^func (Test|Fuzz)/ { gsub(/^func |\(.*/, ""); name = $$0 } /testbed\.SkipRace\(/ { print name }' $$files | sort -u | paste -sd '|' -); set -x; \
	$(go_test) -shuffle=on -count=1 -run "^($$tests)$$" $$(dirname $$files | sort -u | sed 's|^|./|') & first=$$!; \
	$(go_test) -shuffle=on -count=1 -parallel 8 -skip InACrowd ./loadtest ./cmd/... $$(go list ./... | grep -E '$(without_race)'); second=$$?; \
	wait $$first && exit $$second # side by side: the program's tests wait more than they compute
	$(go_test) -count=1 -run InACrowd ./loadtest # alone: its load wants the machine

# tools are what verify needs beside Go and memcached.
tools = git sha256sum memcached curl nft unshare nsenter systemd-analyze umoci chromium npm ip ab wrk nginx haproxy python3 node php java k6 prometheus promtool sqlite3

verify: export PATH := $(PATH):/usr/sbin:$(shell go env GOPATH 2>/dev/null)/bin
verify: ## what make test leaves out, with the tools of others, each of which must be there; in half an hour
	@$(need_go)
	@missing=$$(for tool in $(tools); do command -v $$tool >/dev/null || printf ' %s' $$tool; done; \
	php -r 'curl_version();' >/dev/null 2>&1 || printf ' php-curl'); \
	[ -z "$$missing" ] || { echo "make verify needs$$missing"; exit 1; }
	go test -tags verify -count=1 ./verify/...
	cd api/contract && go test -count=1 .
	cd deploy/release && go vet . && go test -count=1 -timeout 30m .
	cd deploy/image && go vet . && go test -count=1 .
	cd deploy/kubernetes/check && go vet . && go test -count=1 .
	./k6/run.sh
	go test -tags verify -count=1 ./deploy
	$(MAKE) console-test
	./deploy/prometheus/run.sh
	go run ./loadtest

console-test: ## the console in a real browser: chromium, and what npm has for tests of pages
	@$(need_go)
	cd internal/console/browser && npm ci --silent --no-audit --no-fund --ignore-scripts && go test -count=1 -timeout 30m .

# What the caller gives reaches a recipe only through the environment and in quotes, so that
# nothing in it is run: neither by the shell nor, as $(shell), by make.
SUMS = dist/SHA256SUMS
override VERSION := $(value VERSION)
override SUMS := $(value SUMS)
override tag := $(value tag)
override arch := $(value arch)
release verify-release image: export VERSION := $(value VERSION)
verify-release: export SUMS := $(value SUMS)

# in_release runs deploy/release with the toolchain that go.mod names. It clears the
# settings of Go itself; those that go run heeds are set here.
in_release = $(need_go); [ -n "$$VERSION" ] || { echo "say which: make $@ VERSION=1.0.0"; exit 1; }; \
	GOTOOLCHAIN=$$(sed -n 's/^toolchain //p' go.mod) GOFLAGS=-mod=readonly GOWORK=off GOOS= GOARCH= CGO_ENABLED=0 \
	go run -C deploy/release .

release: ## archives of VERSION for each platform, their checksums and contents (CycloneDX), from the last commit, in dist
	@$(in_release) -- "$$VERSION" "$$PWD/dist"

verify-release: ## build VERSION again from the last commit, and compare with SUMS, the published SHA256SUMS
	@case $$SUMS in /*) ;; *) SUMS=$$PWD/$$SUMS ;; esac; $(in_release) -against "$$SUMS" -- "$$VERSION"

# Without VERSION the Go at hand builds the files as they are; with it, the one of go.mod
# builds the last commit, as in a release. What packs it is built by the same Go: a module of
# its own would fetch the one that it names.
image: export arch := $(value arch)
image: export tag := $(value tag)
image: ## an OCI image as the folder fraudcheck.oci, without Docker; VERSION=1.0.0 arch=arm64 tag=v1.0.0 to choose
	@$(need_go)
	@arch=$${arch:-$$(go env GOARCH)}; tag=$${tag:-$${VERSION:+v$$VERSION}}; \
	export GOTOOLCHAIN=$$(if [ -n "$$VERSION" ]; then sed -n 's/^toolchain //p' go.mod; else go env GOVERSION; fi) GOWORK=off GOOS= GOARCH=; \
	go run -C deploy/release . -program "$$PWD/bin/image" -- "$$VERSION" "linux/$$arch" && \
	go run -C deploy/image . -from "$$PWD/bin/image" -arch "$$arch" -tag "$${tag:-latest}" -o "$$PWD/fraudcheck.oci"

k6: ## k6 against the real program: a smoke run, and an attack on two instances
	@$(need_go)
	./k6/run.sh

k6-all: ## every k6 script, in about 35 minutes; summaries as text and JSON in k6/summaries
	@$(need_go)
	SUMMARIES=k6/summaries ./k6/run.sh smoke attack steady checkout botnet ramp soak

prometheus: ## the same attack, and what Prometheus saw of it
	@$(need_go)
	./deploy/prometheus/run.sh

bench: ## the real program against a bare HTTP answer, in twenty minutes
	@$(need_go)
	@$(call need,memcached,memcached,the shared store,its rows are void)
	go run ./bench

bench-parts: ## what each part of a check costs, HTTP aside
	@$(need_go)
	go test -run '^$$' -bench . ./bench

bench-peers: ## other ways to count cards, under the same load
	@$(need_go)
	@$(call need,memcached,memcached,the shared store,its rows are void)
	@$(call need,gunicorn,gunicorn python3-bottle python3-pymemcache,bottle-memcached,it is left out)
	@$(call need,redis-server,redis-server,go-redis,it is left out)
	@$(call need,/usr/sbin/haproxy,haproxy,haproxy,it is left out)
	go run ./bench -peers

faults: ## the real program under load while memcached, callers and disks fail
	@$(need_go)
	@$(call need,memcached,memcached,the shared store,most faults cannot be staged)
	go run ./loadtest

fuzz: ## a minute of random input for each parser and codec
	@$(need_go)
	go test -run '^$$' -fuzz FuzzDecodeJSON -fuzztime 1m -fuzzminimizetime 200x ./internal/wire
	go test -run '^$$' -fuzz FuzzDecodeForm -fuzztime 1m -fuzzminimizetime 200x ./internal/wire
	go test -run '^$$' -fuzz FuzzDecodeRecord -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
	go test -run '^$$' -fuzz FuzzReply -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
	go test -run '^$$' -fuzz FuzzAt -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
	go test -run '^$$' -fuzz FuzzMailbox -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
	go test -run '^$$' -fuzz FuzzExpiry -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
	go test -run '^$$' -fuzz FuzzCardID -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
	go test -run '^$$' -fuzz FuzzLines -fuzztime 1m -fuzzminimizetime 200x ./internal/decisionlog
	go test -run '^$$' -fuzz FuzzConfigurationFile -fuzztime 1m -fuzzminimizetime 200x ./internal/config
	go test -run '^$$' -fuzz FuzzBearer -fuzztime 1m -fuzzminimizetime 200x ./internal/auth
	go test -run '^$$' -fuzz FuzzUsersFile -fuzztime 1m -fuzzminimizetime 200x ./internal/auth
	go test -run '^$$' -fuzz FuzzKeySet -fuzztime 1m -fuzzminimizetime 200x ./internal/auth
	go test -run '^$$' -fuzz FuzzSignature -fuzztime 1m -fuzzminimizetime 200x ./internal/auth
