# The environment of `make setup` where there is one, else whatever is active.
BIN := $(if $(wildcard .venv/bin/python),.venv/bin/,)

.PHONY: setup format lint type test test-all

setup:
	python3 -m venv .venv
	.venv/bin/pip install --editable ".[test]"

format:
	$(BIN)ruff check --fix .
	$(BIN)ruff format .

lint:
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	PYTHONPATH=. $(BIN)lint-imports

type:
	$(BIN)mypy gru_suite tasks

test:
	$(BIN)pytest -n 2

test-all:
	$(BIN)pytest -m "slow or not slow"
