# Two commands on a fresh machine with Python >= 3.11, make and git: `make front` and `make test`.
# The environment lives in .venv; its stamps make a second `make` cost nothing. PYTHON=... chooses the interpreter.

.DEFAULT_GOAL := help
.PHONY: help front test test-slow test-all test-boards test-oldest check prose bench bench-programs engine-cycles quality prove clean

AT_LEAST_3_11 := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for name in python3.11 python3.12 python3.13 python3; do \
	if $$name -c '$(AT_LEAST_3_11)' 2>/dev/null; then echo $$name; break; fi; done)
BIN := .venv/bin

help:
	@echo "make front     search the built-in activity data: three fronts, a table and a figure"
	@echo "make test      the tests that take seconds, two minutes in all;  make test-slow  the others;  make test-all  both"
	@echo "make test-boards    exported programs on an emulated Cortex-M4 and MSP430, where those tools are installed"
	@echo "make test-oldest    tests with the lowest versions that pyproject.toml allows, in .venv-oldest"
	@echo "make engine-cycles  cycles of the engine on the simulated MSP430, beside those that the cost model assumes"
	@echo "make check     ruff, mypy and prose;  make prose  first words of docstrings, phrases that the house does not use"
	@echo "make prove     the programs of all designs of the newest run, after make front"
	@echo "make bench     designs, networks and generations per second;  make bench-programs  programs, after make front"
	@echo "make quality   searches of 11 seeds against the exact front, after make front"
	@echo "make clean     remove .venv and caches; runs stay"

front: .venv/installed
	$(BIN)/python -m experiments search watch

# Each worker begins with its share of the tests and takes from another when it has none left, so that most fixtures of a
# module are made once. Two workers: a third would import the heavy libraries once more, which costs what it wins.
PYTEST := $(BIN)/python -m pytest -q -n 2 --dist worksteal

test: .venv/installed-dev
	$(PYTEST) -m "not slow and not boards"

test-slow: .venv/installed-dev
	$(PYTEST) -m "slow and not boards"

test-all: .venv/installed-dev
	$(PYTEST) -m "not boards"

test-boards: .venv/installed-dev
	$(BIN)/python -m pip install --disable-pip-version-check -q -e ".[boards]"
	$(BIN)/python -m pytest -q -n 2 -rs tests/boards

# Part of the tests: what the oldest libraries lack fails at the first call, not in one of many cases.
OLDEST := .venv-oldest/bin/python
test-oldest: .venv-oldest/installed
	$(OLDEST) -m experiments plan --example --capacitance 100uF --save .venv-oldest/design.json > .venv-oldest/plan.txt
	$(OLDEST) -m experiments simulate .venv-oldest/design.json --harvest random:R=1.25 --seeds 2
	$(OLDEST) -m experiments search watch --root .venv-oldest --fresh --quiet --budgets 100uF \
		--set supernet.epochs=1 --set finetune.epochs=1 --set search.evaluations=60
	$(OLDEST) -m pytest -q -n 2 -p no:cacheprovider -o filterwarnings= -m "not slow and not boards" tests/unit

check: .venv/installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check -q .
	$(BIN)/python -m mypy
	$(BIN)/python .ci/check_prose.py

prose:
	$(PYTHON) .ci/check_prose.py

engine-cycles: .venv/installed-dev
	$(BIN)/python tests/benchmarks/engine_cycles.py

prove: .venv/installed
	$(BIN)/python -m experiments verify "$$(ls -dt runs/watch-* | head -1)" --failures 3000

bench: .venv/installed-dev
	$(BIN)/python tests/benchmarks/bench.py

bench-programs: .venv/installed
	$(BIN)/python tests/benchmarks/programs.py "$$(ls -dt runs/watch-* | head -1)"

quality: .venv/installed
	$(BIN)/python -m experiments explore conv1d-3 --accuracies "$$(ls -dt runs/watch-* | head -1)" --out runs --quiet --policy one-batch-per-cycle --rules inas2021
	$(BIN)/python tests/benchmarks/search_quality.py conv1d-3 --accuracies runs/explore.parquet

clean:
	rm -rf .venv .venv-oldest .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist ebbnas.egg-info

# One pip call each, its progress visible; the stamp is written last, so a failed installation is tried again. For tests
# the inner loops are compiled too, half a minute; a search compiles them beside its training.
.venv/installed: requirements.txt pyproject.toml
	$(make-venv)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt -e .
	@touch $@

.venv/installed-dev: requirements-dev.txt requirements.txt pyproject.toml
	$(make-venv)
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt -e .
	$(BIN)/python -m energy.precompile
	@touch .venv/installed $@

.venv-oldest/installed: pyproject.toml .ci/lowest_versions.py
	@$(OLDEST) -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv-oldest
	"$(PYTHON)" .ci/lowest_versions.py onnx boards > .venv-oldest/lowest.txt
	$(OLDEST) -m pip install --disable-pip-version-check -c .venv-oldest/lowest.txt -e ".[onnx,boards]" \
		hypothesis pytest pytest-xdist pyyaml
	@touch $@

define make-venv
	@if ! "$(PYTHON)" -c '$(AT_LEAST_3_11)' 2>/dev/null; then \
		echo "EbbNAS needs Python 3.11 or newer, and none was found. Install one, or name it: make PYTHON=/path/to/python3" >&2; exit 1; fi
	@if ! "$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null; then \
		echo "EbbNAS needs Python's venv module, which $(PYTHON) lacks. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; fi
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || "$(PYTHON)" -m venv --clear .venv
endef
