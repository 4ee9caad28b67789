# make run                  the main job; make run ARGS="+method=snapkv task=ruler" for any other
# make test | check | bench | fix | docs     make test TESTERS=8 runs more of the tests at a time than two
# make agreement            methods against kvpress, in the named environment of that (made once, in the cache folder)

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?= +method=xkv task=ruler
TESTERS ?= 2
READY := $(VENV)/.ready

.PHONY: run test check lint bench agreement fix install clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# //p' Makefile

install: $(READY)

$(READY): pyproject.toml setup.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "harness needs Python 3.11 or newer; name one with: make PYTHON=python3.12 ..."; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test,lint]"
	@touch $(READY)

run: $(READY)
	$(BIN)/harness run $(ARGS)

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(TESTERS) --dist loadfile

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

check: lint test

bench: $(READY)
	$(BIN)/python -m pytest tests/benchmarks --benchmark-enable --benchmark-only -s

agreement: $(READY)
	$(BIN)/harness env create kvpress
	$(BIN)/python -m pytest tests/agreement plugins/bridges/kvpress

fix: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/python -m harness.cli.reference docs/cli.md

clean:
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
