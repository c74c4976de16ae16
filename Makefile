# Two commands for everybody: `make run` and `make test`. `make help` lists the rest.
.PHONY: help setup setup-dev setup-php vtiger-addon run test quick mutants check bench walk faults search docs lock clean
PYTHON := .venv/bin/python

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: ## .venv with the locked dependencies and .venv/bin/woo-vtiger
	@scripts/setup.sh requirements.lock

setup-dev: ## the same with what tests and checks need
	@scripts/setup.sh requirements-dev.lock

setup-php: # the add-on's tests need it; without it the run's summary says so
	@scripts/setup-php.sh

vtiger-addon: setup ## dist/WooSync-<version>.zip, the add-on for Vtiger Community Edition
	@$(PYTHON) -m app.vtiger.addon_package dist

run: setup ## start the service on 127.0.0.1:8000; without .env on the sandbox of both systems
	@exec .venv/bin/woo-vtiger serve

test: setup-dev setup-php ## the whole test suite, on a PostgreSQL of its own
	@scripts/setup-browser.sh
	@$(PYTHON) -m pytest -n 2 --dist worksteal $(ARGS)

quick: setup-dev ## within a minute: mapping, merge, inbox and links, with few made-up examples
	@WOO_VTIGER_EXAMPLES=quick $(PYTHON) -m pytest -n 2 --dist worksteal $(QUICK) $(ARGS)

QUICK := tests/mapping tests/inbox tests/links tests/sync/test_merge.py tests/sync/test_merge_cycles.py

check: setup-dev ## lint, format, types, import rules, migration drift
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports
	$(PYTHON) -m pytest -q tests/test_migrations.py

faults: setup-dev ## the long fault suite: two hours or so
	@$(PYTHON) -m pytest -m faults -n 2 --timeout 0 $(ARGS)

search: setup-dev ## the property tests with examples that nobody has tried yet
	@WOO_VTIGER_EXAMPLES=searching $(PYTHON) -m pytest -n 2 tests/mapping tests/sync/test_merge.py tests/sync/test_merge_cycles.py $(ARGS)

mutants: setup-dev ## break the code on purpose: the tests should notice; ARGS="app.links.*" or "chosen"
	@nice -n 19 $(PYTHON) -m benchmarks.mutants $(ARGS)

bench: setup-dev ## the benchmarks
	@$(PYTHON) -m benchmarks $(ARGS)
	@$(PYTHON) -m benchmarks.accept
	@$(PYTHON) -m benchmarks.strangers
	@$(PYTHON) -m benchmarks.backlog
	@$(PYTHON) -m benchmarks.delay
	@$(PYTHON) -m benchmarks.log_reads

walk: setup-dev ## files, calls and transactions that one event goes through
	@$(PYTHON) -m benchmarks.walk $(ARGS)

docs: setup-dev ## write the pages of docs/ that come from the code anew
	@$(PYTHON) -m app.config.reference > docs/configuration.md
	@$(PYTHON) -m app.reasons > docs/reason-codes.md
	@$(PYTHON) -m app.modules.mapping_page > docs/mapping.md

lock: setup-dev ## renew the lock files
	@$(PYTHON) -m pip install --quiet uv
	@$(PYTHON) -m uv pip compile $(LOCK_OPTIONS) --group build -o requirements.lock pyproject.toml
	@$(PYTHON) -m uv pip compile $(LOCK_OPTIONS) --group build --group dev -o requirements-dev.lock pyproject.toml

LOCK_OPTIONS := --quiet --universal --generate-hashes --python-version 3.11 --upgrade \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

clean: ## remove .venv and caches; data/ stays
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache mutants
