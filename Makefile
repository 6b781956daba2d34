# Relook. `make` alone lists what there is. Everything is installed into .venv; nothing else on the machine is touched.

SHELL         := /bin/bash
.SHELLFLAGS   := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS     += --no-builtin-rules --no-print-directory

# Overridable: make setup PYTHON=python3.12, make demo IMAGES=folder OUT=folder, make serve DATA=folder PORT=9000
PYTHON        ?=
IMAGES        ?=
WEIGHTS       ?=
OUT           ?= demo-out
DATA          ?=
HOST          ?= 127.0.0.1
PORT          ?= 8484
ARGS          ?=
TEST_WORKERS  ?= 2
PYTEST_ARGS   ?=

# Each worker computes on one thread, since there are as many as cores. Hundreds of tests start a process of their own:
# compiled modules are kept for them, also where the environment forbids that.
PYTEST_ENV    := env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX="$(CURDIR)/.cache/bytecode" OPENBLAS_NUM_THREADS=1
PYTEST_OPTIONS := -q -n $(TEST_WORKERS) --dist loadfile

VENV          := .venv
BIN           := $(VENV)/bin
BASE          := $(VENV)/.base-installed
TESTS         := $(VENV)/.tests-installed
AWSCLI_VERSION := 1.46.2
AWSCLI        := .cache/awscli
AWSCLI_STAMP  := $(AWSCLI)/.installed-$(AWSCLI_VERSION)
OLD_BOTOCORE  := .cache/botocore-1.40.60
BOTOCORE_STAMP := $(OLD_BOTOCORE)/.installed
SAGEMAKER2_VERSION := 2.257.7
SAGEMAKER2    := .cache/sagemaker-2
SAGEMAKER2_STAMP := $(SAGEMAKER2)/.installed-$(SAGEMAKER2_VERSION)
SAGEMAKER3_VERSION := 3.27.0
SAGEMAKER3    := .cache/sagemaker-3
SAGEMAKER3_STAMP := $(SAGEMAKER3)/.installed-$(SAGEMAKER3_VERSION)
ANOMALIB      := .cache/anomalib
ANOMALIB_STAMP := $(ANOMALIB)/.installed
PEER_DETECTOR := .cache/peer-detector
PEER_DETECTOR_STAMP := $(PEER_DETECTOR)/.installed
TORCH_VERSION := 2.13.0
TORCH_INDEX   ?= https://download.pytorch.org/whl/cpu
TRAIN         := .cache/train
TRAIN_STAMP   := $(TRAIN)/.installed-torch-$(TORCH_VERSION)
TRAIN_PIP     := $(TRAIN)/bin/python -m pip --disable-pip-version-check --quiet
PEER_DETECTOR_PIP := $(PEER_DETECTOR)/bin/python -m pip --disable-pip-version-check --quiet
PEER_PIP      := $(ANOMALIB)/bin/python -m pip --disable-pip-version-check --quiet

# pip's own chatter is turned down; its errors are not.
PIP           := $(BIN)/python -m pip --disable-pip-version-check --quiet
CHECKED       := src tests bench

.PHONY: help
help: ## list the commands
	@echo 'Relook: make COMMAND'
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-9s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@echo 'Also: make demo IMAGES=folder WEIGHTS=resnet18.onnx    make serve DATA=folder PORT=8484    make setup PYTHON=python3.12'

.PHONY: demo
demo: $(BASE) ## from pictures to a found defect, through the API (IMAGES=folder for your own pictures)
	@$(BIN)/relook demo $(if $(IMAGES),--images "$(IMAGES)") $(if $(WEIGHTS),--weights "$(WEIGHTS)") --out "$(OUT)/report.html" $(ARGS)

.PHONY: setup
setup: $(BASE) ## create .venv and install Relook into it
	@echo 'Ready. Start the server with: $(BIN)/relook serve    See a whole round trip with: make demo'

.PHONY: serve
serve: $(BASE) ## start the server (DATA=folder HOST=127.0.0.1 PORT=8484)
	@exec $(BIN)/relook serve --host "$(HOST)" --port "$(PORT)" $(if $(DATA),--data "$(DATA)") $(ARGS)

.PHONY: test
test: lint $(TESTS) $(TRAIN_STAMP) ## style, types, layering and the tests: what a change must pass
	@$(PYTEST_ENV) $(BIN)/python -m pytest $(PYTEST_OPTIONS) -m 'not slow and not clients and not torch' $(PYTEST_ARGS)
	@$(PYTEST_ENV) $(TRAIN)/bin/python -m pytest $(PYTEST_OPTIONS) -m 'torch and not slow' tests/unit/vision tests/unit/rekognition

