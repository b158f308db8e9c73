"""A command says on stderr that it compiles the core: here the core is compiled before the first of them."""

import importlib

import pytest


@pytest.fixture(scope="session", autouse=True)
def _compiled_core() -> None:
    importlib.import_module("tightloop.app.runs.backtest")
