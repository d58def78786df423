"""Capabilities of destinations, told without looking at the configuration."""

from typing import Any, NoReturn

import dlt
import duckdb
import pytest
from dlt.common.destination import Destination
from dlt.common.normalizers.naming.sql_cs_v1 import NamingConvention

from pipelines.direct_merge import merging_duckdb
from pipelines.lake.storage import lake


class plain_lake(dlt.destinations.filesystem):  # noqa: N801
    """dlt's own, which writes Parquet as a lake's does."""

    def _raw_capabilities(self) -> Any:
        capabilities = super()._raw_capabilities()
        capabilities.preferred_loader_file_format = "parquet"
        return capabilities


class plain_duckdb(dlt.destinations.duckdb):  # noqa: N801
    """dlt's own, which loads a table's files one after the other."""

    def _raw_capabilities(self) -> Any:
        capabilities = super()._raw_capabilities()
        capabilities.loader_parallelism_strategy = "table-sequential"
        return capabilities


def memory() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


PAIRS = [
    (merging_duckdb(memory()), plain_duckdb(memory())),
    (lake("s3://bucket/lake"), plain_lake("s3://bucket/lake")),
    (lake("hf://datasets/owner/name"), plain_lake("hf://datasets/owner/name")),
]


@pytest.mark.parametrize("naming", [None, NamingConvention()])
@pytest.mark.parametrize(("ours", "plain"), PAIRS)
def test_they_are_what_dlt_would_find_out(
    ours: Destination[Any, Any], plain: Destination[Any, Any], naming: Any
) -> None:
    assert dict(ours.capabilities(naming=naming)) == dict(plain.capabilities(naming=naming))


@pytest.mark.parametrize(("ours", "plain"), PAIRS)
def test_no_configuration_is_resolved(
    ours: Destination[Any, Any], plain: Destination[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("Configuration is looked up.")

    monkeypatch.setattr("dlt.common.destination.reference.resolve_configuration", resolve)
    assert ours.capabilities().supported_loader_file_formats
    with pytest.raises(pytest.fail.Exception):
        plain.capabilities()
