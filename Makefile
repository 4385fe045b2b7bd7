# Everything starts here: `make help` lists the targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ONLY ?=
SECONDS ?= 300
export CMD
SEED ?=

.PHONY: help demo test check lint bench fuzz soak lab lab-up lab-sh lab-down lock clean
.DEFAULT_GOAL := help

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

demo: $(VENV)/.demo ## run the main job: a virtual phone sends photos to a station
	@$(BIN)/ferry demo

test: lint ## lint, types and all rings of tests but the lab (as root, installs what they need)
	@tests/rings.sh

check: lint ## the fast inner loop: lint, types and the unit ring
	@$(BIN)/python -m pytest -q tests/unit

lint: $(VENV)/.dev ## ruff and mypy --strict
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/mypy --no-error-summary

bench: $(VENV)/.dev ## figures beside their references; ONLY=receive for one
	@$(BIN)/python -m tests.bench $(ONLY)

fuzz: $(VENV)/.dev ## hammer the parsers with made-up input; SECONDS=600 for ten minutes
	@$(BIN)/python -m tests.fuzz $(SECONDS)

soak: $(VENV)/.dev ## a phone keeps sending while everything else fails; SECONDS=300 SEED=, half of it power cuts in the lab
	@$(BIN)/python -m tests.soak $(SECONDS) $(if $(SEED),--seed $(SEED))

lab: $(VENV)/.dev ## the tests that need real radios, in an emulated machine (as root; builds it once)
	@$(BIN)/python -m tests.lab test

lab-up: $(VENV)/.dev ## boot that machine and leave it running; lab-sh CMD='...' runs a command in it, lab-down ends it
	@$(BIN)/python -m tests.lab up

lab-sh: $(VENV)/.dev
	@$(BIN)/python -m tests.lab sh "$$CMD"

lab-down: $(VENV)/.dev
	@$(BIN)/python -m tests.lab down

lock: $(VENV)/.dev ## resolve the dependencies of pyproject.toml again (uv must be on PATH)
	@tests/lock.sh

clean: ## remove the environment and everything built
	@rm -rf $(VENV) build ferry-demo *.egg-info

$(VENV)/.demo: requirements/demo.txt pyproject.toml tests/setup.sh
	@tests/setup.sh $(PYTHON) $(VENV) $<
	@touch $@

$(VENV)/.dev: requirements/dev.txt pyproject.toml tests/setup.sh
	@tests/setup.sh $(PYTHON) $(VENV) $<
	@touch $@ $(VENV)/.demo
