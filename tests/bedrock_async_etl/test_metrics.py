"""The metrics file: read by both of Prometheus's formats, equal to what the database holds."""

import os
import re
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)
from prometheus_client.parser import text_string_to_metric_families as text_families
from typer.testing import CliRunner, Result

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.metrics import METRICS, PREFIX, Facts, RunMetrics
from bedrock_async_invokes.columns import ADDED_UP
from bedrock_emulator import Control
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import query

HOSTILE = 'a "quoted"\\back\nslash{x="1"} # EOF'
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def run(database: Path, *arguments: str) -> Result:
    metrics = ("--metrics", str(database.with_name("bedrock.prom")))
    return CliRunner().invoke(app, ["run", f"--database={database}", *metrics, *arguments])


@pytest.fixture
def listed(bedrock: Control, database: Path) -> Control:
    for region in (REGION, "eu-west-1"):
        bedrock.populate(ACCOUNT, region, 400, NOW - timedelta(days=3), NOW)
    return bedrock


@pytest.fixture
def file(database: Path) -> Path:
    return database.with_name("bedrock.prom")


def samples(text: str) -> Samples:
    """Every sample, without the prefix, as both parsers read it."""
    read = [
        {
            (sample.name.removeprefix(PREFIX), frozenset(sample.labels.items())): sample.value
            for family in families(text)
            for sample in family.samples
        }
        for families in (text_families, open_metrics_families)
    ]
    assert read[0] == read[1]
    assert len(read[0]) == sum(not line.startswith("#") for line in text.splitlines())
    return read[0]


def of(database: Path, name: str, value: Any, **labels: str) -> Samples:
    """One sample of a database's metrics."""
    every = {"destination": f"duckdb:{database}", **labels}
    number = value.timestamp() if isinstance(value, datetime) else float(value)
    return {(name, frozenset(every.items())): number}


def stored_scopes(database: Path) -> Samples:
    """What `extract_runs` says of scopes that were run once."""
    expected: Samples = {}
    kinds = [each.removeprefix("rows_") for each in ADDED_UP if each.startswith("rows_")]
    for account, region, ended, rows, *costs, left, through in query(
        database,
        f"select account_id, region, finished_at, [rows_{', rows_'.join(kinds)}], calls, "
        "throttled, pages, vanished, quarantined, open_invocations, submitted_through "
        "from bedrock.extract_runs",
    ):
        calls, throttled, pages, gone, foreign = costs
        scope = {"account_id": account, "region": region}
        expected |= of(database, "scope_last_run_success", 1, **scope)
        expected |= of(database, "scope_last_success_timestamp_seconds", ended, **scope)
        expected |= of(database, "scope_submitted_through_timestamp_seconds", through, **scope)
        expected |= of(database, "scope_open_invocations", left, **scope)
        for kind, number in zip(kinds, rows, strict=True):
            expected |= of(database, "scope_last_run_rows", number, **scope, kind=kind)
        expected |= of(database, "scope_last_run_calls", calls, **scope)
        expected |= of(database, "scope_last_run_throttled_calls", throttled, **scope)
        expected |= of(database, "scope_last_run_pages", pages, **scope)
        expected |= of(database, "scope_last_run_vanished_invocations", gone, **scope)
        expected |= of(database, "scope_last_run_quarantined_invocations", foreign, **scope)
    return expected


def stored_models(database: Path) -> Samples:
    """What `model_summary` says."""
    expected: Samples = {}
    faults = ("client", "service", "content", "unknown")
    for model, completed, failed, still_open, gone, stuck, stalled, risk, by, *percentiles in query(
        database,
        "select model_id, completed, failed, open_invocations, vanished, stuck, is_stalled, "
        "failure_risk, [failed_client, failed_service, failed_content, failed_unknown], "
        "survival_p50, survival_p95, survival_p99 from bedrock_analytics.model_summary",
    ):
        label = {"model_id": model}
        expected |= of(database, "model_completed_invocations", completed, **label)
        expected |= of(database, "model_failed_invocations", failed, **label)
        expected |= of(database, "model_open_invocations", still_open, **label)
        expected |= of(database, "model_vanished_invocations", gone, **label)
        expected |= of(database, "model_stuck_invocations", stuck, **label)
        expected |= of(database, "model_stalled", stalled, **label)
        expected |= of(database, "model_open_incidents", 0, **label)
        if risk is not None:
            expected |= of(database, "model_failure_risk", risk, **label)
        for fault, number in zip(faults, by, strict=True):
            expected |= of(database, "model_fault_invocations", number, **label, fault=fault)
        for percentile, seconds in zip(("50", "95", "99"), percentiles, strict=True):
            if seconds is not None:
                expected |= of(
                    database, "model_survival_seconds", seconds, **label, percentile=percentile
                )
    return expected


def named(read: Samples, prefix: str) -> Samples:
    return {key: value for key, value in read.items() if key[0].startswith(prefix)}


