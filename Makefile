# make demo    the gate on a clean release and on one with planted faults
# make test    every test
# make lint    make typecheck    make clean
#
# Another Python: make demo PYTHON=python3.12. Torch as pip chooses it: make demo TORCH=skip.

PYTHON ?= python3
TORCH ?= cpu
VENV ?= .venv

BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
EXAMPLE := example_project
DATA := $(EXAMPLE)/data/planted.tsv
MAKERS := $(EXAMPLE)/make_data.py $(wildcard $(EXAMPLE)/demo_data/*.py)
SCRIPTS := $(EXAMPLE)/make_data.py $(EXAMPLE)/run_demo.py $(EXAMPLE)/tests

.PHONY: help demo data test lint typecheck clean

help:
	@sed -n '/^#/s/^# \{0,1\}//p; /^$$/q' Makefile

demo: data
	$(BIN)/python $(EXAMPLE)/run_demo.py

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

typecheck: $(INSTALLED)
	$(BIN)/mypy
	$(BIN)/mypy $(SCRIPTS)

data: $(DATA)

$(DATA): $(MAKERS) | $(INSTALLED)
	rm -rf $(EXAMPLE)/data
	$(BIN)/python $(EXAMPLE)/make_data.py

$(INSTALLED): pyproject.toml requirements/install.sh requirements/torch-cpu.txt
	$(PYTHON) -m venv $(VENV)
	requirements/install.sh $(BIN)/python $(TORCH)
	touch $@

clean:
	rm -rf $(VENV) $(EXAMPLE)/data $(EXAMPLE)/.safegen $(EXAMPLE)/safegen-report*
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov dist build
