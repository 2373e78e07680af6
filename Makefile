# `make` lists the targets. Each makes the environment it needs; `make PYTHON=python3.13 test` chooses another Python.
SHELL := /bin/bash
.DEFAULT_GOAL := help

# The first Python from 3.11 to 3.13 that can make an environment.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

# Where a Python lives and which version it is; .venv is never made anew by itself, see check_venv.
base = $(if $(1),$(shell $(1) -c 'import sys; print(sys.base_prefix, *sys.version_info)' 2>/dev/null))
ifneq ($(origin PYTHON),file)
ifneq ($(call base,$(PYTHON)),$(call base,$(BIN)/python))
.PHONY: $(READY)
OTHER_PYTHON := yes
endif
endif

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-20s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(READY) ## make the environment .venv from pip and constraints.txt, or bring it up to date

define check_python
@test -n "$(PYTHON)" || { echo "error: no Python from 3.11 to 3.13 with venv was found"; \
	echo "  fix:   install one (on Debian with its -venv package), or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
@found="$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)" || { \
	echo "error: PYTHON=$(PYTHON) does not run: $$( ($(PYTHON) -V) 2>&1 | head -n 1)"; \
	echo "  fix:   give the path of a Python from 3.11 to 3.13: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }; \
case "$$found" in \
	3.11|3.12|3.13) $(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "error: $(PYTHON) ($$found) has no venv"; \
		echo "  fix:   install it (on Debian: python$$found-venv), or name another: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; };; \
	*) echo "error: PYTHON=$(PYTHON) is Python $$found; 3.11 to 3.13 are supported"; \
		echo "  fix:   name another: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2;; \
esac
endef

# What somebody has put into .venv is theirs: it is brought up to date where it is, or they are told what to type.
define check_venv
@test ! -e $(BIN)/python -o -z "$(OTHER_PYTHON)" || { \
	echo "error: .venv is of another Python than PYTHON=$(PYTHON): $$($(BIN)/python -V 2>&1)"; \
	echo "  fix:   leave out PYTHON; or remove .venv, with all that was installed in it, and repeat: rm -rf .venv"; exit 2; }
@test ! -e $(BIN) || $(BIN)/python -c '' 2>/dev/null || { echo "error: the Python of .venv does not run"; \
	echo "  fix:   remove it, with all that was installed in it, and repeat: rm -rf .venv"; exit 2; }
endef

$(READY): pyproject.toml constraints.txt
	$(check_venv)
ifeq ($(wildcard $(BIN)/python),)
	$(check_python)
	$(PYTHON) -m venv .venv
endif
	@test -x $(BIN)/pip || $(BIN)/python -m ensurepip --default-pip > /dev/null
	@echo "the packages of constraints.txt: a minute or two"
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,export,simulation]' || { \
		echo "error: pip could not install the packages that constraints.txt names; its reason is above"; \
		echo "  fix:   see that the package index answers and that the disk has room, then repeat"; exit 2; }
	touch $(READY)

.PHONY: test
test: $(READY) ## run all tests but the longest
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=worksteal

.PHONY: test-long
test-long: $(READY) ## run all tests, those too that take a quarter of a minute or more each
	ICTCONVENTION_LONG_TESTS=1 OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=worksteal

.PHONY: coverage
coverage: $(READY) ## run all tests, and say which lines they do not reach
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=worksteal --cov --cov-report=term:skip-covered

LOWEST := .venv-lowest
# Old releases warn that what they use of newer ones is deprecated, from their own import on: no fault of ours.
OLD_WARNINGS := -W ignore::DeprecationWarning -W ignore::PendingDeprecationWarning -W ignore::FutureWarning

.PHONY: test-lowest
test-lowest: ## run all tests with the lowest versions that pyproject.toml allows, torch excepted, in .venv-lowest
	$(check_python)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] > (3, 12))' || { \
		echo "error: PYTHON=$(PYTHON) is Python 3.13; the lowest versions have wheels for 3.11 and 3.12"; \
		echo "  fix:   name another: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	rm -rf $(LOWEST)
	$(PYTHON) -m venv $(LOWEST)
	$(PYTHON) tests/lowest.py > $(LOWEST)/lowest.txt
	$(LOWEST)/bin/pip install --quiet --disable-pip-version-check --constraint $(LOWEST)/lowest.txt --editable '.[dev,export,simulation,ztf]'
	OMP_NUM_THREADS=1 $(LOWEST)/bin/pytest --numprocesses=2 --dist=worksteal $(OLD_WARNINGS)

.PHONY: test-quick
test-quick: $(READY) ## run the core of the tests and one real training, in less than a minute
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses=2 --dist=worksteal -m "not slow or quick" $(addprefix tests/,core survey \
		feeding networks learning training/test_run.py test_rooms.py)

