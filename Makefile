# make demo    the gate on a clean release and on one with planted faults
# make test    every test
# make quick   the tests that take no time, in under a minute
# make lint    format, style, and which room imports which
# make typecheck    make coverage    make clean
# make lock    the versions that development and CI use, resolved anew
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

.PHONY: help demo data test quick lint typecheck coverage lock clean

help:
	@sed -n '/^#/s/^# \{0,1\}//p; /^$$/q' Makefile

demo: data
	$(BIN)/python $(EXAMPLE)/run_demo.py

test: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile

quick: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto -m "not slow and not browser and not real and not gpu"

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

typecheck: $(INSTALLED)
	$(BIN)/mypy
	$(BIN)/mypy $(SCRIPTS)

# A pytest plug-in is imported before --cov would begin to count, so coverage starts pytest.
coverage: $(INSTALLED)
	$(BIN)/coverage erase
	OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest -n auto --dist loadfile
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

# PyTorch and what it brings are left to requirements/install.sh, which takes the build without CUDA.
lock: $(INSTALLED)
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--constraint requirements/torch-cpu.txt --no-emit-index-url --no-emit-find-links --no-annotate \
		--custom-compile-command "make lock" --upgrade --quiet --output-file requirements/lock.txt
	sed -i -E '/^(torch|triton|cuda-|nvidia-)/d' requirements/lock.txt

data: $(DATA)

$(DATA): $(MAKERS) | $(INSTALLED)
	rm -rf $(EXAMPLE)/data
	$(BIN)/python $(EXAMPLE)/make_data.py

$(INSTALLED): pyproject.toml requirements/install.sh requirements/lock.txt requirements/torch-cpu.txt
	$(PYTHON) -m venv $(VENV)
	requirements/install.sh $(BIN)/python $(TORCH)
	touch $@

clean:
	rm -rf $(VENV) $(EXAMPLE)/data $(EXAMPLE)/.safegen $(EXAMPLE)/safegen-report*
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage htmlcov dist build
