"""Capabilities of destinations, told without looking at the configuration."""

from collections.abc import Iterator
from typing import Any, NoReturn

import duckdb
import pytest
from dlt.common.destination import DestinationCapabilitiesContext
from dlt.common.normalizers.naming.sql_cs_v1 import NamingConvention

from bedrock_async_etl.destinations.database.merge import merging_duckdb
from bedrock_async_etl.destinations.lake.filesystem import lake
from bedrock_async_etl.dlt_state import FixedCapabilities


@pytest.fixture(params=["duckdb", "s3://bucket/lake", "hf://datasets/owner/name"])
def destination(request: pytest.FixtureRequest) -> Iterator[FixedCapabilities]:
    if request.param != "duckdb":
        yield lake(request.param)
        return
    with duckdb.connect() as connection:
        yield merging_duckdb(lambda: connection)


def found_out(destination: FixedCapabilities, naming: Any = None) -> DestinationCapabilitiesContext:
    """What dlt's own class finds out."""
    return super(FixedCapabilities, destination).capabilities(naming=naming)


@pytest.mark.parametrize("naming", [None, NamingConvention()])
def test_they_are_what_dlt_would_find_out(destination: FixedCapabilities, naming: Any) -> None:
    assert dict(destination.capabilities(naming=naming)) == dict(found_out(destination, naming))


def test_no_configuration_is_resolved(
    destination: FixedCapabilities, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("Configuration is looked up.")

    monkeypatch.setattr("dlt.common.destination.reference.resolve_configuration", resolve)
    assert destination.capabilities().supported_loader_file_formats
    with pytest.raises(pytest.fail.Exception):
        found_out(destination)
