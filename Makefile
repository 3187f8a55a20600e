# Narrows. `make help` lists what there is; `make test` needs nothing else first.

# One target directory outside the clone, so that a fresh clone and CI build on what is there.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/narrows/target
CARGO ?= cargo
DEMO_DIR ?= $(HOME)/.cache/narrows/demo

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: ## Build the gateway and its harness
	$(CARGO) build --workspace

.PHONY: demo
demo: build ## Run a query over generated tables at three sites, and stay for yours (Ctrl-C ends it)
	$(CARGO_TARGET_DIR)/debug/demo --dir $(DEMO_DIR)

.PHONY: demo-check
demo-check: build ## The same, but end after the query
	$(CARGO_TARGET_DIR)/debug/demo --dir $(DEMO_DIR) --check

.PHONY: bench-local
bench-local: setup build ## Compare the gateway with the engines behind it, TPC-H SF 1 (BENCH="--scale 0.1 scan point" for less)
	$(CARGO_TARGET_DIR)/debug/bench_local $(BENCH)

.PHONY: bench-wan
bench-wan: setup build ## TPC-H over three sites of an emulated wide-area network (BENCH="--mbit 20 3 5 9" for others)
	$(CARGO_TARGET_DIR)/debug/bench_wan --svg $(CARGO_TARGET_DIR)/bench-wan $(BENCH)

.PHONY: bench-emulator
bench-emulator: build ## What the emulated wide-area network carries at most, and how far it is from what it is told
	$(CARGO_TARGET_DIR)/debug/bench_emulator $(BENCH)

.PHONY: setup
setup: ## Install what the tests need (Debian packages; needs root or sudo)
	@sh deploy/setup.sh

.PHONY: test
test: setup ## Run all tests against throw-away PostgreSQL and MariaDB servers
	$(CARGO) test --workspace

.PHONY: lint
lint: ## Formatting, clippy, licences and duplicate dependencies
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	sh deploy/deny.sh
