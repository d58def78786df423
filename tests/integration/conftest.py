"""What is here needs more than the unit tests, such as the dependency group `references`."""

import pytest


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Import nothing of it unless it is going to be run."""
    return True if config.getoption("markexpr") == "not integration" else None
