"""A lake of Parquet files: its tables are logs, to which every new version of a row is appended."""

from typing import Final

from bedrock_async_etl.destinations.lake import LakeDestination
from bedrock_async_etl.destinations.lake.logs import LogFormat
from bedrock_async_etl.options import DestinationOptions

PLACE: Final = "lake"


class Format(LogFormat):
    """Logs, and nothing else."""


def at(options: DestinationOptions, shard: str | None = None) -> LakeDestination:
    """The lake at a folder or URL, as one of several workers loads it."""
    return LakeDestination.at(options, "parquet", shard)
