# Needs make and Python 3.11 to 3.14; everything else goes into .venv, once. `make PYTHON=python3.12 test` takes another interpreter.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check --no-input

# What requirements.lock was resolved from: its hash is the first line of the lock, so that a stale lock shows without resolving anything.
define HASH_OF_DEPENDENCIES
import hashlib, json, tomllib
with open("pyproject.toml", "rb") as file:
    project = tomllib.load(file)
asked = [project["project"]["requires-python"], project["project"]["dependencies"], project["dependency-groups"], project["tool"]["uv"]]
print("# dependencies of pyproject.toml: sha256", hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest())
endef
export HASH_OF_DEPENDENCIES

# pip looks `name[extra]` and `name` up apart, and with hashes both must be pinned: each block with extras stands there without them too.
define PINS_WITHOUT_EXTRAS
import re, sys
for pin in re.split(r"(?m)^(?=[A-Za-z])", sys.stdin.read()):
    sys.stdout.write(pin)
    if re.match(r"[\w.-]+\[", pin):
        sys.stdout.write(re.sub(r"\[.*?\]", "", pin, count=1))
endef
export PINS_WITHOUT_EXTRAS

.PHONY: help
help: ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

.PHONY: demo
demo: $(READY) ## add the next session of a synthetic market, and print its max pain and levels; no network needed
	@$(BIN)/strikehouse demo

.PHONY: run
run: $(READY) ## snapshot the whole watchlist from the live venues
	@$(BIN)/strikehouse snapshot

# Compiled tests are kept, whatever the environment says: without them each of hundreds of processes compiles what it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: test
test: $(READY) ## run the quick tests, of every room; some 5 minutes on two cores
	@$(BIN)/python -m pytest

.PHONY: test-long
test-long: $(READY) ## run the long stories and whole matrices that `make test` leaves out
	@$(BIN)/python -m pytest -m "slow and not acceptance"

.PHONY: test-all
test-all: test test-long ## both: all that a change must pass

.PHONY: acceptance
acceptance: $(READY) ## run what takes longer than CI should: every fault at every venue alone, every recording, twenty kills, the soak
	@$(BIN)/python -m pytest -m acceptance -o faulthandler_timeout=0

.PHONY: soak
soak: $(READY) ## hundreds of runs with faults and kills while somebody reads, then a rebuild that must be equal; some 20 minutes
	@$(BIN)/python -m pytest tests/soak -n 0 -q -m acceptance -o faulthandler_timeout=0

.PHONY: lint
lint: $(READY) ## style of Python and SQL
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/sqlfluff lint sql

.PHONY: types
types: $(READY) ## mypy --strict
	@$(BIN)/mypy

# Tests that open charts are skipped without a browser, so that a machine where none can be installed still runs the others.
.PHONY: browser
browser: ## install Debian's Chromium, for pictures of charts (as root)
	@for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do \
		if command -v $$name > /dev/null; then echo "$$name is here."; exit 0; fi; \
	done; \
	say() { echo "No Chromium or Chrome is here: install one (Debian, as root: apt-get install chromium)."; }; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then say; exit 1; fi; \
	echo "Installing chromium …"; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get update -qq; apt-get install -y -qq --no-install-recommends chromium; } > .browser-apt.log 2>&1 \
		&& rm .browser-apt.log || { tail -n 3 .browser-apt.log; rm -f .browser-apt.log; say; exit 1; }

.PHONY: bench
bench: $(READY) ## time whole processes against the naive way; part of it needs recordings of real venues
	@$(BIN)/python -m bench

.PHONY: docs
docs: $(READY) ## write what is generated again: docs/tables.md, docs/settings.md, docs/cli.md, and what the README shows of the demo
	@$(BIN)/python -m warehouse.catalog.docs_page
	@$(BIN)/cyclopts generate-docs flows/cli/entry.py:app --output docs/cli.md
	@$(BIN)/python -m tests.readme

.PHONY: docs-check
docs-check: $(READY) ## fail when a generated page is stale
	@$(BIN)/python -m warehouse.catalog.docs_page --check
	@$(BIN)/cyclopts generate-docs flows/cli/entry.py:app --output $(VENV)/cli.md
	@diff docs/cli.md $(VENV)/cli.md || { echo "docs/cli.md is stale: run make docs"; exit 1; }

.PHONY: lock
lock: $(READY) ## resolve pyproject.toml's dependencies into requirements.lock
	@$(BIN)/uv pip compile pyproject.toml --group dev --group bench --universal --python-version 3.11 --no-strip-extras --generate-hashes \
		--no-emit-index-url --no-header --no-annotate --quiet --output-file requirements.lock
	@{ $(BIN)/python -c "$$HASH_OF_DEPENDENCIES" && grep -v '^#' requirements.lock | $(BIN)/python -c "$$PINS_WITHOUT_EXTRAS"; } > requirements.lock.tmp
	@mv requirements.lock.tmp requirements.lock

.PHONY: lock-check
lock-check: $(READY) ## fail when requirements.lock is older than pyproject.toml's dependencies
	@test "$$($(BIN)/python -c "$$HASH_OF_DEPENDENCIES")" = "$$(head -n 1 requirements.lock)" \
		|| { echo "requirements.lock is stale: run make lock"; exit 1; }
	@! grep -n '://' requirements.lock || { echo "requirements.lock names an address: run make lock"; exit 1; }

.PHONY: wheel-check
wheel-check: $(READY) ## build the wheel, install it into an empty environment, and run the demo from an empty folder
	@packaging/wheel-check

.PHONY: clean
clean: ## remove .venv and caches; data stays
	@rm -rf $(VENV) *.egg-info build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The environment: the lock's packages and no others, each checked against its hash, then the project itself.
$(READY): requirements.lock pyproject.toml
	@command -v $(PYTHON) > /dev/null || { echo "$(PYTHON) is not here: install Python 3.11 or newer (apt-get install python3)."; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' \
		|| { echo "$$($(PYTHON) --version) does not fit: Strikehouse runs on 3.11 to 3.14. Name another one: make PYTHON=python3.12 …"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2> /dev/null || $(MAKE) --no-print-directory install-venv-module
	@$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear $(VENV)
	@echo "Installing requirements.lock into $(VENV): once, about a minute …"
	@$(PIP) install --require-hashes --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Debian ships python3 without its venv module.
.PHONY: install-venv-module
install-venv-module:
	@package=$(notdir $(PYTHON))-venv; \
	say() { echo "$(PYTHON) cannot make a virtual environment: install $$package (as root: apt-get install $$package), then run make again."; }; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then say; exit 1; fi; \
	echo "Installing $$package, which $(PYTHON) needs to make .venv …"; \
	export DEBIAN_FRONTEND=noninteractive; \
	{ apt-get update -qq; apt-get install -y -qq --no-install-recommends $$package; } > .venv-apt.log 2>&1 \
		&& rm .venv-apt.log || { tail -n 3 .venv-apt.log; rm -f .venv-apt.log; say; exit 1; }
