# make demo: install and run the main job on the shipped samples
# make test: install what tests need, lint, and run every test
PYTHON ?= python3
BIN := .venv/bin
SAMPLES := mappings/prostate/samples
PI_RADS := SELECT max(measurement_id) FROM omop.measurement WHERE measurement_concept_id = 2000000004

.PHONY: demo test lint bench clean

demo: .venv/.installed
	$(BIN)/oncolake init
	@echo
	$(BIN)/oncolake ingest $(SAMPLES)
	@echo
	$(BIN)/oncolake sql docs/queries/cohort.sql
	@echo
	@id=$$($(BIN)/oncolake sql --format plain "$(PI_RADS)") && \
	 echo "$(BIN)/oncolake explain measurement $$id" && $(BIN)/oncolake explain measurement $$id
	@echo
	@echo "Try next:"
	@echo "  $(BIN)/oncolake sample 1000 > cases.ndjson && $(BIN)/oncolake ingest cases.ndjson"
	@echo "  $(BIN)/oncolake coverage"
	@echo "  $(BIN)/oncolake map show | less"
	@echo "  psql \"\$$($(BIN)/oncolake url)\""

test: lint
	$(BIN)/python -m pytest -n logical --maxprocesses 4 --dist loadfile --cov --cov-report=term --cov-fail-under=95

lint: .venv/.testing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.testing
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf .venv build dist .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

.venv/.installed: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

.venv/.testing: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[test]'
	@touch $@ .venv/.installed
