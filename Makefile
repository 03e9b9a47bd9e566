.PHONY: test k6 bench fuzz

# The race detector needs a C compiler. Where there is none and it may not be
# installed, the tests run without it, and say so.
compiler = command -v cc >/dev/null || command -v gcc >/dev/null

test: ## everything that must hold
	@$(compiler) || { echo "make test: a C compiler is missing, for the race detector"; \
		[ "$$(id -u)" = 0 ] && apt-get update -qq && apt-get install -y -qq gcc libc6-dev; } || \
		echo "make test: cannot install one: going without -race"
	go vet ./...
	@race=$$({ $(compiler); } && echo -race); set -x; \
	go test $$race -shuffle=on -count=1 ./...
	go test -count=1 ./bench # the allocation budgets, which -race would spoil

k6: ## a short k6 run against the real program
	./k6/run.sh

bench: ## what each part costs
	go test -run '^$$' -bench . ./bench

fuzz: ## a minute of random input for each parser and codec
	go test -run '^$$' -fuzz FuzzDecodeJSON -fuzztime 1m -fuzzminimizetime 200x ./internal/server
	go test -run '^$$' -fuzz FuzzDecodeForm -fuzztime 1m -fuzzminimizetime 200x ./internal/server
	go test -run '^$$' -fuzz FuzzDecodeRecord -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
