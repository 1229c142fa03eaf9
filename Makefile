# The same targets for people and CI. Each makes what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find bridge workers -type f -not -name '*.pyc')
PYTEST := $(BIN)/pytest

.PHONY: demo test lint types peers bench chaos night fuzz figures format clean
.DEFAULT_GOAL := demo

demo: $(VENV)/installed ## watch a GitBook organisation follow its directory (Ctrl-C ends it)
	$(BIN)/bridge demo

test: $(VENV)/installed ## all tests that need nothing but Python
	$(PYTEST) -n auto -m "not peers and not bench and not chaos" $(ARGS)

peers: $(VENV)/installed tests/peers/node_modules/installed ## tests against real senders and GitBook's own API document (Node)
	$(PYTEST) tests/peers -m peers $(ARGS)

bench: $(VENV)/installed ## figures, side by side in one run
	$(PYTEST) tests/bench -m bench -s -p no:randomly $(ARGS)

chaos: $(VENV)/installed ## processes killed, frozen, starved under load; one table (CHAOS_SEED=1 CHAOS_SECONDS=60 CHAOS_STORM=10000)
	CHAOS_SEED=$${CHAOS_SEED:-1} CHAOS_SECONDS=$${CHAOS_SECONDS:-60} $(PYTEST) tests/chaos -m chaos $(ARGS)

night: $(VENV)/installed ## the storm of `make chaos` at length, over three seeds (CHAOS_STORM=100000 NIGHT_SEEDS="1 2 3")
	for seed in $${NIGHT_SEEDS:-1 2 3}; do \
		CHAOS_SEED=$$seed CHAOS_STORM=$${CHAOS_STORM:-100000} \
			$(PYTEST) tests/chaos/test_storm.py -m chaos $(ARGS) || exit 1; \
	done

fuzz: $(VENV)/installed $(VENV)/fuzz ## every parser and verifier against what was made up to break it (FUZZ_SECONDS=100)
	$(BIN)/python -m tests.fuzz.guided $${FUZZ_SECONDS:-100}

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint -s deploy

types: $(VENV)/installed
	$(BIN)/mypy

figures: $(VENV)/installed ## sizes and density of the code, as docs/design.md has them
	$(BIN)/python .ci/figures.py

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info tests/peers/node_modules

# What is tested is the installed package, so it is installed again whenever its files have changed.
$(VENV)/installed: $(VENV)/dependencies $(SOURCES)
	@rm -rf build
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .
	@touch $@

$(VENV)/dependencies: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo "Python's venv is missing: on Debian and Ubuntu run  apt-get install python3-venv"; exit 1; }
	@echo "Installing into $(VENV) ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt ".[dev]"
	@touch $@

$(VENV)/fuzz: constraints.txt $(VENV)/dependencies
	@$(BIN)/pip install --quiet --disable-pip-version-check --only-binary atheris -c constraints.txt atheris \
		|| { echo "make fuzz needs atheris, for Linux and Python 3.11 to 3.14: make PYTHON=python3.12 fuzz"; exit 1; }
	@touch $@

tests/peers/node_modules/installed: tests/peers/package.json
	@command -v npm >/dev/null || { echo "Node.js and npm are needed for make peers"; exit 1; }
	cd tests/peers && npm install --ignore-scripts --no-audit --no-fund --no-package-lock
	@touch $@
