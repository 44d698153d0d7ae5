# make serve, make test: each sets up .venv first. PYTHON chooses the interpreter.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Tests and comparisons start hundreds of processes, each of which would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help serve test lint bench compare coverage install clean
help:
	@echo "make serve     serve on 127.0.0.1:8090; ARGS='--loop trio' adds options"
	@echo "make test      run every test; ARGS='-k half_close' chooses"
	@echo "make lint      ruff and mypy --strict"
	@echo "make coverage  run the tests and show what they leave out"
	@echo "make bench     measure beside a floor written in C (gcc, 2 CPUs)"
	@echo "make compare   which model holds, which breaks, by how much; two minutes, 2 CPUs"
	@echo "make install   set up $(VENV) and nothing else"

serve: install
	@exec $(BIN)/python -m dumb_async $(ARGS)

test: install
	$(BIN)/python -m pytest $(ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

coverage: install
	$(BIN)/coverage run -m pytest $(ARGS)
	$(BIN)/coverage report

bench: install
	$(BIN)/python -m bench $(ARGS)

compare: install
	$(BIN)/python -m variants compare $(or $(ARGS),--quick)

install: $(VENV)/.installed

# Made again whenever pyproject.toml changes.
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "dumb_async needs Python 3.11 or newer; try make PYTHON=python3.12 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
