# make run    the embedded sample world through the whole graph, and a summary
# make test   the whole test suite
# make lint   style and types
# make bench  the benchmarks (minutes to hours; see tests/benchmarks)
# make lock   resolve requirements.txt again from setup.py (needs uv)

PYTHON ?= python3
BIN := .venv/bin
DATA ?= out/sample
OUTPUT ?= out/home

.PHONY: run test lint bench lock clean

run: .venv/installed
	$(BIN)/homeshelf sample --output=$(DATA)
	$(BIN)/homeshelf run --events=$(DATA)/events --tracks=$(DATA)/tracks --users_table=$(DATA)/users --output=$(OUTPUT)

test: .venv/installed
	$(BIN)/python -m pytest tests

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m tests.benchmarks

# PYTHONPATH and user site-packages are shut out: what the system has must not matter.
# -I keeps the same true of the interpreter that makes the environment.
export PYTHONNOUSERSITE := 1
unexport PYTHONPATH PYTHONHOME PIP_TARGET PIP_USER VIRTUAL_ENV

.venv/installed: requirements.txt setup.py
	@$(PYTHON) -I -c 'import sys; v = sys.version_info; (3, 10) <= v < (3, 14) or sys.exit(f"homeshelf needs Python 3.10 to 3.13, but {sys.executable} is {v[0]}.{v[1]}: make PYTHON=python3.12 ...")'
	@echo "installing the pinned dependencies into .venv: a minute or two"
	@rm -rf .venv
	@if command -v uv >/dev/null; then \
	  uv venv --quiet --python "$$(command -v $(PYTHON))" .venv && \
	  uv pip install --quiet --python $(BIN)/python -r requirements.txt && \
	  uv pip install --quiet --python $(BIN)/python --no-deps -e .; \
	else \
	  $(PYTHON) -I -m venv .venv && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@

lock:
	uv pip compile --universal --python-version 3.10 --no-annotate --no-header --extra dev setup.py -o requirements.txt

clean:
	rm -rf .venv build dist out *.egg-info