.PHONY: lint
lint: $(READY) ## check style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

DOCS_READY := .venv/.ready-docs

$(DOCS_READY): $(READY) pyproject.toml constraints.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[docs,export,simulation,ztf,encoders,scenes,explain]'
	touch $(DOCS_READY)

.PHONY: docs
docs: $(DOCS_READY) ## build the site of the documentation in docs/_build/html; a warning or a link that leads nowhere is an error
	$(BIN)/python -m sphinx --builder html --jobs auto --fail-on-warning --keep-going --quiet docs docs/_build/html
	$(BIN)/python docs/site/check_html.py docs/_build/html

# What is asked for: make reproduce-table2 PROFILE=laptop SURVEY=path ROWS=all SEEDS=2 CONTROLS=1 BANDS=g
ASKED = $(if $(PROFILE),--profile "$(PROFILE)") $(if $(SURVEY),--survey "$(SURVEY)") $(if $(ROWS),--rows "$(ROWS)") $(if $(SEEDS),--seeds "$(SEEDS)") \
	$(if $(filter-out 0,$(CONTROLS)),--controls) $(if $(BANDS),--bands "$(BANDS)") $(if $(ENSEMBLE),--ensemble "$(ENSEMBLE)") \
	$(if $(FOLDS),--folds "$(FOLDS)") $(if $(JOBS),--jobs "$(JOBS)") $(if $(RUNS),--runs "$(RUNS)") \
	$(if $(SURVEYS),--surveys "$(SURVEYS)") $(OVERRIDES)

.PHONY: reproduce-table2
reproduce-table2: $(READY) ## every model on every fold, compared: PROFILE=laptop|paper|tiny SURVEY=path ROWS=all SEEDS=n ...
	@$(BIN)/python -m experiments.table2.reproduce $(ASKED)

# What is asked for: make reproduce-imbalance PROFILE=laptop SELECT=1 BY=f1/1 WEIGHTS="resnet50=FILE" SEEDS=3
ASKED_OF_PICTURES = $(if $(PROFILE),--profile "$(PROFILE)") $(if $(RUNS),--runs "$(RUNS)") $(if $(SURVEYS),--surveys "$(SURVEYS)") \
	$(if $(SEEDS),--seeds "$(SEEDS)") $(if $(JOBS),--jobs "$(JOBS)") $(if $(filter-out 0,$(SELECT)),--select) \
	$(if $(BY),--by "$(BY)") $(foreach file,$(WEIGHTS),--weights "$(file)") $(OVERRIDES)

.PHONY: reproduce-imbalance
reproduce-imbalance: $(READY) ## pictures, and what a rare class costs each network: PROFILE=smoke|laptop|paper SELECT=1 ...
	@$(BIN)/python -m experiments.imbalance.reproduce $(ASKED_OF_PICTURES)

# What is asked for: make reproduce-redshift PROFILE=laptop RUNS=FOLDER SURVEYS=FOLDER SEEDS=3 JOBS=2
ASKED_OF_REDSHIFTS = $(if $(PROFILE),--profile "$(PROFILE)") $(if $(RUNS),--runs "$(RUNS)") $(if $(SURVEYS),--surveys "$(SURVEYS)") \
	$(if $(SEEDS),--seeds "$(SEEDS)") $(if $(JOBS),--jobs "$(JOBS)") $(if $(RESULTS),--results "$(RESULTS)") $(OVERRIDES)

.PHONY: reproduce-redshift
reproduce-redshift: $(READY) ## redshifts of galaxies fainter than those with labels: PROFILE=smoke|laptop|paper ...
	@$(BIN)/python -m experiments.redshift.reproduce $(ASKED_OF_REDSHIFTS)

# What is asked for: make reproduce-land-cover PROFILE=laptop SURVEY=path RUNS=FOLDER SURVEYS=FOLDER SEEDS=3 JOBS=2
ASKED_OF_MASKS = $(if $(PROFILE),--profile "$(PROFILE)") $(if $(SURVEY),--survey "$(SURVEY)") $(if $(RUNS),--runs "$(RUNS)") \
	$(if $(SURVEYS),--surveys "$(SURVEYS)") $(if $(SEEDS),--seeds "$(SEEDS)") $(if $(JOBS),--jobs "$(JOBS)") \
	$(if $(RESULTS),--results "$(RESULTS)") $(OVERRIDES)

.PHONY: reproduce-land-cover
reproduce-land-cover: $(READY) ## shares of land cover from masks of pixels: PROFILE=smoke|laptop|paper SURVEY=path ...
	@$(BIN)/python -m experiments.land_cover.reproduce $(ASKED_OF_MASKS)

.PHONY: clean
clean: ## remove the environment and all caches; surveys and runs stay
	rm -rf docs/_build docs/generated docs/project docs/reference/api .venv $(LOWEST) dist .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
