"""A report is a file that is whole, of what was asked for, and redacted where that was asked."""

import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from bedrock_async_etl.cli import app
from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.options import ReportOptions
from bedrock_async_etl.report.report import find_options, write_report
from tests import timelines
from tests.bedrock_async_etl.copies import ACCOUNT, REEL, invocation, modelled, report, store

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(1)>"
BUCKET = "s3://renders-of-a-customer/a"


def of_a_customer(summary: dict[str, Any]) -> dict[str, Any]:
    return summary | {
        "failureMessage": HOSTILE,
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": BUCKET}},
    }


@pytest.fixture
def copy(tmp_path: Path) -> DuckDBDestination:
    """One that failed and one that is open, in a scope whose last run failed."""
    failed = invocation("failed-one", timedelta(hours=2), status="Failed")
    still_open = invocation("open-one", timedelta(hours=1), None)
    runs = [report(ago=timedelta(hours=1)), report("failed", error="Denied: for role/customer")]
    invocations = [of_a_customer(failed), of_a_customer(still_open)]
    return modelled(tmp_path / "copy.duckdb", invocations, runs)


def data_of(page: Path) -> dict[str, Any]:
    [text] = re.findall(r'id="data">(.*?)</script>', page.read_text())
    document: dict[str, Any] = json.loads(text)
    return document


def test_a_page_is_replaced_at_once_and_nothing_is_left(
    copy: DuckDBDestination, tmp_path: Path
) -> None:
    page = tmp_path / "pages" / "report.html"
    page.parent.mkdir()
    page.write_text("yesterday's")
    result = write_report(copy, page)
    assert list(page.parent.iterdir()) == [page]
    assert page.stat().st_size == result.bytes
    assert data_of(page)["destination"] == str(copy)


