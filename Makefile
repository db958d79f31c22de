# make demo   install into .venv and render the showcase     make test    install, lint and test
# make lint   style, types, import contracts                 make bench   measure speed (JSON into benchmarks/results)
# make faults 200 kills, full disks, hostile files           make fuzz    5,000 configurations, texts and files
# make verify is every experiment of params.yaml bit-equal when rendered again?
# make audit  known vulnerabilities of pinned versions       make schema  write conf/schema.json
# make lock   write requirements*.lock                   make image-check  run the Dockerfile's steps without a daemon
# make study  the study of docs/research.md, with its crate
# make test-cluster   the tests of tests/cluster/ beside a SLURM of their own (root, Debian's packages)
# make gpu    on a GPU: its tests, then its benchmark in stages
PYTHON ?= python3
VENV := .venv
CASES ?= 5000
KILLS ?= 10
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
UV := .uv/bin/uv
LOCK := $(UV) pip compile --quiet pyproject.toml -c constraints.txt -p 3.11 --generate-hashes --no-header --no-annotate
TARGET ?= cpu
TORCH_WHEELS ?= wheels
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-cluster lint faults fuzz verify audit bench gpu lock image-check study schema clean
.DEFAULT_GOAL := demo

$(INSTALLED): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "sdbatch needs Python 3.11 or newer")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/python -m sdbatch +experiment=anime_zoom

# Two steps, because slipcover 1.1 prints a table of zeros when one command runs pytest-xdist and checks the floor.
test: lint
	$(BIN)/python -m slipcover --json --out .slipcover.json -m pytest
	$(BIN)/python -m slipcover --merge .slipcover.json --out .slipcover.json --skip-covered --fail-under 95

# Real sbatch, scancel and scontrol: scripts/slurm_local.py starts the daemons and stops them.
test-cluster: $(INSTALLED)
	$(BIN)/python scripts/slurm_local.py $(BIN)/python -m pytest -n 0 tests/cluster --cluster-kills=$(KILLS)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The fault tests at full length; writes the table of docs/reliability.md.
faults: $(INSTALLED)
	$(BIN)/python scripts/reliability.py --kills 200

# Configurations, raw YAML, command lines and hostile files: an answer, never a traceback.
fuzz: $(INSTALLED)
	SDBATCH_FUZZ=$(CASES) $(BIN)/python -m pytest tests/fuzz tests/tasks/test_hostile.py

# Every experiment of params.yaml rendered (as far as it is not) and again: bit-equal? Then single shots among others.
verify: $(INSTALLED)
	$(BIN)/python scripts/verify_all.py
	$(BIN)/python scripts/needle.py

# Known vulnerabilities of the pinned versions; the auditor has an environment of its own. Needs network.
audit:
	test -x .audit/bin/pip-audit || ($(PYTHON) -m venv .audit && PIP_CONSTRAINT= .audit/bin/pip install --quiet pip-audit==2.10.1)
	$(PYTHON) scripts/audit.py .audit/bin/pip-audit constraints.txt

bench: $(INSTALLED)
	$(BIN)/pip install --quiet --editable '.[bench]'
	$(BIN)/python -m benchmarks

# On a machine with a GPU: its tests, then every stage of the benchmark, also if tests fail.   make gpu STAGES="bits calls"
gpu: $(INSTALLED)
	code=0; $(BIN)/python -m pytest -n 0 tests/engine/test_cuda.py || code=$$?; \
	$(BIN)/python -m benchmarks gpu $(STAGES) || code=$$?; exit $$code

# The study of docs/research.md: rendered, measured, its figures and its crate (publish/guidance_study.zip).
study: $(INSTALLED)
	$(BIN)/python scripts/study.py

# The lock files: exactly the versions of constraints.txt, with the hash of every file. TORCH_WHEELS: torch's wheels for CPUs
# (a page or a folder). Needs network.
lock: $(UV)
	$(LOCK) --universal -o requirements.lock
	$(LOCK) --python-platform x86_64-manylinux_2_28 --find-links $(TORCH_WHEELS) -o requirements-cpu.lock

$(UV):
	$(PYTHON) -m venv .uv && PIP_CONSTRAINT= .uv/bin/pip install --quiet uv==0.13.9

# The steps of the Dockerfile in a new environment, without a daemon.   make image-check TARGET=cuda
image-check:
	$(PYTHON) scripts/image_steps.py $(TARGET) TORCH_WHEELS=$(TORCH_WHEELS)

schema: $(INSTALLED)
	$(BIN)/python -m sdbatch task=schema > conf/schema.json

clean:
	rm -rf outputs runs build dist
