# The things one does with Tandem. `make` alone lists them.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 2
ROUNDS ?= 100

ifneq ($(filter run test check bench shots chaos,$(MAKECMDGOALS)),)
ifeq ($(wildcard $(BIN)/python),)
ifeq ($(shell command -v $(PYTHON)),)
$(error Tandem needs Python 3.11 or newer. Install it: apt-get install python3 python3-venv)
endif
PROBLEM := $(shell $(PYTHON) scripts/why_no_environment.py)
$(if $(PROBLEM),$(error $(PROBLEM)))
endif
endif

.PHONY: help run test check bench shots chaos
help:
	@echo "make run     start the dashboard (prints the link to open)"
	@echo "make test    run every test"
	@echo "make check   formatting, lint, types, layers, templates, migrations"
	@echo "make bench   measure what parallel calls gain and what a call costs"
	@echo "make chaos   kill workers, Postgres and Redis in the middle of runs, $(ROUNDS) times each (ROUNDS=)"
	@echo "make shots   photograph every page into docs/images"

run: $(VENV)/.runs
	@exec $(BIN)/python scripts/foreground.py $(BIN)/python manage.py serve --prepare

test: $(VENV)/.tests
	@scripts/test-programs
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile $(ARGS)

check: $(VENV)/.tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy .
	$(BIN)/lint-imports --no-logo
	$(BIN)/djlint --quiet --lint templates
	$(BIN)/python manage.py makemigrations --check --dry-run
	$(BIN)/python scripts/check_files.py

bench: $(VENV)/.tests
	@failed=0; for file in benchmarks/[a-z]*.py; do echo "== $$file"; $(BIN)/python -m "benchmarks.$$(basename $$file .py)" || failed=1; done; exit $$failed

chaos: $(VENV)/.tests
	@scripts/test-programs
	@$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --on sqlite --hits worker
	@for hits in worker postgres redis; do $(BIN)/python -m tests.chaos --rounds $(ROUNDS) --on postgres --hits $$hits || exit 1; done

shots: $(VENV)/.tests
	@scripts/test-programs
	@$(BIN)/python -m scripts.shots

$(BIN)/python:
	@$(PYTHON) -m venv $(VENV)

# The stamps are younger than the requirements: what is installed is what is asked for.
$(VENV)/.runs: requirements.txt | $(BIN)/python
	@echo "Installing what Tandem needs into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.tests: requirements.txt requirements-dev.txt | $(BIN)/python
	@echo "Installing what the tests and checks need into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@ $(VENV)/.runs
