"""A local Bedrock, an environment that reaches it and nothing else, a database of one's own."""

import atexit
import gc
import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import botocore.session
import pytest
from botocore import retryhandler
from botocore.retries import standard
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext
from hypothesis import HealthCheck, settings

from bedrock_async_etl.configuration import set_defaults
from bedrock_emulator import Control, Emulator
from tests.organizations import Organization
from tests.scenarios import Scenarios

set_defaults()

botocore.session.create_loader = cache(botocore.session.create_loader)
"""The description of AWS's services is read once, not for each session."""
standard.ExponentialBackoff.delay_amount = lambda *_: 0.01
retryhandler.delay_exponential = lambda *_, **__: 0.01
"""Calls that fail are repeated at once."""

settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("default")
"""A machine that is slow for a moment fails nothing."""
settings.register_profile("soak", max_examples=3_000)
"""Minutes of what takes seconds by default: `pytest FILE --hypothesis-profile soak`."""

NOW = datetime(2026, 3, 31, 12, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "us-east-1"

DELTA = ICEBERG = NOTIFY = pytest.mark.integration
"""Need the extra `lake`, `iceberg` or `notify`, which the unit tests do without."""
FORMATS = [pytest.param("delta", marks=DELTA), pytest.param("iceberg", marks=ICEBERG)]
"""The formats of lakes that need an extra."""


def pytest_collection_finish() -> None:
    """Look for garbage among what tests make alone, not among all that was imported."""
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let go of what keeps DuckDB's bindings, which print at exit what is left of them."""
    Container()[PipelineContext].deactivate()
    gc.callbacks.clear()  # Hypothesis's holds whatever it can reach.
    gc.unfreeze()
    for each in gc.get_objects():
        # Pydantic holds those of wrong choices where gc cannot see them, and they hold frames.
        if issubclass(type(each), ValueError):
            each.__traceback__ = None
    atexit.register(gc.collect)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests recorded of what they tried (`record_property`): a line of JSON each."""
    for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed"):
        for name, value in report.user_properties:
            terminalreporter.write_line(json.dumps({name: value}, sort_keys=True))


@pytest.fixture(scope="session")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Scenarios:
    """The databases of `given.csv` with their models, to be read or copied."""
    return Scenarios.of_session(tmp_path_factory)


@pytest.fixture
def bedrock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Control]:
    """A local Bedrock at NOW; this process's AWS environment leads to it alone."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    with Emulator(NOW) as emulator:
        for name, value in emulator.environment(ACCOUNT, REGION).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        yield emulator.control


@pytest.fixture
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a local Bedrock, and where its environment has no credentials any more."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)


@pytest.fixture
def organization(bedrock: Control, monkeypatch: pytest.MonkeyPatch) -> Iterator[Organization]:
    """The caller's organization, without accounts yet."""
    with Organization() as organization:
        monkeypatch.setenv("AWS_ENDPOINT_URL_ORGANIZATIONS", organization.url)
        yield organization


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a DuckDB file can be made; dlt's working directories are beside it."""
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "copy.duckdb"
