# Two commands on a fresh machine: `make demo` and `make test`. `make help` lists the others.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check bench faults faults-full day docs coverage test-services clean

help:  ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

$(READY): pyproject.toml requirements-dev.txt constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than 3.11; name a newer one: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -r requirements-dev.txt -e '.[all]'
	@touch $@

demo: $(READY)  ## build this project's wheel under `e3-event run`, and show what was sent
	@$(BIN)/python examples/demo.py

test: $(READY)  ## all tests that need no server to be installed
	$(BIN)/python -m pytest -n 2 --dist loadgroup $(ARGS)

test-services: $(READY)  ## tests against real servers, which it installs (Debian) and starts: radosgw
	tests/services/install.sh
	CI=true $(BIN)/python -m pytest -m service tests/services $(ARGS)

check: $(READY)  ## ruff, mypy (strict) and the import rule
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/test_imports.py

coverage: $(READY)  ## branch coverage of the package
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -q $(ARGS)
	$(BIN)/coverage combine -q
	$(BIN)/coverage report --fail-under=95

bench: $(READY)  ## ours, the floor, the peer, the ratio, the goal and the verdict, from one run
	@$(BIN)/python -m benchmarks $(ARGS)

faults: $(READY)  ## kills, power cuts, full disks: a scaled run of about 10 minutes (root runs more rows)
	@$(BIN)/python -m faults $(ARGS)

faults-full: $(READY)  ## the same at its full figures; goes on where it was stopped
	@$(BIN)/python -m faults --full $(ARGS)

day: $(READY)  ## a day in small: 8 writers, 6 handlers, relays that are killed, for 10 minutes
	@$(BIN)/python -m faults.day $(ARGS)

docs: $(READY)  ## the documentation as HTML, in docs/_build/html
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean:  ## everything that the other targets made
	rm -rf $(VENV) .cache build dist docs/_build .coverage* .mypy_cache .ruff_cache .pytest_cache .hypothesis
