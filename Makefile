# Everything a developer or a CI machine calls. `make help` lists it; the work is done by the scripts in deploy/dev/.

.DEFAULT_GOAL := help
.PHONY: help setup test lint bench demo lock clean

# PYTHON names the interpreter for .venv (3.11 or newer); by default setup finds one.
PYTHON ?=
# The reference implementation of transparency logs, which judges what the ledger writes.
GO := go=golang-go /usr/share/gocode/src/golang.org/x/mod=golang-golang-x-mod-dev
# Tests of an S3 vault need a real one; only root can start it, so only root installs it.
CEPH := $(if $(filter 0,$(shell id -u)),ceph-mon ceph-osd radosgw ceph=ceph-common)
# More arguments for the tools, e.g. make test PYTEST_ARGS="-k seal -x"
PYTEST_ARGS ?=
BENCH_ARGS ?=
LOCK_ARGS ?=

help: ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-6s %s\n' "$$name" "$$text"; done

setup: ## install what is missing: system packages, .venv, locked dependencies, sealdock itself
	@PYTHON='$(PYTHON)' deploy/dev/setup.sh

test: ## set up, then run the tests as an ordinary user (PYTEST_ARGS="-k seal" passes arguments on)
	@PYTHON='$(PYTHON)' deploy/dev/setup.sh faketime initdb=postgresql systemd-analyze=systemd udevadm=udev mkfs.ext4=e2fsprogs $(GO) $(CEPH)
	@deploy/dev/outsiders.sh
	@deploy/dev/test.sh $(PYTEST_ARGS)

lint: setup ## set up, then check style, types and the import contract
	@deploy/dev/lint.sh

bench: setup ## set up, then measure speed and memory (BENCH_ARGS passes arguments on)
	@.venv/bin/python bench/run.py $(BENCH_ARGS)

demo: setup ## set up, then dock, link, retrieve and verify a small generated card
	@.venv/bin/python deploy/demo.py

lock: ## write requirements.lock anew from pyproject.toml (LOCK_ARGS=--upgrade takes newer releases)
	@deploy/dev/lock.sh $(LOCK_ARGS)

clean: ## remove what these targets made, .venv included
	rm -rf .venv .outsiders build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis demo-home
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
