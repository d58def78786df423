"""The options of the command line, and what they are read as."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from bedrock_async_etl import DEFAULT_DATABASE
from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.logs import LogFormat, tell

DatabaseOption = Annotated[
    str | None, typer.Option(metavar="FILE", help="The DuckDB file.", show_default=DEFAULT_DATABASE)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


class DestinationKind(StrEnum):
    """Where `run` loads to."""

    DUCKDB = "duckdb"
    PARQUET = "parquet"
    DELTA = "delta"


class Engine(StrEnum):
    """What builds the models."""

    DUCKDB = "duckdb"
    SPARK = "spark"


DestinationOption = Annotated[
    DestinationKind | None,
    typer.Option(help="Where to load to.", show_default="duckdb, or parquet with --lake"),
]
LakeOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="The lake: a folder, or s3://BUCKET/PATH."),
]
RegionOption = Annotated[
    list[str] | None, typer.Option(metavar="REGION", help="Region to read, or `all`; repeatable.")
]
RoleOption = Annotated[
    list[str] | None,
    typer.Option(metavar="ARN", help="Role to assume for one more account; repeatable."),
]
OrganizationRoleOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME", help="Role to assume in every other account of the caller's organization."
    ),
]
HubRoleOption = Annotated[
    str | None,
    typer.Option(metavar="ARN", help="Role to assume first, by which all others are assumed."),
]
ExternalIdOption = Annotated[
    str | None,
    typer.Option(metavar="ID", help="External id that the roles' trust policies ask for."),
]
RoleSessionNameOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="What CloudTrail shows of who called.",
        show_default="bedrock-async-etl",
    ),
]
ShardOption = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Load only the I-th of N shares of the scopes, such as 2/4; rebuild the models "
        "afterwards with `models`.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Read all that was submitted from then on (ISO 8601)."),
]
UntilOption = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Leave out what was submitted from then on (ISO 8601)."),
]
LagOption = Annotated[
    int | None,
    typer.Option(
        metavar="SECONDS", help="Seconds that an invocation may be listed late.", show_default="300"
    ),
]
ConcurrencyOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Calls in flight, over all scopes.", show_default="8"),
]
LogFormatOption = Annotated[
    LogFormat | None,
    typer.Option(
        help="What the lines on stderr are; `json`: an object each, and no tables on stdout.",
        show_default="text",
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(metavar="FILE", help="Write metrics for Prometheus, such as DIR/bedrock.prom."),
]
NoModelsOption = Annotated[
    bool, typer.Option("--no-models", help="Load only: neither rebuild models nor check.")
]
ModelsOption = Annotated[
    str | None, typer.Option(metavar="DIR", help="A folder with SQL models and checks of your own.")
]

MaxFailureRateOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[MODEL=]SHARE",
        help="Highest share of failures among those that ended, such as 0.05 or 5%; repeatable.",
    ),
]
MaxP95Option = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[MODEL=]DURATION",
        help="Longest that 95 % may take, such as 90s, 30m or 24h; repeatable.",
    ),
]
MaxOpenAgeOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[MODEL=]DURATION", help="Longest that an invocation may be open; repeatable."
    ),
]
MaxLagOption = Annotated[
    str | None,
    typer.Option(metavar="DURATION", help="Longest that the last good run of a scope may be ago."),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Rates and p95 are of what was submitted so long before the last good run.",
        show_default="24h",
    ),
]
StrictOption = Annotated[
    bool,
    typer.Option(
        "--strict", help="A failure rate above its threshold counts, however few it is of."
    ),
]
AllowEmptyOption = Annotated[
    bool, typer.Option("--allow-empty", help="It is good if nothing in the window has ended.")
]
NotifyOption = Annotated[
    str | None,
    typer.Option(metavar="URL", help="A webhook, as Slack has them, that is told of breaches."),
]

PeriodOption = Annotated[
    str | None,
    typer.Option(
        metavar="DAYS", help="How far it reaches back, such as 30d or 12w.", show_default="30d"
    ),
]
QuotaOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="MODEL=N",
        help="How many of a model may be in flight in one account and region; repeatable.",
    ),
]
RedactOption = Annotated[
    bool,
    typer.Option("--redact", help="Leave out messages, errors, ARNs, outputs and account ids."),
]


def place(database: str | None, lake: str | None) -> dict[str, Any]:
    """Where to load to, or what was loaded; a flag wins over whatever is configured."""
    if database and lake:
        raise UsageError("--database and --lake are two destinations: give one of them.")
    return given(database=database, lake="" if database else lake)


def given(**options: Any) -> dict[str, Any]:
    """The options that have a value; dlt's configuration has the others."""
    return {name: value for name, value in options.items() if value is not None}


def parse_time(option: str, text: str | None) -> datetime | None:
    """Read a time; one without a zone is UTC, and that is said."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--{option} {text!r} is not a time. It looks like 2026-01-31T12:00:00Z."
        ) from None
    if time.tzinfo is None:
        tell("time_without_zone", f"--{option} {text} has no time zone: taken as UTC.")
        return time.replace(tzinfo=UTC)
    return time
