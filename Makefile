# The first of these that is there makes the environment; PYTHON=... overrides it.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.10 python3.9 python3 python,$(shell command -v $(name) 2>/dev/null)))
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 2
SUDO ?= $(shell test "$$(id -u)" = 0 || echo sudo)
SUPPORTED := import sys; sys.exit(not (3, 9) <= sys.version_info[:2] < (3, 12))
# Runs a command that says nothing of itself: a line every 15 s, and how long it took.
ALIVE := sh -c '"$$@" & pid=$$!; trap "kill $$pid" INT TERM; s=0; while kill -0 $$pid 2>/dev/null; do sleep 1; s=$$((s+1)); \
	test $$((s % 15)) -ne 0 || echo "install: $$s s so far"; done; wait $$pid && echo "install: done in $$s s"' sh

.PHONY: help quickstart test test-slow bazel-test lint clean

help:
	@echo "make quickstart   make the environment and the embedded data, train, evaluate, export"
	@echo "make test         ruff, mypy, and every quick test"
	@echo "make test-slow    the tests that take minutes"
	@echo "make bazel-test   every quick test by Bazel, which is installed with apt where it is missing"
	@echo "make lint         ruff and mypy"
	@echo "make clean        remove the environment"

quickstart: $(VENV)/.installed
	$(BIN)/python -m lnmn_tf.main --flagfile=configs/quickstart.flags

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder

test-slow: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m slow

# Bazel takes Python and its packages from the environment that is first on the PATH.
bazel-test: $(VENV)/.installed-test
	@command -v bazel > /dev/null || { $(SUDO) apt-get update -qq && $(SUDO) apt-get install -y -qq bazel-bootstrap; }
	PATH="$(abspath $(BIN)):$$PATH" bazel test //...

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV)

# A stamp is written last, so that an installation that was broken off is begun again.
$(VENV)/.installed: requirements.txt
	@"$(or $(PYTHON),false)" -c "$(SUPPORTED)" 2>/dev/null || { echo "error: lnmn_tf needs Python 3.9, 3.10 or 3.11; found $(or $(PYTHON),none): install python3.11 (with its venv), or say which with make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@test -x $(BIN)/python && $(BIN)/python -c "$(SUPPORTED)" || { rm -rf $(VENV); "$(PYTHON)" -m venv $(VENV); }
	@echo "install requirements.txt into $(VENV) (some minutes, once)"
	@$(ALIVE) $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.installed-test: requirements-test.txt $(VENV)/.installed
	@$(ALIVE) $(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-test.txt
	@touch $@
