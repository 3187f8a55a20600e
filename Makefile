# Narrows. `make help` lists what there is; `make test` needs nothing else first.

# One target directory outside the clone, so that a fresh clone and CI build on what is there.
export CARGO_TARGET_DIR ?= $(HOME)/.cache/narrows/target
CARGO ?= cargo

.PHONY: help
help: ## Show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

.PHONY: build
build: ## Build the gateway and its harness
	$(CARGO) build --workspace

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
