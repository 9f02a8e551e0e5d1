# make demo: environment, install, decode enhancers, runs/demo/report.html
# make test: the same environment plus the test tools, then all tests
# make check: the fast tests alone, between two edits: no whole run, no browser, no cluster
# make lint: ruff and mypy

PYTHON ?= python3
BIN = .venv/bin

.PHONY: demo test check lint clean

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
	$(BIN)/svdd demo --out runs/demo

test: .venv/tested
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadgroup

check: .venv/tested
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow and not browser and not ray"

lint: .venv/linted
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv dist build runs
