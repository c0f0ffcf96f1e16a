# Every target makes its own .venv. All that must be there is python3 (3.11 or later), pip and make.
PYTHON ?= python3
BIN := .venv/bin
# One worker for each processor, at most four: each loads all the libraries anew.
WORKERS ?= logical --maxprocesses 4

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
# Two installs into one .venv at the same time would break it.
.NOTPARALLEL:
.PHONY: help demo test test-fast check bench bench-check bench-growth bench-peers bench-figures chromium constraints outputs screenshots clean

help:  ## this list
	@echo "make <target>, where target is one of:"
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'

demo: .venv/.installed-core  ## see it work, in a scratch folder that is removed afterwards
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && cd "$$scratch" && "$(CURDIR)/$(BIN)/deltarule" demo

test: .venv/.installed-test chromium  ## all tests, and the examples in the docstrings
	$(BIN)/python -m pytest -n $(WORKERS)

# tests/lanes.py says what the markers mean; a file with nothing else is not even imported.
test-fast: .venv/.installed-test  ## the tests that take under a minute on two cores
	$(BIN)/python -m pytest -q -n 2 -m "not browser and not engine and not server and not slow" tests

check: .venv/.installed-dev  ## lint, format, types, and the house
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_house.py

bench: .venv/.installed-bench  ## measure, peers beside us in the same run, in less than 15 minutes
	$(BIN)/python -m benchmarks.run $(BENCH)

bench-check: .venv/.installed-bench  ## measure ours anew, and name what got slower than recorded
	$(BIN)/python -m benchmarks.check $(BENCH)

bench-growth: .venv/.installed-bench  ## how learning grows with rows, inputs, levels, classes, steps, folds
	$(BIN)/python -m benchmarks.growth $(BENCH)

bench-peers: .venv/.installed-bench  ## measure PyTorch, skglm, pyfixest, River, ... in .venv-peers
	$(BIN)/python -m benchmarks.other_peers --install .venv-peers
	$(BIN)/python -m benchmarks.other_peers .venv-peers $(BENCH)

bench-figures: .venv/.installed-bench  ## docs/benchmarks.md and README's table from the recorded runs
	$(BIN)/python -m benchmarks.figures

# The tests of the page drive the real page in a browser.
chromium:
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null \
	|| { test "$$(id -u)" = 0 && command -v apt-get > /dev/null && apt-get -q update && apt-get -q install -y --no-install-recommends chromium; } \
	|| { echo "the tests of the page need Chromium: install it, on Debian by: apt-get install chromium" >&2; exit 1; }

outputs: .venv/.installed-test  ## what the commands in README and docs print, anew
	$(BIN)/python docs/outputs.py

screenshots: .venv/.installed-test chromium  ## the pictures in docs, anew
	$(BIN)/python docs/screenshots.py

constraints:  ## constraints.txt anew: the newest versions that a fresh install brings
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT \
	&& $(PYTHON) -m venv "$$scratch/venv" \
	&& "$$scratch/venv/bin/pip" install -q -e '.[dev]' \
	&& "$$scratch/venv/bin/pip" freeze --exclude-editable > "$$scratch/frozen" \
	&& if grep -v '^[A-Za-z0-9._-]*==[^ /]*$$' "$$scratch/frozen"; then echo "these have no plain version" >&2; exit 1; fi \
	&& { echo "# Exact versions of all that the dev extra brings. make constraints writes this file."; LC_ALL=C sort -f -t= -k1,1 "$$scratch/frozen"; } > "$$scratch/constraints" \
	&& cp "$$scratch/constraints" constraints.txt
	@echo "constraints.txt: $$(grep -c == constraints.txt) packages"

clean:  ## remove all that make made, .venv too
	rm -rf .venv .venv-peers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .schemathesis .benchmarks
	find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Where python3 comes without ensurepip, its own pip puts one into the .venv.
.venv/bin/python:
	$(PYTHON) -m venv .venv || { $(PYTHON) -m venv --clear --without-pip .venv && $(PYTHON) -m pip --python .venv/bin/python install -q pip; }

# pip compiles what it installs to bytecode, but not what stays where it is: a command took 0.15 s more.
.venv/.installed-core: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -q -c constraints.txt -e .
	$(BIN)/python -m compileall -q src
	@touch $@

.venv/.installed-%: pyproject.toml constraints.txt | .venv/bin/python
	$(BIN)/python -m pip install -q -c constraints.txt -e '.[$*]'
	$(BIN)/python -m compileall -q src
	@touch $@
