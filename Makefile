# Everything a person or CI types. `make` alone lists it.

.DEFAULT_GOAL := help
# Recipes say what they do themselves.
.SILENT:
MAKEFLAGS += --no-print-directory

# Arguments for the runner: make test TEST_ARGS=heartbeat, make bench BENCH_ARGS=--help
TEST_ARGS ?=
BENCH_ARGS ?=
BENCH_READ_ARGS ?=
FAULTS_ARGS ?=
CONTRACT_ARGS ?=
FUZZ_ARGS ?=
DEV_HOME := $(or $(PULSO_HOME),.pulso)/dev

.PHONY: help run build web-assets test bench bench-read faults contract fuzz fmt lint docs check figures clean-data services-up services-down
.PHONY: check-format check-licences check-duplicates check-circles check-roles check-dependencies check-scripts

help: ## this list
	awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

run: ## Pulso on this machine, whole, until Ctrl-C (PULSO_PORT, PULSO_HOME, PULSO_DEMO, PULSO_SERVICES)
	scripts/run

build: web-assets ## the release binaries
	cargo build --release --locked --workspace

web-assets: ## fetch ReDoc's page from npm (without it, /redoc says what is missing)
	scripts/web-assets

test: ## everything tested against private, throw-away servers (TEST_ARGS)
	scripts/test $(TEST_ARGS)

bench: ## the whole path measured at full durability (BENCH_ARGS)
	scripts/bench $(BENCH_ARGS)

bench-read: ## a large history loaded once and read (BENCH_READ_ARGS, such as --rows 100000000)
	scripts/bench-read $(BENCH_READ_ARGS)

faults: ## break everything under load, prove that nothing is lost (FAULTS_ARGS, such as --quick)
	scripts/faults $(FAULTS_ARGS)

contract: ## the OpenAPI document against the running api, by schemathesis (CONTRACT_ARGS, such as --long)
	scripts/contract $(CONTRACT_ARGS)

fuzz: ## what reads anybody's bytes, tried with made-up inputs (FUZZ_ARGS, such as --seconds 600 ingest_body)
	scripts/fuzz $(FUZZ_ARGS)

fmt: ## format the code
	cargo fmt --all

lint: check-format ## formatting and clippy, warnings denied
	cargo clippy --workspace --all-targets --locked -- -D warnings

docs: ## the code's documentation, warnings denied
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --workspace --locked

# Each of these is a target too; what needs no build comes first.
check: check-format check-licences check-duplicates check-circles check-roles check-dependencies check-scripts lint docs ## everything that CI checks, except the tests and the contract

check-format:
	cargo fmt --all --check

check-licences:
	if cargo deny --version >/dev/null 2>&1; then cargo deny --locked check licenses bans sources; else scripts/check-licences; fi

check-duplicates:
	scripts/check-duplicates

check-circles:
	scripts/check-circles

check-roles:
	scripts/check-roles

check-dependencies:
	scripts/check-dependencies

check-scripts:
	scripts/check-scripts

figures: ## how long files and functions are, tests, comments, circles, dependencies
	scripts/figures

clean-data: ## forget what run, test and bench keep (refused while Pulso runs)
	scripts/forget

services-up: ## servers for development; then: eval "$(scripts/services --home .pulso/dev env)"
	scripts/services --home "$(DEV_HOME)" up

services-down: ## stop them
	scripts/services --home "$(DEV_HOME)" down
