# The one door: people and CI call the same targets. `make help` lists them.
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run demo fleet lab test test-fast lint type bench accuracy compare documents
SHELL := /bin/sh
PYTHON := .venv/bin/python
TESTS ?= tests

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is needed, once: Python packages from the lock, and a Chromium for the PDF
	@deploy/setup.sh python browser

setup-tests:
	@deploy/setup.sh python browser brokers

run: setup ## run the whole fleet in this terminal, on http://127.0.0.1:8080
	@$(PYTHON) -m services.cli up

demo: setup ## scan a lab of good and bad sites with the fleet, and leave the report in out/
	@$(PYTHON) -m tests.support.demo

fleet: setup-tests ## the demo as six processes over RabbitMQ, Redis and PostgreSQL
	@$(PYTHON) -m tests.support.demo --fleet

lab: setup ## run the lab of targets, and print the settings to scan it with
	@$(PYTHON) -m tests.support.lab

test: setup-tests ## run all tests (TESTS=tests/unit for a part)
	@$(PYTHON) -m pytest -n 3 --dist loadgroup -q $(TESTS)

lint: setup ## check style, formatting, import contracts and deployment files
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check --quiet . || { $(PYTHON) -m ruff format --check .; exit 1; }
	@.venv/bin/lint-imports --no-logo --no-cache
	@$(PYTHON) -m pytest -q -n 0 -p no:cacheprovider tests/contract/test_deploy_lint.py

type: setup ## check types, strictly
	@$(PYTHON) -m mypy

bench: setup-tests ## measure, as ratios, and print each as met or missed
	@$(PYTHON) -m tests.bench

accuracy: setup-tests ## every check on targets of which the truth is known: hits, misses, false alarms
	@$(PYTHON) -m tests.accuracy

compare: setup-tests ## independent tools beside our scan, on the same targets (as root: it makes network namespaces)
	@$(PYTHON) -m tests.compare

documents: setup ## make the documents that are generated: OpenAPI and docs/events.md
	@$(PYTHON) -m services.cli documents
