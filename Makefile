.PHONY: test k6 bench fuzz

test: ## everything that must hold, with the race detector where it can run
	@./test.sh

k6: ## a short k6 run against the real program
	@./k6/run.sh

bench: ## what each part costs
	go test -run '^$$' -bench . -benchmem ./bench

fuzz: ## a minute of random input for each parser and codec
	go test -run '^$$' -fuzz FuzzDecodeJSON -fuzztime 1m -fuzzminimizetime 200x ./internal/server
	go test -run '^$$' -fuzz FuzzDecodeForm -fuzztime 1m -fuzzminimizetime 200x ./internal/server
	go test -run '^$$' -fuzz FuzzDecodeRecord -fuzztime 1m -fuzzminimizetime 200x ./internal/velocity
