# The only commands a person needs. Python 3.11 or newer and make are enough: what else is missing is fetched into this folder.
#   make run                      the whole product on this machine      make run ARGS="--no-ui"   make run DEMO=1
#   make test                     every test                            make test ARGS="-k outbox"
VENV ?= .venv
ARGS ?=
DEMO ?=
JOBS ?= 2
export VENV

BIN := $(VENV)/bin
CODE := shared services deploy tests bench
PACKAGES := shared api ingest inference ui worker maru migrations deploy.checks deploy.release

.DEFAULT_GOAL := help
.PHONY: help run install test check format bench soak images eval seed doctor migrate backup lock deploy rollback smoke messaging terraform-schema clean

help: ## This list
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-16s %s\n", $$1, $$2}'

run: ## Start everything on this machine (ARGS="--no-ui", DEMO=1 for a household with a year of entries)
	@deploy/setup/install.sh run
	@exec $(BIN)/maru up $(if $(filter-out 0,$(DEMO)),--demo) $(ARGS)

install: ## Install what run, test and check need
	@deploy/setup/install.sh dev

test: install ## Run every test but the long ones (ARGS="-k name")
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not soak and not images" $(ARGS)

check: install ## Format, lint, types, import rules and the repository's own rules
	@$(BIN)/ruff format --check --quiet $(CODE) || { echo "maru: run 'make format'"; exit 1; }
	@$(BIN)/ruff check --quiet $(CODE)
	@$(BIN)/mypy $(foreach package,$(PACKAGES),-p $(package))
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m deploy.checks

format: install ## Format the code
	@$(BIN)/ruff format $(CODE)
	@$(BIN)/ruff check --fix $(CODE)

bench: install ## Print every figure against its floor (table, and JSON in bench/results)
	@$(BIN)/python -m bench $(ARGS)

soak: install ## The long versions of the promises: 200 kills, hours of load
	@$(BIN)/python -m pytest -m soak --timeout 7200 $(ARGS)

images: install ## Build the container images, weigh them and try each (ARGS="api ui" for some of them)
	@$(BIN)/python -m deploy.images $(ARGS)
	@MARU_IMAGES="$(ARGS)" $(BIN)/python -m pytest -m images deploy/images/tests

eval: ## Measure retrieval on the data that ships, or on a folder (ARGS=DIR)
	@deploy/setup/install.sh run
	@$(BIN)/maru eval $(ARGS)

seed: ## Fill a running Maru with a year of Korean and English entries
	@deploy/setup/install.sh run
	@$(BIN)/maru seed $(ARGS)

doctor: ## Say what is wrong and what to do
	@deploy/setup/install.sh run
	@$(BIN)/maru doctor $(ARGS)

migrate: ## The schema of a deployment's database (ARGS="status", "up --phase pre"; MARU_OWNER_DATABASE_URL names it)
	@deploy/setup/install.sh run
	@$(BIN)/maru migrate $(or $(ARGS),status)

backup: ## Copy an installation while it runs (ARGS=/backups/NAME)
	@deploy/setup/install.sh run
	@$(BIN)/maru backup $(ARGS)

lock: ## Write locks/ again from the newest versions that fit
	@deploy/setup/lock.sh

deploy: ## Release what images.json names: schema, candidates, trial, traffic (ARGS="--dry-run"; docs/deploy.md)
	@deploy/setup/install.sh run
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m deploy.release deploy $(ARGS)

rollback: ## Send everybody back to what served before the last release
	@deploy/setup/install.sh run
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m deploy.release rollback $(ARGS)

smoke: ## Walk through what serves people now (of a project: GOOGLE_CLOUD_PROJECT)
	@deploy/setup/install.sh run
	@PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python -m deploy.release smoke $(ARGS)

messaging: install ## Write Terraform's table of topics, subscriptions and queues from shared.deliveries
	@$(BIN)/python -m deploy.checks.messaging

terraform-schema: install # After a new type of resource: what it takes, read from the provider's schema as locks/terraform-schema.txt names it
	@$$(deploy/setup/find_uv.sh) pip install --quiet --python $(BIN)/python --no-deps --require-hashes --target .cache/terraform-schema -r locks/terraform-schema.txt
	@$(BIN)/python -m deploy.checks.terraform.schema .cache/terraform-schema

clean: ## Remove the environment and caches; what you recorded in .maru stays
	@rm -rf $(VENV) .cache build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis test-results
