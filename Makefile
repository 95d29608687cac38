# `make help` lists the targets. Every target prepares what it needs; nothing has to be run before it.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

PYTHON ?= python3
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install -qq --constraint constraints.txt
DEV_PACKAGES := numpy scipy scikit-learn mpmath tqdm tokenizers ml_dtypes matplotlib jinja2 jax \
    safetensors pyarrow dask distributed \
    pytest pytest-timeout pytest-xdist hypothesis ruff mypy pre-commit \
    nanobind scikit-build-core ninja build $(if $(shell command -v cmake),,cmake)

NATIVE := CMakeLists.txt pyproject.toml $(shell find native -type f -not -name '*.md' 2>/dev/null)

.PHONY: help setup demo example-lm test lint format bench ladder figures fuzz clean \
    sanitize sanitize-address sanitize-thread sanitize-arm64 FORCE

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed  ## build the development environment in .venv, native kernels included

demo: $(VENV)/.installed  ## train a classifier on real data, check its gradient, write build/demo.html
	@mkdir -p build
	$(BIN)/softxent demo --report build/demo.html

example-lm: $(VENV)/.installed  ## train a language model, naive head and ours side by side (3 minutes)
	$(BIN)/python examples/language_model.py --minutes 3 $(ARGS)

test: $(VENV)/.installed  ## run all tests (ARGS='-k name' for some of them)
	$(BIN)/python -m pytest --quiet --numprocesses $(JOBS) --dist worksteal $(ARGS)

lint: $(VENV)/.packages  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict src/softxent

format: $(VENV)/.packages  ## let ruff format the tree and mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed  ## softxent beside its peers (6 minutes; wants an idle machine)
	$(BIN)/softxent bench $(ARGS)

ladder: $(VENV)/.installed  ## what each step of the kernel earns: build bench/ladder.cpp and run it
	$(BIN)/python bench/ladder.py $(ARGS)

figures: $(VENV)/.installed  ## measure every table and chart of the documents anew (an idle machine, 45 minutes)
	for script in numerics ladder linear peers pytorch torch_linear language_model derivations learn; do $(BIN)/python bench/$$script.py --write; done
	$(BIN)/python -m tests.contract.worst --run --write

fuzz: $(VENV)/.installed  ## a million random calls against the reference (ARGS='--seed 1' for others)
	$(BIN)/python -m tests.fuzz --calls 1000000 --jobs $(JOBS) $(ARGS)

clean:  ## remove everything that was built or cached, the environment too
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- The environment. torch goes first, alone: the others then find it there, whatever its build. ----
$(VENV)/.packages: constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit( \
	    "development needs Python 3.11 or newer (the package itself 3.10): make PYTHON=python3.12")'
	@echo "Setting up $(VENV) (a few minutes, once) ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) torch==2.13.0
	@$(PIP_INSTALL) $(DEV_PACKAGES)
	@touch $@

# Editable: an edit of Python needs no step at all, an edit of C++ an incremental build. The finder behind it
# holds the list of modules, so a new or removed file counts as a change too.
$(VENV)/.installed: $(VENV)/.packages $(VENV)/.modules $(NATIVE)
	@echo "Building softxent ..."
	@$(PIP_INSTALL) --no-build-isolation --no-deps --editable . \
	    --config-settings=build-dir=build/editable
	@$(BIN)/python -c 'import softxent._native' 2>/dev/null || printf '\n%s\n%s\n\n' \
	    '!! The native kernels are not built: softxent runs on plain NumPy.' \
	    '!! To see why: rm -rf build .venv/.installed; SOFTXENT_REQUIRE_NATIVE=1 make setup' >&2
	@touch $@

$(VENV)/.modules: $(VENV)/.packages FORCE
	@find src -name '*.py' | LC_ALL=C sort > $@.new
	@if cmp --silent $@ $@.new; then rm $@.new; else mv $@.new $@; fi

# ---- Each instrumented build lives apart, in build/; .ci/sanitize says how ----
sanitize: sanitize-address sanitize-thread sanitize-arm64  ## all three of the next

sanitize-address: $(VENV)/.packages  ## contract tests and 60000 fuzz calls under AddressSanitizer and UBSan
	.ci/sanitize address

sanitize-thread: $(VENV)/.packages  ## thread tests under ThreadSanitizer
	.ci/sanitize thread

sanitize-arm64: $(VENV)/.packages  ## cross-compile the kernels' oracle test and run it under qemu
	.ci/sanitize arm64
