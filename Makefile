# Narrows. `make help` lists what there is; `make demo` and `make test` need nothing else first.

# One target directory outside the clone, so that a fresh clone and CI build on what is there.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/narrows/target
CARGO ?= cargo
NARROWS = $(CARGO_TARGET_DIR)/debug/narrows
HARNESS = $(CARGO_TARGET_DIR)/debug/integration

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: ## Build the gateway and its harness
	$(CARGO) build --workspace

.PHONY: demo
demo: build ## Start Narrows on generated TPC-H files at three sites, run a federated query, keep running
	$(HARNESS) demo --narrows $(NARROWS)

.PHONY: demo-check
demo-check: build ## The same, but exit after the query
	$(HARNESS) demo --narrows $(NARROWS) --check

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

.PHONY: bench-local
bench-local: build setup ## Narrows next to direct access, on this machine: scans, TPC-H, point queries
	$(HARNESS) bench --narrows $(NARROWS)
