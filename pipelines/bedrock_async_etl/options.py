"""The options of the commands that are not the source's, each declared once; imports stay light."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any, Final, Literal

from bedrock_async_etl.errors import UsageError
from bedrock_async_etl.logs import LogFormat
from bedrock_async_invokes.errors import OptionError
from bedrock_async_invokes.options import LoadOptions, option, parse_duration

Per = Literal["scope", "region", "model", "all"]
Period = Literal["1d", "7d"]
SECTION: Final = "bedrock_async_etl"
"""The section of dlt's configuration; `check`, `digest` and `report` have sections in it."""
SOURCE_SECTION: Final = "sources.bedrock_async_invokes"
CHECK_SECTION: Final = f"{SECTION}.check"
DIGEST_SECTION: Final = f"{SECTION}.digest"
REPORT_SECTION: Final = f"{SECTION}.report"

DEFAULT_DATABASE: Final = "bedrock_async.duckdb"
GRACE_SECONDS: Final = 3_600
"""Time for which files of a lake that were replaced stay for their readers."""
DESTINATIONS: Final = tuple(
    module.name
    for module in iter_modules([str(Path(__file__).with_name("destinations"))])
    if not module.ispkg
)
"""Kinds of destinations: the names of the modules in `destinations/`."""
if TYPE_CHECKING:
    DestinationKind = str
else:
    DestinationKind = Literal[DESTINATIONS]