@pytest.mark.slow
def test_both_parsers_read_what_the_database_holds(
    listed: Control, database: Path, file: Path
) -> None:
    listed.put_raw(
        ACCOUNT,
        REGION,
        NOW - timedelta(hours=1),
        {
            "invocationArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:async-invoke/hostile00000",
            "modelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{HOSTILE}",
            "status": "InProgress",
            "submitTime": (NOW - timedelta(hours=1)).isoformat(),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket"}},
        },
    )
    result = run(database, "--region", REGION, "--region", "eu-west-1")
    assert result.exit_code == 0
    read = samples(file.read_text())
    assert named(read, "scope_") == stored_scopes(database)
    models = named(read, "model_")
    assert models == stored_models(database)
    assert models.items() >= of(database, "model_open_invocations", 1, model_id=HOSTILE).items()
    assert named(read, "last_run_exit_code") == of(database, "last_run_exit_code", 0)
    assert (
        named(read, "last_run_rows").items()
        >= of(database, "last_run_rows", 801, kind="new").items()
    )
    assert named(read, "scopes") == {
        **of(database, "scopes", 2, outcome="ok"),
        **of(database, "scopes", 0, outcome="failed"),
        **of(database, "scopes_never_read", 0),
        **of(database, "scopes_left_out", 0),
    }


@pytest.mark.slow
def test_open_is_the_same_in_all_metrics_and_what_vanished_is_apart(
    bedrock: Control, database: Path, file: Path
) -> None:
    """Also of a model that was called for the last time long ago."""
    for age in (timedelta(days=90), timedelta(days=20), timedelta(minutes=1)):
        bedrock.submit(ACCOUNT, REGION, submit_time=NOW - age)
    run(database)
    bedrock.faults(retention_seconds=60 * 24 * 3600)
    bedrock.advance(timedelta(days=35))
    run(database)
    read = samples(file.read_text())
    assert sum(named(read, "model_open_invocations").values()) == 2
    assert named(read, "open_invocations") == of(database, "open_invocations", 2)
    assert [*named(read, "scope_open_invocations").values()] == [2]
    assert [*named(read, "model_vanished_invocations").values()] == [1]
    assert sum(named(read, "model_completed_invocations").values()) == 0


def test_what_is_not_known_is_not_there(listed: Control, database: Path, file: Path) -> None:
    run(database, "--no-models")
    names = {name for name, _ in samples(file.read_text())}
    assert not {name for name in names if name.startswith("model_") or name == "failed_checks"}
    assert [
        labels for name, labels in samples(file.read_text()) if name.endswith("duration_seconds")
    ] == [frozenset({("destination", f"duckdb:{database}"), ("step", "load")})]


def test_a_scope_that_fails_keeps_when_it_was_last_good(
    listed: Control, database: Path, file: Path
) -> None:
    run(database, "--no-models")
    good = named(samples(file.read_text()), "scope_last_success_timestamp_seconds")
    listed.advance(timedelta(hours=1))
    listed.faults(ACCOUNT, REGION, access_denied=True)
    assert run(database, "--no-models").exit_code == 1
    read = samples(file.read_text())
    scope = {"account_id": ACCOUNT, "region": REGION}
    assert named(read, "scope_last_success_timestamp_seconds") == good
    assert named(read, "scope_last_run_success") == of(
        database, "scope_last_run_success", 0, **scope
    )
    assert named(read, "last_run_exit_code") == of(database, "last_run_exit_code", 1)


