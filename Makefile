# Every way to build, try, check and measure tuxpy. `make serve` and `make test` are the two to know;
# both set up what they need in .venv and build/, and `make clean` takes both away again.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
.PHONY: help serve test lint units tests asan tsan bench cold clean

VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --quiet --disable-pip-version-check
VERSION := $(shell sed -n 's/^version = "\([^"]*\)".*/\1/p' pyproject.toml)
ENGINE := $(wildcard csrc/*.[ch] csrc/*/*.[ch] csrc/*/*.def) csrc/cdef.py setup.py pyproject.toml

help:
	@echo 'make serve   build and serve the sample site; SERVE="DIR -p 9000" to choose'
	@echo 'make test    everything .ci/run checks: lint, C units, tests, sanitizers'
	@echo 'make lint    ruff and mypy           make units  the C unit programs'
	@echo 'make tests   the Python tests        make asan   C units and tests, address and undefined'
	@echo 'make tsan    C units, threads        make bench  server CPU per request beside nginx; BENCH=--quick'
	@echo 'make cold    who waits for a slow disk, and for large files'
	@echo 'make clean   remove what was built'

# --- the private environment -----------------------------------------------------------------
$(VENV)/.made: .ci/need
	@python=$$(bash .ci/need) && "$$python" -m venv --clear $(VENV)
	@$(PIP) install 'setuptools>=77' 'cffi>=1.16'
	@touch $@

# An editable install: Python files are used where they are, the engine is built again when it changed.
$(VENV)/.built: $(VENV)/.made $(ENGINE)
	@echo 'building the engine'
	@$(PIP) install --no-build-isolation --editable .
	@touch $@

$(VENV)/.tools: $(VENV)/.made $(ENGINE)
	@echo 'building the engine and installing the tools of the tests'
	@$(PIP) install --no-build-isolation --editable '.[test]'
	@touch $(VENV)/.built $@

# --- use and check ---------------------------------------------------------------------------
SERVE ?= tuxpy/sample
serve: $(VENV)/.built
	@exec $(VENV)/bin/tuxpy serve $(SERVE)

test:
	@for step in lint units tests asan tsan; do echo "--- $$step"; $(MAKE) $$step; done

lint: $(VENV)/.tools
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

# The fast tests first, so that a plain mistake shows within seconds; two at a time, as all of them wait for something.
# Real programs that the slow ones need are installed where that is possible, and named where it is not.
PYTEST := bin/pytest -q -n 2
tests: $(VENV)/.tools
	$(VENV)/$(PYTEST) -m 'not slow'
	$(VENV)/$(PYTEST) -m slow

# --- the C unit programs: tests/c/NAME.c is one program, linked with the engine ---------------
VARIANT := plain
OUT := build/c/$(VARIANT)
SANITIZE_plain :=
SANITIZE_asan := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZE_tsan := -fsanitize=thread
# The flags of csrc/cdef.py; here, where only we compile, with more warnings, and each is an error.
FLAGS := -std=c11 -O2 -g -Wall -Wextra -Wshadow -Wconversion -Werror -UNDEBUG -D_GNU_SOURCE -pthread \
	-DTUX_VERSION='"$(VERSION)"' $(SANITIZE_$(VARIANT))
HEADERS := $(wildcard csrc/*.h csrc/*/*.h csrc/*/*.def tests/c/*.h)
OBJECTS := $(patsubst csrc/%.c,$(OUT)/%.o,$(wildcard csrc/*.c csrc/*/*.c))
PROGRAMS := $(patsubst tests/c/%.c,$(OUT)/bin/%,$(wildcard tests/c/*.c))

$(OUT)/%.o: csrc/%.c $(HEADERS) Makefile
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -iquotecsrc -c $< -o $@

$(OUT)/engine.a: $(OBJECTS)
	@rm -f $@
	@$(AR) rcs $@ $^

# Functions that a program puts in the place of the C library's, by the linker.
comma := ,
WRAPPED := malloc calloc realloc mmap eventfd pthread_create epoll_wait epoll_ctl syscall
WRAP_test_memory := $(addprefix -Wl$(comma)--wrap=,$(WRAPPED))
WRAP_test_shortage := -Wl$(comma)--wrap=syscall

$(OUT)/bin/%: tests/c/%.c $(OUT)/engine.a $(HEADERS)
	@mkdir -p $(@D)
	@$(CC) $(FLAGS) -iquotecsrc $< $(OUT)/engine.a $(WRAP_$*) -o $@

# With many random address bits the thread sanitizer of older compilers cannot start.
RUN_tsan := setarch -R
units: $(VENV)/.made
	@$(MAKE) -j2 VARIANT=$(VARIANT) programs
	@$(RUN_$(VARIANT)) bash .ci/units $(PROGRAMS)

.PHONY: programs
programs: $(PROGRAMS) $(OBJECTS)

# --- sanitizers --------------------------------------------------------------------------------
# A whole copy of the package with an engine that reports every wrong access; Python itself is not
# instrumented, so the sanitizer's library must be loaded before it, and leaks are the units' matter.
ASAN := $(CURDIR)/build/asan
RUNTIME = $(shell $(CC) -print-file-name=libasan.so)
asan: $(VENV)/.tools
	@case '$(RUNTIME)' in /*) ;; *) echo 'the compiler has no address sanitizer: not run'; exit 1;; esac
	@$(MAKE) VARIANT=asan units
	@TUXPY_SANITIZE=address,undefined $(PY) setup.py -q build --build-base $(ASAN) --build-lib $(ASAN)/lib
	cd $(ASAN)/lib && LD_PRELOAD=$(RUNTIME) PYTHONPATH=$(ASAN)/lib TUXPY_SANITIZED=1 \
	ASAN_OPTIONS=detect_leaks=0:abort_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1 \
	$(CURDIR)/$(VENV)/$(PYTEST) -c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) \
	-o cache_dir=$(ASAN)/cache -m 'not slow' $(addprefix $(CURDIR)/tests/,atoms engine wire)

tsan:
	@$(MAKE) VARIANT=tsan units

# Needs root: a slow disk is mounted for it, in a mount namespace of its own.
cold: $(VENV)/.built
	$(PY) loadtest/cold.py $(COLD)

bench: $(VENV)/.built
	$(PY) loadtest/bench.py $(BENCH)

clean:
	rm -rf build dist wheelhouse $(VENV) *.egg-info tuxpy/_engine.*.so
	find . -name __pycache__ -prune -exec rm -rf {} +