@dataclass(frozen=True, kw_only=True)
class DestinationOptions:
    """The place of the copy, and its upkeep; raises `OptionError` for values that make no sense."""

    destination: DestinationKind | None = option(
        None,
        "Kind of destination; duckdb, or parquet with --lake, by default.",
        panel="The copy",
        example='"parquet"',
    )
    database: str = option(DEFAULT_DATABASE, "DuckDB file.", "FILE", panel="The copy")
    lake: str | None = option(
        None,
        "Lake: a folder, or s3://BUCKET/PATH.",
        "URL",
        panel="The copy",
        example='"s3://my-bucket/bedrock"',
    )
    catalog: str | None = option(
        None,
        "Catalog of an Iceberg lake: glue, or a name that pyiceberg's configuration has.",
        "NAME",
        panel="The copy",
        example='"glue"',
    )
    storage_version: str = option(
        "v1.2.0",
        "Oldest version of DuckDB that can open a new file; an existing file keeps its own.",
        panel="The copy",
        flag="",
    )
    compact_after: int = option(
        10,
        "Merge a lake's small files when extract_runs has more than N; 0: never.",
        "N",
        panel="The copy",
    )

    wait: str = option(
        "60s",
        "Time to wait while another process holds the destination; 0s: do not.",
        "DURATION",
        panel="The copy",
    )

    def __post_init__(self) -> None:
        if self.compact_after < 0:
            raise OptionError(f"compact_after must be 0 or more, not {self.compact_after}.")
        parse_duration("wait", self.wait)


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """The SQL models that are built."""

    models: str | None = option(
        None,
        "Folder with SQL models and checks of your own.",
        "DIR",
        panel="Models",
        example='"our_models"',
    )


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The output of a run, apart from what it loads."""

    log_format: LogFormat = option(
        "text", "Log format on stderr; `json` leaves out the tables on stdout.", panel="Output"
    )
    metrics: str | None = option(
        None,
        "Write metrics for Prometheus, such as DIR/bedrock.prom.",
        "FILE",
        panel="Output",
        example='"/var/lib/prometheus/node-exporter/bedrock.prom"',
    )
    publish: str | None = option(
        None,
        "Copy of the database for readers, replaced at once when rows or models have changed.",
        "FILE",
        panel="Output",
        example='"/srv/bedrock/bedrock_readers.duckdb"',
    )


@dataclass(frozen=True, kw_only=True)
class CheckOptions:
    """The thresholds of `check`. Those with `[MODEL=]` can be given once more for single models."""

    max_failure_rate: list[str] | None = option(
        None,
        "Maximum share that will have failed once all have ended, such as 5%; repeatable.",
        "[MODEL=]SHARE",
        panel="Thresholds",
        example='"5%"',
        details=(
            "A model, or all models together, that fails more often: `5%` or `0.05`. The low end "
            "of the 95 % interval of the [`failure_risk`](../sql/README.md#what-the-numbers-mean) "
            "has to be above the threshold. A risk that is above it, and whose interval reaches "
            "below it, is *inconclusive*: it is printed, and is no breach unless `--strict` is "
            "given."
        ),
    )
    max_service_failure_rate: list[str] | None = option(
        None,
        "The same of failures that are the service's fault; repeatable.",
        "[MODEL=]SHARE",
        panel="Thresholds",
        example='"1%"',
        details=(
            "The same, of failures that are the service's fault alone (capacity, internal errors, "
            "timeouts, aborted ones: [`failure_fault`](../sql/README.md#what-the-numbers-mean)), "
            "as a share of all that finished. Filtered content and rejected inputs do not count, "
            "nor do messages that no category knows."
        ),
    )
    max_p95: list[str] | None = option(
        None,
        "Maximum time within which 95 % finish, such as 90s, 30m or 24h; repeatable.",
        "[MODEL=]DURATION",
        panel="Thresholds",
        example='"10m"',
        details=(
            "A model whose 95th percentile is longer: `90s`, `30m`, `24h`, `7d`, or seconds. Open "
            "invocations count ([survival estimate](../sql/README.md#what-the-numbers-mean)). The "
            "low end of its 95 % interval has to be above the threshold; else a p95 above it is "
            "*inconclusive*, or a breach with `--strict`."
        ),
    )
    max_open_age: list[str] | None = option(
        None,
        "Maximum age of an open invocation; repeatable.",
        "[MODEL=]DURATION",
        panel="Thresholds",
        example='"24h"',
        details=(
            "An invocation that has been open for longer, whenever it was submitted. Vanished "
            "ones do not count. The line says so where nothing of the model has ended in 24 hours "
            "([`is_stalled`](../sql/README.md#what-the-numbers-mean))."
        ),
    )
    max_incident: list[str] | None = option(
        None,
        "Maximum time since an open incident started; 0s: none may be open; repeatable.",
        "[MODEL=]DURATION",
        panel="Thresholds",
        example='"1h"',
        details=(
            "An open [incident](../sql/README.md#what-the-numbers-mean) that started longer ago: "
            "`30m`, or `0s` for any. It ends once a later hour has been read of which an "
            "invocation has ended, or after a day."
        ),
    )
    max_lag: str | None = option(
        None,
        "Maximum time since a scope's last successful run.",
        "DURATION",
        panel="Thresholds",
        example='"1h"',
        details=(
            "A scope whose last successful run is longer ago, by this machine's clock, or that "
            "never had one; and models that were not rebuilt for as long."
        ),
    )
    window: str = option(
        "24h",
        "Period before the last successful run whose submissions are checked.",
        "DURATION",
        panel="How to judge",
    )
    per: Per = option(
        "model", "What rates and percentiles are judged for, each by itself.", panel="How to judge"
    )
    strict: bool = option(
        False,
        "Count a rate or p95 above its threshold as a breach, whatever its interval.",
        panel="How to judge",
    )
    allow_empty: bool = option(
        False, "Pass if nothing in the window has finished.", panel="How to judge"
    )
    notify: list[str] | None = option(
        None,
        "Notify of breaches: Slack, Teams, mail and others, by a URL of apprise; repeatable.",
        "URL",
        panel="Output",
        is_secret=True,
    )


@dataclass(frozen=True, kw_only=True)
class DigestOptions:
    """The contents of a digest, and who gets it."""

    period: Period = option("1d", "Period that is compared with the one before it.")
    notify: list[str] | None = option(
        None, "Post the digest as `check --notify` posts; repeatable.", "URL", is_secret=True
    )


@dataclass(frozen=True, kw_only=True)
class ReportOptions:
    """The contents of a report."""

    period: str = option(
        "30d", "Period of the report, such as 30d or 12w.", "DAYS", panel="Contents"
    )
    quotas: list[str] | None = option(
        None,
        "Quota of a model: invocations in flight in one account and region; repeatable.",
        "MODEL=N",
        panel="Contents",
        flag="--quota",
        example='{"amazon.nova-reel-v1:1" = 20}',
    )
    redact: bool = option(
        False,
        "Leave out messages, errors, ARNs, outputs, account ids and the destination.",
        panel="Contents",
    )


SECTIONS: Final[Mapping[str, Sequence[type]]] = {
    SOURCE_SECTION: (LoadOptions,),
    SECTION: (DestinationOptions, ModelOptions, RunOptions),
    CHECK_SECTION: (CheckOptions,),
    DIGEST_SECTION: (DigestOptions,),
    REPORT_SECTION: (ReportOptions,),
}
"""By section of dlt's configuration: the classes that declare its options."""
FURTHER_KEYS: Final[Mapping[str, Sequence[str]]] = {
    SECTION: ("metrics_max_scopes", "slice_rows", "umask"),
    CHECK_SECTION: ("models",),
}
"""By section: keys that are no command's option."""


def check_name(where: str, name: str, known: Collection[str]) -> None:
    """Raise `UsageError` for a name that is not known, with the one that is nearest."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f'did you mean "{near[0]}"?' if near else f"it may have {', '.join(known)}."
        raise UsageError(f'{where} has "{name}", which is no setting: {hint}')


def drop_none(**options: Any) -> dict[str, Any]:
    """The options that have a value; dlt's configuration has the others."""
    return {name: value for name, value in options.items() if value is not None}