@pytest.mark.slow
def test_a_run_that_fails_as_a_whole_says_so_beside_what_is_known(
    listed: Control, database: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(database)
    before = samples(file.read_text())
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert run(database).exit_code == 1
    read = samples(file.read_text())
    assert named(read, "last_run_exit_code") == of(database, "last_run_exit_code", 1)
    assert named(read, "last_run_rows") == {}
    assert named(read, "scope_") == named(before, "scope_")
    assert named(read, "model_") == named(before, "model_")


def test_a_run_that_finds_another_at_work_leaves_its_file_alone(
    listed: Control, database: Path, file: Path
) -> None:
    run(database, "--no-models")
    before = file.read_text()
    with FileLock(f"{database}.lock"):
        assert run(database, "--wait=0s").exit_code == 75
    assert file.read_text() == before


def test_node_exporter_may_read_it(listed: Control, database: Path, file: Path) -> None:
    before = os.umask(0o077)
    try:
        run(database, "--no-models")
    finally:
        os.umask(before)
    assert file.stat().st_mode & 0o777 == 0o644
    assert [path.name for path in database.parent.glob("*.prom*")] == [file.name]


@contextmanager
def full_disk() -> Iterator[None]:
    """No file of this process can grow beyond a few bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_writing_that_fails_half_way_leaves_the_old_file(
    listed: Control, database: Path, file: Path
) -> None:
    run(database, "--no-models")
    before = file.read_text()
    metrics = RunMetrics(DuckDBDestination(database), file)
    with full_disk():
        assert [metrics.write(code) for code in (0, 3)] == [1, 3]
    assert file.read_text() == before
    assert list(database.parent.glob(".*prom*")) == []


@pytest.mark.parametrize("place", ["missing/bedrock.prom", "", "/proc/bedrock.prom"])
def test_a_file_that_cannot_be_written_is_told_before_the_load(
    listed: Control, database: Path, place: str
) -> None:
    result = run(database, "--metrics", str(database.parent / place))
    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert re.match(r"Error: (Cannot write )?--metrics .*[Nn]ame", line)
    assert not database.exists()


def test_a_file_can_be_configured(
    listed: Control, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__METRICS", str(database.with_name("configured.prom")))
    CliRunner().invoke(app, ["run", f"--database={database}", "--no-models"])
    assert samples(database.with_name("configured.prom").read_text())


@pytest.mark.slow
def test_a_shard_tells_of_its_own_scopes_under_its_name(
    listed: Control, database: Path, file: Path
) -> None:
    both = ("--region", REGION, "--region", "eu-west-1")
    run(database, *both, "--no-models")
    told = []
    for index in (1, 2, 3):
        run(database, *both, "--shard", f"{index}/3")
        read = samples(file.read_text())
        told += [dict(labels)["region"] for _, labels in named(read, "scope_open_invocations")]
        [(_, labels)] = named(read, "last_run_exit_code")
        assert dict(labels)["shard"] == f"{index}/3"
    assert sorted(told) == ["eu-west-1", REGION]


def scope(number: int, outcome: str) -> dict[str, Any]:
    return {
        "account_id": f"{number:012}",
        "region": REGION,
        "last_success_at": NOW if outcome == "ok" else None,
        "last_outcome": outcome,
        "submitted_through": None,
        "open_invocations": 1,
    } | dict.fromkeys(ADDED_UP, 0)


def test_a_scope_of_which_only_a_range_was_loaded_is_no_failure() -> None:
    only_a_range = scope(1, "ok") | {"last_outcome": None, "last_success_at": None}
    facts = Facts("lake", "", {"exit_code": 0}, [only_a_range, scope(2, "failed")], max_scopes=1)
    read = samples(generate_latest(facts).decode())  # type: ignore[no-untyped-call]
    success = named(read, "scope_last_run_success")
    assert [(dict(labels)["account_id"], value) for (_, labels), value in success.items()] == [
        ("000000000002", 0.0)
    ]
    facts = Facts("lake", "", {"exit_code": 0}, [only_a_range])
    read = samples(generate_latest(facts).decode())  # type: ignore[no-untyped-call]
    assert named(read, "scope_last_run_success") == {}
    assert len(named(read, "scope_open_invocations")) == 1


def test_of_very_many_scopes_those_that_failed_have_series_and_the_rest_is_counted() -> None:
    scopes = [scope(number, "failed" if number == 700 else "ok") for number in range(1_000)]
    facts = Facts("lake", "", {"exit_code": 3}, scopes, max_scopes=2)
    read = samples(generate_latest(facts).decode())  # type: ignore[no-untyped-call]
    success = named(read, "scope_last_run_success")
    assert {dict(labels)["account_id"]: value for (_, labels), value in success.items()} == {
        "000000000700": 0.0,
        "000000000000": 1.0,
    }
    totals = {name: value for (name, labels), value in read.items() if len(labels) == 1}
    assert (totals["scopes_left_out"], totals["scopes_never_read"]) == (998, 1)
    assert totals["open_invocations"] == 1_000
    good = named(read, "scope_last_success_timestamp_seconds")
    assert [dict(labels)["account_id"] for _, labels in good] == ["000000000000"]


def test_the_version_is_a_label(listed: Control, database: Path, file: Path) -> None:
    run(database, "--no-models")
    expected = of(database, "build_info", 1, version=version("bedrock-async-etl"))
    assert named(samples(file.read_text()), "build_info") == expected


def test_every_count_of_extract_runs_is_a_metric_of_runs_and_of_scopes() -> None:
    counts = dict.fromkeys(ADDED_UP, 7)
    facts = Facts("lake", "", counts, [scope(1, "ok") | counts])
    read = samples(generate_latest(facts).decode())  # type: ignore[no-untyped-call]
    for prefix in ("last_run_", "scope_last_run_"):
        shown = [value for (name, _), value in read.items() if name.startswith(prefix)]
        assert shown.count(7) == len(ADDED_UP)


def test_a_metric_is_declared_once() -> None:
    names = [metric.name for metric in METRICS]
    assert len(names) == len(set(names))


def test_every_metric_is_documented() -> None:
    text = Path("docs/configuration.md").read_text()
    rows = re.findall(r"^\| (`bedrock_async_.+?) \|", text, re.MULTILINE)
    documented = set(re.findall(r"`bedrock_async_(\w+)`", " ".join(rows)))
    assert documented == {metric.name for metric in METRICS}


@pytest.mark.parametrize("file", ["prometheus/alerts.yml", "grafana/bedrock_async_etl.json"])
def test_alerts_and_dashboard_ask_for_metrics_that_are_there(file: str) -> None:
    text = Path("docs", file).read_text()
    asked = set(re.findall(rf"\b{PREFIX}(\w+)\s*(?:\{{|\)|>|=| or |$)", text, re.MULTILINE))
    assert len(asked) > 10
    assert asked <= {metric.name for metric in METRICS}
