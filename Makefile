# Creates the virtual environment, then hands over to Invoke, pytest, ruff and mypy. The commands live in tasks.py.

PYTHON ?= python3
VENV ?= .venv
OLDEST := .venv-oldest
ARGS ?=

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST = $(BIN)/python -m pytest -n auto --dist worksteal $(ARGS)
# With hashes, for every platform and Python that the project runs on, and without the address of an index.
COMPILE = $(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --quiet \
	--custom-compile-command "make lock"

.DEFAULT_GOAL := help

.PHONY: help
help: ## show this text
	@echo "usage: make TARGET [PYTHON=python3.13] [VENV=folder] [ARGS=\"arguments for the tests\"]"
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  %-18s%s\n", $$1, $$2 }' Makefile
	@echo
	@echo "The commands of the database, once it is installed:  $(BIN)/inv --list"

##@ Database

.PHONY: migrate
migrate: $(INSTALLED) ## upgrade the database to head (the configuration says which database)
	@$(BIN)/inv db.upgrade

##@ Development

.PHONY: install
install: $(INSTALLED) ## create the virtual environment from requirements.lock

.PHONY: test
test: $(INSTALLED) ## run every test, on SQLite and on PostgreSQL
	$(PYTEST)

.PHONY: test-unit
test-unit: $(INSTALLED) ## run the tests in tests/unit
	$(PYTEST) tests/unit

.PHONY: test-integration
test-integration: $(INSTALLED) ## verify the migrations and the commands on both engines
	$(PYTEST) tests/integration

.PHONY: test-browser
test-browser: $(INSTALLED) ## use the desktop pages in a Chromium (Debian: apt-get install chromium)
	$(PYTEST) tests/browser

.PHONY: test-docker
test-docker: $(INSTALLED) ## build the image and run docker-compose.yml, in the local engine
	$(BIN)/python -m pytest $(ARGS) tests/docker

.PHONY: test-chaos
test-chaos: $(INSTALLED) ## kill, race and starve migrations, and count what becomes of the database (docs/reliability.md)
	$(BIN)/python -m tests.chaos $(ARGS)

.PHONY: test-mutations
test-mutations: $(INSTALLED) ## break each protection in a copy, and see that its tests fail (docs/reliability.md, docs/verify.md)
	$(BIN)/python -m tests.mutations $(ARGS)

.PHONY: test-random
test-random: $(INSTALLED) ## prove random histories, without and with a fault, and count what is found (docs/verify.md)
	$(BIN)/python -m tests.random_histories $(ARGS)

.PHONY: bench
bench: $(INSTALLED) ## measure the commands beside plain Alembic, in one run (docs/performance.md)
	$(BIN)/python -m benchmarks $(ARGS)

.PHONY: test-pgbouncer
test-pgbouncer: $(INSTALLED) ## verify migrations through a real PgBouncer (Debian and Ubuntu: apt-get install pgbouncer)
	$(PYTEST) tests/pgbouncer

.PHONY: test-oldest
test-oldest: ## test with the oldest packages that pyproject.toml allows (Python 3.11)
	@$(MAKE) --no-print-directory install VENV=$(OLDEST)
	$(OLDEST)/bin/python -m pip install -qq --requirement requirements-oldest.txt
	@$(MAKE) --no-print-directory test VENV=$(OLDEST) \
		ARGS="tests/unit/migration tests/integration/verify tests/integration/database/test_record.py \
		tests/unit/web tests/unit/desktop $(ARGS)"

.PHONY: test-bare
test-bare: wheel ## install the wheel without extras into an environment of its own, and use it on SQLite
	@rm -rf build/bare && $(PYTHON) -m venv build/bare
	@build/bare/bin/pip install --quiet dist/antarest-*.whl
	@cd build/bare && ../../.ci/bare

.PHONY: lint
lint: $(INSTALLED) ## check style, format and types; changes nothing
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

.PHONY: format
format: $(INSTALLED) ## fix what ruff can fix, and format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

.PHONY: lock
lock: $(INSTALLED) ## write the lock files again, with the newest versions that pyproject.toml allows
	$(COMPILE) --upgrade --extra dev --output-file requirements.lock pyproject.toml
	$(COMPILE) --constraints requirements.lock --extra server --output-file requirements-run.lock pyproject.toml
	$(COMPILE) --constraints requirements.lock --output-file requirements-build.lock --group build

.PHONY: wheel
wheel: $(INSTALLED) ## build the wheel and the source distribution into dist
	@$(BIN)/python -m hatchling build -d dist

.PHONY: docs
docs: $(INSTALLED) ## write the pages that come from the code: keys, errors, the schema
	@$(BIN)/python scripts/write_docs.py
	@$(BIN)/inv db.diagram

.PHONY: clean
clean: ## delete the virtual environment, caches and builds; never a database
	rm -rf $(VENV) $(OLDEST) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist antarest.egg-info
	find antarest alembic scripts tests -name __pycache__ -prune -exec rm -rf {} +

$(BIN)/pip:
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null || { echo \
		"Python 3.11 or newer is needed, and '$(PYTHON)' is not. Name one:  make PYTHON=python3.13" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(INSTALLED): pyproject.toml requirements.lock | $(BIN)/pip
	@echo "Installing the packages of requirements.lock into $(VENV)"
	@$(BIN)/python -m pip install -qq --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -qq antarest # Invoke does not store compiled modules
	@touch $@
