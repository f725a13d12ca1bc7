# Everything here sets up what it needs: a machine with Python 3.11 or newer and make is enough.

PYTHON ?= python3
APP ?= examples.airline.agent

BIN := .venv/bin
READY := .venv/.ready
PIP := $(BIN)/python -m pip --disable-pip-version-check
# No registry's address gets into the pins, and pip's own needs (pip, setuptools) are pinned too.
COMPILE := $(BIN)/pip-compile --quiet --generate-hashes --allow-unsafe --strip-extras \
	--no-emit-index-url --no-emit-find-links

# The tests start some hundred processes; each would compile everything anew where this is set.
export PYTHONDONTWRITEBYTECODE =

# AGAIN=1: only what failed the last time, one after the other.
TOGETHER := $(if $(AGAIN),--last-failed --last-failed-no-failures none,-n 3 --dist loadfile --no-loadscope-reorder)

# The tests in which runs run.
RUNS := tests/workflows tests/replay tests/end_to_end tests/cli tests/perdure/test_runner.py tests/examples \
	tests/conformance tests/activities/faults

.DEFAULT_GOAL := help
.PHONY: help setup demo test replayed thorough conformance check format worker bench chaos screenshots pins clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything that the other targets use

# The stamp is newer than the pins, so this runs again only when they change.
$(READY): requirements/dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Perdure needs Python 3.11 or newer; $(PYTHON) is older. Try: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --quiet --require-hashes --requirement requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## Play a real conversation end to end on an embedded Temporal server
	$(BIN)/perdure demo

test: $(READY) ## Run all tests but those that take long
	$(BIN)/pytest -m "not chaos and not thorough" $(TOGETHER)

replayed: $(READY) ## Run all tests of runs, each run replayed from its history at every step
	PERDURE_MAX_CACHED_WORKFLOWS=0 PERDURE_THOROUGH=1 $(BIN)/pytest -m "not chaos" $(TOGETHER) $(RUNS)

thorough: $(READY) ## Run the tests that take too long for make test
	$(BIN)/pytest -m "thorough and not chaos" $(TOGETHER)

conformance: $(READY) ## Run every scenario on the Agents SDK and on Perdure, and show where they differ
	$(BIN)/python -m tests.conformance

check: $(READY) ## Lint, formatting, types, import contracts, Dockerfile, size budget
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint Dockerfile
	$(BIN)/pytest -q tests/test_architecture.py

format: $(READY) ## Put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

worker: $(READY) ## Serve the agents of a module: make worker APP=examples.airline.agent
	$(BIN)/python worker.py $(APP)

bench: $(READY) ## Measure what the documentation claims
	$(BIN)/python -m benchmarks

chaos: $(READY) ## Kill processes in the middle of runs, again and again: make chaos SEED=7 MINUTES=3 FAILPOINTS=all
	PERDURE_CHAOS_SEED=$(SEED) PERDURE_CHAOS_MINUTES=$(MINUTES) PERDURE_FAILPOINTS="$(FAILPOINTS)" \
		$(BIN)/pytest -m chaos -rA --show-capture=stdout $(if $(FAILPOINTS),tests/chaos/test_failpoints.py)

screenshots: $(READY) ## Take the pictures of docs/operating.md anew, in a headless Chromium
	$(PYTHON) -m venv .venv/screenshots
	.venv/screenshots/bin/python -m pip --disable-pip-version-check install --quiet --require-hashes --requirement requirements/screenshots.txt
	.venv/screenshots/bin/python docs/screenshots/take.py $(BIN)/perdure docs/images

pins: $(READY) ## Pin the newest versions that pyproject.toml allows, with their hashes
	$(COMPILE) --upgrade --output-file requirements/run.txt pyproject.toml
	$(COMPILE) --upgrade --extra dev --constraint requirements/run.txt --output-file requirements/dev.txt pyproject.toml
	$(COMPILE) --upgrade --output-file requirements/screenshots.txt requirements/screenshots.in
	for peer in openai_agents_plugin pydantic_ai_temporal dbos_agents; do \
		$(COMPILE) --upgrade --output-file benchmarks/peers/$$peer.txt benchmarks/peers/$$peer.in || exit 1; done

clean: ## Remove what these targets made, .venv included
	rm -rf .venv build dist .coverage .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
