# Everything that a developer or CI runs. `make` alone lists it.
# ARGS goes to the program or the tests: make demo ARGS=--once

# One set of flags everywhere, so that no target compiles again what another has compiled.
CARGO_FLAGS := --locked
PURE_TESTS := --lib --test contract --test tidy --test streams

.PHONY: help
help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: demo
demo: prerequisites ## Play a support team's day in one process, with nothing to install
	cargo run $(CARGO_FLAGS) -- demo $(ARGS)

.PHONY: up
up: ## Start a Kafka and a Redis to play with (.run/env says where)
	tests/services/up

.PHONY: down
down: ## End them and remove their data
	tests/services/down

.PHONY: run
run: prerequisites up ## Run the router against them
	. .run/env && cargo run $(CARGO_FLAGS) -- topics apply && cargo run $(CARGO_FLAGS) -- run $(ARGS)

.PHONY: fmt
fmt: ## Format the Rust code
	cargo fmt

.PHONY: check
check: prerequisites ## Format, lints, house rules, schemas, scripts, deploy files, links of the docs
	cargo fmt --check
	cargo clippy $(CARGO_FLAGS) --all-targets -- --deny warnings
	cargo test $(CARGO_FLAGS) --test tidy --test contract
	.ci/lint

.PHONY: test
# They wait for Kafka more than they compute, so more of them run at once than there are cores.
test: export RUST_TEST_THREADS ?= 8
test: prerequisites ## All tests, with a real Kafka and a real Redis of their own
	@# What the services need is fetched while the compiler is busy.
	tests/services/fetch & cargo test $(CARGO_FLAGS) --no-run $(ARGS); built=$$?; wait $$! && exit $$built
	tests/services/with-services cargo test $(CARGO_FLAGS) $(ARGS)

.PHONY: test-fast
test-fast: prerequisites ## The tests that need no services
	cargo test $(CARGO_FLAGS) $(PURE_TESTS) $(ARGS)

.PHONY: chaos
chaos: prerequisites ## Kill, freeze, cut off and restart all there is under load, for half an hour (ARGS='mode=random seconds=3600 seed=7')
	CHAOS='$(ARGS)' cargo test $(CARGO_FLAGS) --test chaos -- --ignored --nocapture

.PHONY: bench
bench: prerequisites ## Measure the throughput beside programs that only pass bytes on (ARGS=help)
	tests/services/with-services cargo bench $(CARGO_FLAGS) --bench throughput -- $(ARGS)

.PHONY: image
image: ## Build the container image
	docker build --file deploy/Dockerfile --tag chatroom-router .

.PHONY: prerequisites
prerequisites:
	@.ci/prerequisites
