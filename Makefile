# make demo: environment, install, decode enhancers, runs/demo/report.html
# make test: the same environment plus the test tools, then the tests

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test lint clean

.venv/pyvenv.cfg:
	$(PYTHON) -m venv .venv

.venv/installed: .venv/pyvenv.cfg pyproject.toml constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[all]"
	touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[test]"
	touch $@

.venv/linted: .venv/tested
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[lint]"
	touch $@

demo: .venv/installed
	$(BIN)/svdd demo --out runs/demo --force

test: .venv/tested
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

lint: .venv/linted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv dist build runs
