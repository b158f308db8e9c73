"""The marker of the comparison with a peer."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "peers: runs another backtester in an environment of its own, made by pip")
