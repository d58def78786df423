"""Grafana's dashboard: `python -m tests.dashboard` writes `docs/grafana/bedrock_async_etl.json`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from grafana_foundation_sdk.builders import common, dashboard, stat, timeseries
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import StackingMode
from grafana_foundation_sdk.models.dashboard import (
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableRefresh,
)

FILE: Final = Path(__file__).parents[1] / "docs" / "grafana" / "bedrock_async_etl.json"
PROMETHEUS: Final = DataSourceRef(type_val="prometheus", uid="$prometheus")
COPY: Final = '{destination=~"$destination"}'
SCOPE: Final = '{destination=~"$destination", account_id=~"$account", region=~"$region"}'
MODEL: Final = '{destination=~"$destination", model_id=~"$model"}'


class Number(NamedTuple):
    """A number of now: red from `bad` on."""

    title: str
    query: str
    description: str
    bad: float
    unit: str = "short"


class Lines(NamedTuple):
    """A chart: a line for each of the labels."""

    title: str
    query: str
    description: str
    legend: str
    unit: str = "short"
    is_stacked: bool = False


NUMBERS: Final = (
    Number(
        "Stalest scope",
        f"max(time() - bedrock_async_oldest_success_timestamp_seconds{COPY})",
        "Time since the last successful run of the scope that has waited longest for one.",
        3600,
        "s",
    ),
    Number(
        "Failing scopes",
        f'sum(bedrock_async_scopes{{outcome="failed", {COPY[1:]}) or vector(0)',
        "Scopes whose last run failed.",
        1,
    ),
    Number(
        "Never read",
        f"sum(bedrock_async_scopes_never_read{COPY})",
        "Scopes without a successful run.",
        1,
    ),
    Number(
        "Exit code",
        f"max(bedrock_async_last_run_exit_code{COPY})",
        "The last run's: 0 good, 1 failed, 2 wrong usage, 3 some scopes failed.",
        1,
    ),
    Number(
        "Open incidents",
        f"sum(bedrock_async_model_open_incidents{MODEL})",
        "Failures beyond chance that have not ended.",
        1,
    ),
    Number(
        "Stuck",
        f"sum(bedrock_async_model_stuck_invocations{MODEL})",
        "Open invocations older than three times the 99th percentile of their model.",
        1,
    ),
)
ROWS: Final = (
    (
        "Models",
        (
            Lines(
                "Failure risk",
                f"bedrock_async_model_failure_risk{MODEL}",
                "Share of the last 30 days that will have failed once all have ended.",
                "{{model_id}}",
                "percentunit",
            ),
            Lines(
                "Failures by fault",
                f"sum by (fault) (bedrock_async_model_fault_invocations{MODEL})",
                "Failed in the last 30 days: the client's fault, the service's, or the content's.",
                "{{fault}}",
                is_stacked=True,
            ),
            Lines(
                "95th percentile of the latency",
                f'bedrock_async_model_survival_seconds{{percentile="95", {MODEL[1:]}',
                "95 % of the last 30 days end within that time; open ones count as running.",
                "{{model_id}}",
                "s",
            ),
            Lines(
                "Open incidents",
                f"bedrock_async_model_open_incidents{MODEL}",
                "Failures beyond chance that have not ended.",
                "{{model_id}}",
            ),
            Lines(
                "Open",
                f"bedrock_async_model_open_invocations{MODEL}",
                "Invocations that have not ended.",
                "{{model_id}}",
                is_stacked=True,
            ),
            Lines(
                "Stuck",
                f"bedrock_async_model_stuck_invocations{MODEL}",
                "Open invocations older than three times the 99th percentile of their model.",
                "{{model_id}}",
                is_stacked=True,
            ),
        ),
    ),
    (
        "Scopes",
        (
            Lines(
                "Time since the last successful run",
                f"time() - bedrock_async_scope_last_success_timestamp_seconds{SCOPE}",
                "Of each account and region.",
                "{{account_id}}/{{region}}",
                "s",
            ),
            Lines(
                "Failing",
                f"1 - bedrock_async_scope_last_run_success{SCOPE}",
                "1 where the last run of the account and region failed.",
                "{{account_id}}/{{region}}",
                is_stacked=True,
            ),
            Lines(
                "New and changed rows of a run",
                f'bedrock_async_scope_last_run_rows{{kind=~"new|changed", {SCOPE[1:]}',
                "What the last run has loaded.",
                "{{account_id}}/{{region}} {{kind}}",
            ),
            Lines(
                "Throttled calls of a run",
                f"bedrock_async_scope_last_run_throttled_calls{SCOPE}",
                "Calls of ListAsyncInvokes that were made again.",
                "{{account_id}}/{{region}}",
            ),
        ),
    ),
)
VARIABLES: Final = (
    ("destination", "label_values(bedrock_async_build_info, destination)"),
    ("account", f"label_values(bedrock_async_scope_last_run_success{COPY}, account_id)"),
    ("region", f"label_values(bedrock_async_scope_last_run_success{COPY}, region)"),
    ("model", f"label_values(bedrock_async_model_open_invocations{COPY}, model_id)"),
)


def _query(query: str, legend: str = "") -> Dataquery:
    return Dataquery().datasource(PROMETHEUS).expr(query).legend_format(legend).ref_id("A")


def _number(number: Number) -> stat.Panel:
    steps = [Threshold(value=None, color="green"), Threshold(value=number.bad, color="red")]
    thresholds = dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
    return (
        stat.Panel()
        .title(number.title)
        .description(number.description)
        .datasource(PROMETHEUS)
        .with_target(_query(number.query).instant())
        .unit(number.unit)
        .thresholds(thresholds)
        .span(4)
        .height(4)
    )


def _chart(lines: Lines) -> timeseries.Panel:
    mode = StackingMode.NORMAL if lines.is_stacked else StackingMode.NONE
    return (
        timeseries.Panel()
        .title(lines.title)
        .description(lines.description)
        .datasource(PROMETHEUS)
        .with_target(_query(lines.query, lines.legend))
        .unit(lines.unit)
        .stacking(common.StackingConfig().mode(mode))
        .fill_opacity(30 if lines.is_stacked else 0)
        .min(0)
        .span(12)
        .height(8)
    )


def queries() -> Sequence[str]:
    """Every query of the dashboard."""
    return [number.query for number in NUMBERS] + [
        lines.query for _, charts in ROWS for lines in charts
    ]


def text() -> str:
    """The dashboard as JSON, as Grafana imports it."""
    board = (
        dashboard.Dashboard("Bedrock asynchronous invocations")
        .uid("bedrock-async-etl")
        .description("Is the copy fresh and whole; what is failing, slow or stuck?")
        .tags(["bedrock"])
        .timezone("utc")
        .time("now-24h", "now")
        .refresh("5m")
        .with_variable(
            dashboard.DatasourceVariable("prometheus").label("Prometheus").type("prometheus")
        )
    )
    # Lines are named after models and scopes, of which each destination has its own.
    for name, query in VARIABLES:
        board.with_variable(
            dashboard.QueryVariable(name)
            .label(name.capitalize())
            .datasource(PROMETHEUS)
            .query(query)
            .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
            .multi(name != "destination")
            .include_all(name != "destination")
        )
    for number in NUMBERS:
        board.with_panel(_number(number))
    for title, charts in ROWS:
        board.with_row(dashboard.Row(title))
        for lines in charts:
            board.with_panel(_chart(lines))
    document = json.loads(JSONEncoder(sort_keys=True).encode(board.build()))
    return json.dumps(document, indent=2, sort_keys=True) + "\n"


if __name__ == "__main__":
    FILE.write_text(text())