@pytest.mark.parametrize("is_opened", [True, False])
def test_a_page_is_opened_in_a_browser_where_that_is_asked_for(
    is_opened: bool, copy: DuckDBDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where there is none, its address is told, and the page is written all the same."""
    opened: list[str] = []

    def open_none(url: str) -> bool:
        opened.append(url)
        return False

    monkeypatch.setattr("webbrowser.open", open_none)
    page = tmp_path / "report.html"
    flags = ["--open"] if is_opened else []
    result = CliRunner().invoke(app, ["report", str(page), f"--database={copy.database}", *flags])
    told = f"No browser can be opened here. The page is {page.as_uri()}\n" if is_opened else ""
    assert (result.exit_code, result.stderr) == (0, told)
    assert opened == ([page.as_uri()] if is_opened else [])
    assert page.exists()


def test_a_page_is_not_opened_for_a_program(copy: DuckDBDestination, tmp_path: Path) -> None:
    arguments = ["report", str(tmp_path / "a.html"), f"--database={copy.database}"]
    result = CliRunner().invoke(app, [*arguments, "--open", "--json"])
    assert (result.exit_code, result.stderr) == (
        2,
        "Error: --open shows the page to a person, --json is for a program: give one.\n",
    )


def test_a_page_that_cannot_be_written_leaves_the_last_one(
    copy: DuckDBDestination, tmp_path: Path
) -> None:
    with pytest.raises(CommandError, match=r"Cannot write .*nowhere/report.html: No such file"):
        write_report(copy, tmp_path / "nowhere" / "report.html")
    (tmp_path / "taken").mkdir()
    with pytest.raises(CommandError, match=r"Cannot write .*taken: Is a directory"):
        write_report(copy, tmp_path / "taken")
    assert not list(tmp_path.glob(".taken*"))


@pytest.mark.slow
def test_figures_that_need_more_memory_than_most_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    destination = timelines.modelled(tmp_path / "copy.duckdb", 12_000, timedelta(days=70))
    page = tmp_path / "report.html"
    write_report(destination, page)
    expected = data_of(page)
    monkeypatch.setattr("bedrock_async_etl.report.report.MEMORY_LIMIT", "set memory_limit = '9MB'")
    write_report(destination, page)
    assert data_of(page) | {"made_ms": 0} == expected | {"made_ms": 0}


def test_a_copy_without_models_says_what_to_do(tmp_path: Path) -> None:
    destination = store(tmp_path / "copy.duckdb", [])
    with pytest.raises(CommandError, match="has no models yet: build them with `models`"):
        write_report(destination, tmp_path / "report.html")


def test_what_is_redacted_is_nowhere_in_the_page(copy: DuckDBDestination, tmp_path: Path) -> None:
    sensitive = (
        *("alert(1)", BUCKET, ACCOUNT, "failed-one", "open-one", "role/customer"),
        str(copy.database.resolve().parent),
    )
    kept, redacted = tmp_path / "kept.html", tmp_path / "redacted.html"
    write_report(copy, kept)
    write_report(copy, redacted, ReportOptions(redact=True))
    assert [text for text in sensitive if text in kept.read_text()] == list(sensitive)
    assert [text for text in sensitive if text in redacted.read_text()] == []
    assert data_of(redacted)["accounts"] == ["account 1"]


def test_a_model_with_an_account_in_its_name_is_redacted(tmp_path: Path) -> None:
    router = invocation("a", timedelta(hours=1)) | {
        "modelArn": f"arn:aws:bedrock:us-east-1:{ACCOUNT}:prompt-router"
    }
    destination = modelled(tmp_path / "copy.duckdb", [router, invocation("b", timedelta(hours=2))])
    write_report(destination, tmp_path / "report.html", ReportOptions(redact=True))
    assert ACCOUNT not in (tmp_path / "report.html").read_text()
    assert sorted(data_of(tmp_path / "report.html")["models"]) == [REEL, "model 2"]


def test_a_quota_is_that_of_its_model(copy: DuckDBDestination, tmp_path: Path) -> None:
    options = ReportOptions(quotas=[f"{REEL}=7", "another=9"])
    write_report(copy, tmp_path / "report.html", options)
    assert data_of(tmp_path / "report.html")["quotas"] == [7]


def test_a_quota_that_is_given_wins_over_the_configured_one(
    copy: DuckDBDestination, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__REPORT__QUOTAS", f'{{"{REEL}": 10}}')
    for given, quota in (([], 10), ([f"{REEL}=6"], 6)):
        write_report(copy, tmp_path / "report.html", find_options(quotas=given))
        assert data_of(tmp_path / "report.html")["quotas"] == [quota]


def test_options_come_from_the_configuration_where_they_are_not_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert find_options() == ReportOptions(quotas=[])
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__REPORT__PERIOD", "4w")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__REPORT__REDACT", "true")
    monkeypatch.setenv("BEDROCK_ASYNC_ETL__REPORT__QUOTAS", '{"reel": 10, "ray": 5}')
    quotas = ["reel=10", "ray=5"]
    assert find_options() == ReportOptions(period="4w", quotas=quotas, redact=True)
    given = find_options(period="7d", quotas=["ray=6"])
    assert given == ReportOptions(period="7d", quotas=[*quotas, "ray=6"], redact=True)


@pytest.mark.parametrize("period", ["30", "d", "-1d", "1h", "٣d"])
def test_what_is_no_period_is_wrong_usage(
    copy: DuckDBDestination, tmp_path: Path, period: str
) -> None:
    with pytest.raises(UsageError, match=f"--period '{period}' is not a period"):
        write_report(copy, tmp_path / "report.html", ReportOptions(period=period))


@pytest.mark.parametrize("period", ["0d", "9999d", "9999w"])
def test_a_period_that_no_report_has_is_wrong_usage(
    copy: DuckDBDestination, tmp_path: Path, period: str
) -> None:
    with pytest.raises(UsageError, match=f"^--period must be 1d to 3660d, not {period}.$"):
        write_report(copy, tmp_path / "report.html", ReportOptions(period=period))


def test_a_quota_of_a_model_that_is_not_shown_is_a_warning_with_the_nearest(
    copy: DuckDBDestination, tmp_path: Path
) -> None:
    """It may be configured before the model's first invocation: the report is written."""
    quotas = [f"{REEL}=7", "amazon.nova-real-v1=5", "foo=5"]
    written = write_report(copy, tmp_path / "report.html", ReportOptions(quotas=quotas))
    assert written.warnings == [
        f"--quota amazon.nova-real-v1: the report shows no such model: did you mean {REEL}?",
        f"--quota foo: the report shows no such model: it shows {REEL}.",
    ]


@pytest.mark.parametrize("quota", ["reel=many", "reel", "=3", "reel=-1", "reel=1.5"])
def test_what_is_no_quota_is_wrong_usage(
    copy: DuckDBDestination, tmp_path: Path, quota: str
) -> None:
    with pytest.raises(UsageError, match=f"--quota '{quota}' is not MODEL=N with a whole number"):
        write_report(copy, tmp_path / "report.html", ReportOptions(quotas=[quota]))
