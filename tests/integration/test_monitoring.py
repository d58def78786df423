"""The alerts fire and clear in Prometheus, and Grafana's dashboard asks what it understands."""

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.dashboard import FILE, queries, text

pytestmark = pytest.mark.integration

ALERTS: Final = Path(__file__).parents[2] / "docs" / "prometheus" / "alerts.yml"
RULES: Final = yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]
HOURS: Final = 3
"""Time that is bad, and after it the time that is good."""
MINUTES: Final = 60 * HOURS
BAD_THEN_GOOD: Final = {
    "BedrockMetricsAreMissing": ("last_run_finished_timestamp_seconds", "_", "1"),
    "BedrockRunIsOverdue": ("last_run_finished_timestamp_seconds", "0", "NOW"),
    "BedrockRunFails": ("last_run_exit_code", "1", "0"),
    "BedrockRunIsIncomplete": ("last_run_exit_code", "3", "0"),
    "BedrockCopyIsStale": ("oldest_success_timestamp_seconds", "0", "NOW"),
    "BedrockScopeWasNeverRead": ("scopes_never_read", "2", "0"),
    "BedrockScopeFails": ("scope_last_run_success", "0", "1"),
    "BedrockRowsAreListedLate": ("scope_last_run_late_seconds", "600", "0"),
    "BedrockRowsAreQuarantined": ("scope_last_run_quarantined_invocations", "1", "0"),
    "BedrockChecksFail": ("failed_checks", "1", "0"),
    "BedrockModelFails": ("model_open_incidents", "1", "0"),
    "BedrockInvocationsAreStuck": ("model_stuck_invocations", "11", "10"),
    "BedrockNothingEnds": ("model_stalled", "1", "0"),
}
"""Of each alert: the metric, a value on which it fires, and one on which it clears."""


def promtool(*arguments: str | Path) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def try_rules(folder: Path, **test: Any) -> None:
    document = {
        "rule_files": [str(ALERTS)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", **test}],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(document))
    promtool("test", "rules", path)


def test_each_alert_is_tried() -> None:
    assert [rule["alert"] for rule in RULES] == list(BAD_THEN_GOOD)
    assert all({"summary", "description"} == set(rule["annotations"]) for rule in RULES)


@pytest.mark.parametrize("alert", BAD_THEN_GOOD)
def test_an_alert_fires_and_clears(alert: str, tmp_path: Path) -> None:
    metric, bad, good = BAD_THEN_GOOD[alert]
    later = f"{60 * (MINUTES + 1)}+60x{MINUTES}" if good == "NOW" else f"{good}x{MINUTES}"
    firing = f'count(ALERTS{{alertname="{alert}", alertstate="firing"}})'
    labels = 'destination="duckdb:/a", account_id="1", region="r", model_id="m"'
    series = {
        "series": f"bedrock_async_{metric}{{{labels}}}",
        "values": f"{bad}x{MINUTES} {later}",
    }
    try_rules(
        tmp_path,
        input_series=[series],
        promql_expr_test=[
            {
                "expr": firing,
                "eval_time": f"{HOURS - 1}h",
                "exp_samples": [{"labels": "{}", "value": 1}],
            },
            {"expr": firing, "eval_time": f"{2 * HOURS}h", "exp_samples": []},
        ],
    )


@pytest.mark.parametrize(
    ("code", "alert", "severity", "summary"),
    [
        (1, "BedrockRunFails", "critical", "Runs end with exit code 1, a failure."),
        (2, "BedrockRunFails", "critical", "Runs end with exit code 2, wrong usage."),
        (3, "BedrockRunIsIncomplete", "warning", "Runs end with exit code 3, some scopes failed."),
        (
            143,
            "BedrockRunIsIncomplete",
            "warning",
            "Runs end with exit code 143, before they are done.",
        ),
    ],
)
def test_the_alert_says_what_an_exit_code_means(
    code: int, alert: str, severity: str, summary: str, tmp_path: Path
) -> None:
    [description] = [rule["annotations"]["description"] for rule in RULES if rule["alert"] == alert]
    try_rules(
        tmp_path,
        input_series=[
            {"series": "bedrock_async_last_run_exit_code", "values": f"{code}x{MINUTES}"}
        ],
        alert_rule_test=[
            {
                "eval_time": "2h",
                "alertname": alert,
                "exp_alerts": [
                    {
                        "exp_labels": {"severity": severity},
                        "exp_annotations": {"summary": summary, "description": description},
                    }
                ],
            }
        ],
    )


def test_the_dashboard_is_what_its_script_writes_and_grafanas_schema_reads() -> None:
    stored = FILE.read_text()
    assert stored == text()
    read = Dashboard.from_json(json.loads(stored))
    assert read.title == "Bedrock asynchronous invocations"
    assert read.templating.list_val
    assert [each.name for each in read.templating.list_val][1:] == [
        "destination",
        "account",
        "region",
        "model",
    ]


def test_prometheus_understands_each_query_of_the_dashboard(tmp_path: Path) -> None:
    rules = [{"record": f"a:{n}", "expr": query} for n, query in enumerate(queries())]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)
