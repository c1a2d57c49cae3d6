# make run: the page at 127.0.0.1:7860.  make test: everything a change must pass.
# Both create .venv and install into it; again only when a requirements file changed.
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1
export GRADIO_ANALYTICS_ENABLED := False

.PHONY: run test check lint types pytest clean
.DELETE_ON_ERROR:

run: .venv/run.stamp
	$(BIN)/python app.py

test: check pytest

check: lint types

lint: .venv/dev.stamp
	$(BIN)/ruff check .

types: .venv/dev.stamp
	$(BIN)/mypy

pytest: .venv/dev.stamp
	@sh tests/need_chromium.sh
	$(BIN)/python -m pytest -n 2 --dist loadfile

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

.venv/dev.stamp: requirements.txt requirements-dev.txt | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@ .venv/run.stamp