.PHONY: test-all
test-all: lint $(TESTS) $(AWSCLI_STAMP) $(BOTOCORE_STAMP) $(SAGEMAKER2_STAMP) $(SAGEMAKER3_STAMP) $(TRAIN_STAMP) ## the same, with the long runs, the real data and the old clients
	@[[ -d ../shared ]] || echo 'note: ../shared is absent, so the tests on real data will be skipped'
	@/usr/bin/aws --version 2>/dev/null | grep -q '^aws-cli/2' || echo 'note: /usr/bin/aws is not AWS CLI v2, so its tests will be skipped (Debian: apt-get install awscli)'
	@$(PYTEST_ENV) $(BIN)/python -m pytest $(PYTEST_OPTIONS) -m 'not torch' $(PYTEST_ARGS)
	@$(PYTEST_ENV) $(TRAIN)/bin/python -m pytest $(PYTEST_OPTIONS) -m torch tests/unit/vision tests/unit/rekognition tests/contract/test_rekognition_shared.py tests/contract/test_rekognition_drawn.py

.PHONY: lint
lint: $(TESTS) ## style, types and import directions only
	@$(BIN)/ruff check --quiet $(wildcard $(CHECKED)) || { echo 'fix most of these with: $(BIN)/ruff check --fix $(wildcard $(CHECKED))'; exit 1; }
	@$(BIN)/ruff format --quiet --check $(wildcard $(CHECKED)) || { echo 'fix these with: $(BIN)/ruff format $(wildcard $(CHECKED))'; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@mkdir -p .cache; $(BIN)/lint-imports --no-logo >.cache/lint-imports.log 2>&1 || { cat .cache/lint-imports.log; exit 1; }
	@echo 'style, types and import directions: in order'

.PHONY: bench
bench: $(BASE) ## measure; figures go to bench/results
	@$(BIN)/python -m bench $(ARGS)

.PHONY: clean
clean: ## remove what was built and cached, .venv too (never a data folder)
	@rm -rf $(VENV) .cache build dist demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache src/*.egg-info
	@find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# The interpreter: the one named, else the first of the usual names that is 3.11 or newer and can make environments.
$(BIN)/python:
	@usable() { "$$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }; \
	for name in $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11 python); do \
	  if usable "$$name"; then echo "creating $(VENV) with $$("$$name" --version) ($$name)"; exec "$$name" -m venv --clear $(VENV); fi; \
	done; \
	echo 'make: no usable Python found (looked for: $(or $(PYTHON),python3, python3.14 .. python3.11, python)).' >&2; \
	for name in $(or $(PYTHON),python3); do \
	  if ! command -v "$$name" >/dev/null; then echo "  $$name: not there. Install Python 3.11 or newer (Debian, Ubuntu: apt-get install python3 python3-venv)." >&2; \
	  elif ! "$$name" --version >/dev/null 2>&1; then echo "  $$name: cannot be run. Install it, or name another: make setup PYTHON=/path/to/python3.11" >&2; \
	  elif ! "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo "  $$name: is $$("$$name" --version 2>&1), Relook needs 3.11 or newer. Name another: make setup PYTHON=/path/to/python3.11" >&2; \
	  else echo "  $$name: has no venv module. Install it (Debian, Ubuntu: apt-get install python3-venv)." >&2; fi; \
	done; exit 1

$(BASE): $(BIN)/python pyproject.toml constraints.txt
	@echo 'installing Relook into $(VENV) (the first time: about $(FIRST_DOWNLOAD) to download, and a minute or two)'
	@$(PIP) install --constraint constraints.txt --editable . || { $(PIP_FAILED); }
	@touch $@

$(TESTS): $(BASE)
	@echo 'installing the test tools into $(VENV)'
	@$(PIP) install --constraint constraints.txt --editable '.[test]' || { $(PIP_FAILED); }
	@mkdir -p .cache && touch $@

# PyTorch, for object detectors, fine-tuning and `relook pretrain`. Left free, pip may take a build with gigabytes of CUDA: PyTorch's
# own index of CPU builds is asked first, once and briefly, then whatever index pip is set up with. For a GPU:
# make torch TORCH_INDEX=...
install_torch = $(1) install --index-url '$(TORCH_INDEX)' --timeout 5 --retries 0 'torch==$(TORCH_VERSION)' 2>/dev/null \
	|| { echo 'note: no PyTorch $(TORCH_VERSION) from $(TORCH_INDEX); asking the index that pip is set up with'; \
	     $(1) install 'torch==$(TORCH_VERSION)' || { $(PIP_FAILED); }; }

.PHONY: torch
torch: $(BASE) ## add PyTorch to .venv: training object detectors, fine-tuning and `relook pretrain` need it
	@echo 'installing PyTorch $(TORCH_VERSION) into $(VENV) (a CPU build: about 200 MB to download)'
	@$(call install_torch,$(PIP))

# For the tests marked torch: an environment that holds PyTorch and borrows everything else from .venv, which stays small.
$(TRAIN_STAMP): $(TESTS)
	@echo 'installing PyTorch $(TORCH_VERSION) into $(TRAIN) (a CPU build: about 200 MB to download)'
	@rm -rf $(TRAIN) && $(BIN)/python -m venv $(TRAIN)
	@where='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  echo "import site; site.addsitedir('$$($(BIN)/python -c "$$where")')" >"$$($(TRAIN)/bin/python -c "$$where")/borrowed.pth"
	@$(call install_torch,$(TRAIN_PIP))
	@touch $@

FIRST_DOWNLOAD := 160 MB
PIP_FAILED := echo 'make: pip could not install; its message is above. It needs a package index (pip config list shows which) and about 1 GB of disk.' >&2; exit 1

# Clients the contract tests use, each in an environment of its own because their botocore differs from ours.
$(AWSCLI_STAMP): $(BASE)
	@echo 'installing AWS CLI $(AWSCLI_VERSION) into $(AWSCLI)'
	@rm -rf $(AWSCLI) && $(BIN)/python -m venv $(AWSCLI)
	@$(AWSCLI)/bin/python -m pip --disable-pip-version-check --quiet install 'awscli==$(AWSCLI_VERSION)' || { $(PIP_FAILED); }
	@touch $@

$(BOTOCORE_STAMP): $(BASE)
	@echo 'installing botocore 1.40.60 into $(OLD_BOTOCORE)'
	@rm -rf $(OLD_BOTOCORE)
	@$(PIP) install --target $(OLD_BOTOCORE) 'botocore==1.40.60' 'boto3==1.40.60' || { $(PIP_FAILED); }
	@touch $@

$(SAGEMAKER2_STAMP): $(BASE)
	@echo 'installing the SageMaker SDK $(SAGEMAKER2_VERSION) into $(SAGEMAKER2) (about 300 MB of disk)'
	@rm -rf $(SAGEMAKER2) && $(BIN)/python -m venv $(SAGEMAKER2)
	@$(SAGEMAKER2)/bin/python -m pip --disable-pip-version-check --quiet install 'sagemaker==$(SAGEMAKER2_VERSION)' || { $(PIP_FAILED); }
	@touch $@

# Only the interpreter comes from .venv: a gigabyte need not be fetched again when our own requirements change.
$(SAGEMAKER3_STAMP): | $(BASE)
	@echo 'installing the SageMaker SDK $(SAGEMAKER3_VERSION) into $(SAGEMAKER3) (about 1 GB of disk)'
	@rm -rf $(SAGEMAKER3) && $(BIN)/python -m venv $(SAGEMAKER3)
	@$(SAGEMAKER3)/bin/python -m pip --disable-pip-version-check --quiet install 'sagemaker==$(SAGEMAKER3_VERSION)' || { $(PIP_FAILED); }
	@touch $@

# The peer of `python -m bench peer`. torch comes first and is then held: left free, pip would take the newest torchvision
# and with it another torch and gigabytes of CUDA. Which build of torch it is, is for the package index pip is set up with.
$(ANOMALIB_STAMP): $(BASE)
	@echo 'installing anomalib 2.7 into $(ANOMALIB) (with a CPU build of torch about 700 MB to download)'
	@rm -rf $(ANOMALIB) && $(BIN)/python -m venv $(ANOMALIB)
	@$(PEER_PIP) install 'torch==2.13.0' || { $(PIP_FAILED); }
	@$(PEER_PIP) freeze | grep '^torch==' >$(ANOMALIB)/held.txt
	@$(PEER_PIP) install --constraint $(ANOMALIB)/held.txt 'anomalib==2.7.*' 'openvino==2026.4.1' || { $(PIP_FAILED); }
	@touch $@

# The peer of `python -m bench detectors`: YOLOX. Not with all that it requires, as torchvision would bring another torch, but with
# what its networks, losses and mosaics import; for torchvision's two functions bench/peer_detector.py has others.
$(PEER_DETECTOR_STAMP): $(BASE)
	@echo 'installing pixeltable-yolox 0.4.3 into $(PEER_DETECTOR) (with a CPU build of torch about 400 MB to download)'
	@rm -rf $(PEER_DETECTOR) && $(BIN)/python -m venv $(PEER_DETECTOR)
	@$(call install_torch,$(PEER_DETECTOR_PIP))
	@$(PEER_DETECTOR_PIP) freeze | grep '^torch==' >$(PEER_DETECTOR)/held.txt
	@$(PEER_DETECTOR_PIP) install --constraint $(PEER_DETECTOR)/held.txt 'numpy==2.4.6' 'opencv-python-headless==5.0.0.93' 'loguru==0.7.3' \
	  'psutil==7.2.2' 'pycocotools==2.0.11' 'tabulate==0.10.0' 'tqdm==4.70.1' 'packaging==26.3' 'pillow==13.0.0' 'openvino==2026.4.1' \
	  || { $(PIP_FAILED); }
	@$(PEER_DETECTOR_PIP) install --no-deps 'pixeltable-yolox==0.4.3' || { $(PIP_FAILED); }
	@touch $@
