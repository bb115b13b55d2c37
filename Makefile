# Two commands are enough: `make demo` and `make test`. Everything goes into .venv; nothing else is touched.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Where to get torch, for a CUDA build say: make demo TORCH_INDEX=URL-of-a-wheel-index
TORCH_INDEX ?=
# A folder of photographs for `make bench` (default: those of the demonstration) and, sharp ones, `make robustness`
# and `make stability`.
DATA ?=
TORCH := $(shell sed -n 's/^torch==/torch==/p' constraints.txt)

.PHONY: demo test test-all bench robustness stability lint docs clean

demo: $(STAMP)
	$(BIN)/kukkiri demo

test: $(STAMP) lint
	$(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(STAMP) lint
	$(BIN)/python -m pytest -q -n 2

bench: $(STAMP)
	$(BIN)/python benchmarks/throughput.py $(DATA)

# What docs/which-sharpness.md is written from. What is measured is kept in build/, so that a stopped run goes on.
ROBUSTNESS := $(BIN)/kukkiri evaluate robustness all --slow hifst --json
robustness: $(STAMP)
	@test -n "$(DATA)" || (echo "expected a folder of sharp photographs, got none; make robustness DATA=FOLDER" >&2; exit 1)
	mkdir -p build docs/robustness
	$(ROBUSTNESS) --data "$(DATA)" --pictures 100 --out build/photographs.json > build/photographs.brief
	$(ROBUSTNESS) --data scikit-image --psf gaussian,disc,airy,motion --out build/textures.json > build/textures.brief
	mv build/photographs.brief docs/robustness/photographs.json
	mv build/textures.brief docs/robustness/textures.json
	$(BIN)/python docs/generate.py

# What docs/stability.md is written from. dists and lpips-vgg take some minutes a picture: STEADY="stability dists" adds one.
# 'stability' is a word of the command: all that the page compares; what has no weights is skipped with the reason.
# Scores of an earlier run are taken over as long as code, weights and pictures are the same; FRESH=1 measures all anew.
STEADY ?= stability
FRESH ?=
stability: $(STAMP)
	@test -n "$(DATA)" || (echo "expected a folder of sharp photographs, got none; make stability DATA=FOLDER" >&2; exit 1)
	mkdir -p build docs/robustness
	$(BIN)/kukkiri evaluate robustness $(STEADY) --data "$(DATA)" --pictures 30 --reduce 1 --size 256 \
		--slow fsim,vif,lpips-alex,dists,lpips-vgg,rankiqa --slow-pictures 10 $(if $(FRESH),--fresh) \
		--out build/stability.json --json > build/stability.brief
	mv build/stability.brief docs/robustness/stability.json
	$(BIN)/python docs/stability.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(STAMP)
	$(BIN)/python docs/generate.py

# torch first and alone, with its exact version: a range would bring gigabytes of CUDA where a CPU build is at hand.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || (echo "expected Python 3.11 or later, got $$($(PYTHON) --version); set PYTHON=python3.12, say" >&2; exit 1)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -q $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) $(TORCH)
	$(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) demo build dist
