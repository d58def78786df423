"""A lake of Parquet files: its tables are logs, to which every new version of a row is appended."""

from functools import partial
from typing import Final

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.compaction import compact_log, log_fingerprints
from bedrock_async_etl.destinations.lake.formats import LakeFormat
from bedrock_async_etl.destinations.lake.tables import log_files
from bedrock_async_etl.options import DestinationOptions
from bedrock_async_invokes.columns import ASYNC_INVOKES

PLACE: Final = "lake"
FORMAT: Final = LakeFormat(
    partial(log_files, name=ASYNC_INVOKES.name),
    partial(log_fingerprints, table=ASYNC_INVOKES),
    partial(compact_log, name=ASYNC_INVOKES.name),
)


def at(options: DestinationOptions, shard: str | None = None) -> LakeDestination:
    """The lake at a folder or URL, as one of several workers loads it."""
    return LakeDestination.at(options, "parquet", shard)
