"""Every column of every model against numpy, pandas, statsmodels and lifelines, on many rows."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lifelines import AalenJohansenFitter, KaplanMeierFitter
from lifelines.statistics import logrank_test
from pandas.testing import assert_frame_equal
from scipy.special import gammaln, xlogy
from scipy.stats import hypergeom
from statsmodels.duration.hazard_regression import PHReg
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportions_ztest

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from tests.builds import build_models
from tests.conftest import NOW
from tests.copies import assert_built_alike_by_hand
from tests.integration.budgets import SOAK, cases
from tests.sql.given import FAULTS, store
from tests.timelines import modelled, timeline

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::lifelines.exceptions.ApproximationWarning"),
]

ROWS = 200_000 if SOAK else 60_000
LATEST = NOW - timedelta(days=30 if SOAK else 5)
"""Hours since then are compared with what follows from their rows."""
SCOPE = ["account_id", "region"]
MODEL = [*SCOPE, "model_id"]
SHARES = {"p50": 50, "p90": 90, "p95": 95, "p99": 99}
HOUR_MS = 3_600_000
ROUNDING = 1e-9
"""lifelines' curve can miss a share that it reaches by the last digit of a float."""


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("timeline") / "timeline.duckdb"
    return modelled(database, ROWS, timedelta(days=30)).database


@pytest.fixture(scope="module")
def sixty_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    database = tmp_path_factory.mktemp("sixty_days") / "timeline.duckdb"
    return modelled(database, ROWS, timedelta(days=60)).database


@pytest.fixture(scope="module")
def listed(database: Path) -> pd.DataFrame:
    return rows_of(database)


def rows_of(database: Path) -> pd.DataFrame:
    """The loaded rows, and what follows from them in plain pandas."""
    rows = frame(database, "bedrock.async_invokes")
    rows["is_terminal"] = rows["status"].isin(["Completed", "Failed"])
    rows["is_failed"] = rows["status"] == "Failed"
    rows["is_open"] = ~rows["is_terminal"]
    rows["submit_hour"] = rows["submit_time"].dt.floor("h")
    rows["submit_ms"] = milliseconds(rows["submit_time"])
    rows["end_ms"] = milliseconds(rows["end_time"])
    rows["latency_ms"] = (rows["end_ms"] - rows["submit_ms"]).where(rows["is_terminal"])
    now_ms = NOW.timestamp() * 1000
    rows["age_ms"] = (now_ms - rows["submit_ms"]).where(rows["is_open"])
    return rows


def frame(database: Path, table: str) -> pd.DataFrame:
    with DuckDBDestination(database).connection() as connection:
        rows: pd.DataFrame = connection.sql(f"from {table}").to_df()
    for name in rows.select_dtypes("datetimetz"):
        rows[name] = rows[name].dt.as_unit("us")
    return rows


def model(database: Path, name: str, keys: list[str]) -> pd.DataFrame:
    return frame(database, f"bedrock_analytics.{name}").sort_values(keys, ignore_index=True)


def milliseconds(times: pd.Series) -> pd.Series:
    """Since 1970; the listing's times are whole milliseconds."""
    microseconds = times.dt.tz_convert(None).to_numpy("datetime64[us]").astype("int64")
    return pd.Series(microseconds / 1000, times.index).where(times.notna())


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame, keys: list[str]) -> None:
    """Counts, times and nearest-rank percentiles exactly, ratios to 1e-9."""
    expected = expected.sort_values(keys, ignore_index=True)[list(found.columns)]
    assert len(found) > 0
    assert_frame_equal(found, expected, check_dtype=False, rtol=1e-9, atol=1e-12)


def nearest_rank(values: pd.Series, percent: int) -> float:
    """The smallest value that `percent` per cent of all do not exceed."""
    ordered = np.sort(values.to_numpy())
    return float(ordered[-(-len(ordered) * percent // 100) - 1])


def survival(rows: pd.DataFrame) -> dict[str, Any]:
    durations = rows["latency_ms"].fillna(rows["age_ms"])
    ended = rows["latency_ms"].notna()
    curve = KaplanMeierFitter().fit(durations, ended)
    points = {
        name: curve.percentile(1 - share / 100 + ROUNDING) / 1000 for name, share in SHARES.items()
    }
    points |= p95_interval(curve)
    return {"ended": ended.sum(), "still_open": (~ended).sum()} | {
        name: None if point is None or np.isinf(point) else point for name, point in points.items()
    }


def p95_interval(curve: KaplanMeierFitter) -> dict[str, float | None]:
    """Order statistics of as many as have the variance that Greenwood's sum gives."""
    table = curve.event_table.iloc[1:]
    table = table[table["observed"] > 0]
    survived = curve.survival_function_["KM_estimate"].reindex(table.index)
    before = survived.shift(fill_value=1.0)
    table, survived, before = (each[before > 0.05 + ROUNDING] for each in (table, survived, before))
    if table.empty:
        return {"p95_low": None, "p95_high": None}
    share = max(survived.iloc[-1], 0.05)
    at_risk, observed = table["at_risk"].astype(float), table["observed"]
    added = (1 / (at_risk - observed) - 1 / at_risk).iloc[:-1].sum()
    added += before.iloc[-1] / (at_risk.iloc[-1] * share) - 1 / at_risk.iloc[-1]
    size = round((1 - share) / (share * added), 6)
    # The number of invocations that takes at most the true p95, also of a size that is no integer.
    ranks = np.arange(int(size) + 1)
    logs = gammaln(size + 1) - gammaln(ranks + 1) - gammaln(size - ranks + 1)
    chance = np.cumsum(np.exp(logs + ranks * np.log(0.95) + (size - ranks) * np.log(0.05)))
    chance /= chance[-1]
    low, high = (chance <= 0.025).sum(), np.argmax(chance >= 0.975) + 1
    bounds = {"p95_low": low, "p95_high": high}
    return {
        name: 0.0
        if rank == 0
        else None
        if rank > size
        else curve.percentile(1 - rank / size + ROUNDING) / 1000
        for name, rank in bounds.items()
    }


def of_groups(rows: pd.DataFrame, keys: list[str], compute: Any) -> pd.DataFrame:
    return pd.DataFrame(
        [
            dict(zip(keys, key, strict=True)) | compute(group)
            for key, group in rows.groupby(keys, sort=False)
        ]
    )


def outcomes(rows: pd.DataFrame) -> dict[str, Any]:
    failed = int(rows["is_failed"].sum())
    terminal = int(rows["is_terminal"].sum())
    rate = failed / terminal if terminal else None
    effect = design_effect(rows) if terminal else None
    risk, risk_size = failure_risk(rows) if terminal else (None, None)
    return {
        "invocations": len(rows),
        "completed": terminal - failed,
        "failed": failed,
        "in_progress": int((rows["status"] == "InProgress").sum()),
        **interval("failure_rate", rate, terminal, effect),
        **interval("failure_risk", risk, risk_size, effect),
    }


def interval(
    name: str, share: float | None, size: float | None, effect: float | None
) -> dict[str, Any]:
    """A share with its interval, as of `size` over `effect` invocations."""
    low = high = None
    if share is not None and size is not None and effect is not None:
        effective = size / effect
        low, high = proportion_confint(share * effective, effective, method="wilson")
        low = 0.0 if share == 0 else low
        high = 1.0 if share == 1 else high
    return {name: share, f"{name}_low": low, f"{name}_high": high}


def design_effect(rows: pd.DataFrame) -> float:
    """The variance of the hours' failures around what is expected of each, over the binomial one.

    It is more where few hours have failures, and at most the size of an hour.
    """
    ended = rows[rows["is_terminal"]].groupby("submit_hour")["is_failed"]
    failed, terminal = ended.sum().to_numpy(), ended.size().to_numpy()
    rate, hours = failed.sum() / terminal.sum(), len(terminal)
    if hours == 1 or rate in (0, 1):
        return 1.0
    between = np.sum((failed - rate * terminal) ** 2) * hours / (hours - 1)
    excess = between / (terminal.sum() * rate * (1 - rate)) - 1
    failing = failed.sum() ** 2 / np.sum(failed**2)
    effect = 1 + max(0, excess) * (1 + 3 / failing + 4 / failing**2)
    return float(min(effect, np.sum(terminal**2) / terminal.sum()))


def failure_risk(rows: pd.DataFrame) -> tuple[float, float]:
    """lifelines' estimate, and the number of invocations whose rate has the same variance.

    It moves what ends at the same time apart, by chance: here it is moved apart in order. The
    variance is that of an influence function, which is summed over the open ones.
    """
    failed, terminal = int(rows["is_failed"].sum()), int(rows["is_terminal"].sum())
    measured = rows[rows["latency_ms"].notna() | rows["is_open"]]
    times = measured["latency_ms"].fillna(measured["age_ms"]).to_numpy()
    kind = np.select([measured["is_open"], measured["is_failed"]], [0, 1], 2)
    youngest = times[kind == 0].min(initial=np.inf)
    if youngest >= times[kind > 0].max(initial=0):
        size = terminal + int(rows["is_open"].sum())
        return failed / size, size
    order = np.lexsort((kind == 0, times))
    times, kind = times[order], kind[order]
    apart = times + np.arange(len(times)) * 1e-6
    curve = AalenJohansenFitter(calculate_variance=False).fit(apart, kind, event_of_interest=1)
    so_far = curve.cumulative_density_.iloc[:, 0].reindex(apart, method="ffill").to_numpy()
    risk = float(so_far[-1])
    if not 0 < risk < 1:
        return risk, terminal
    size = len(times)
    running = size - np.arange(size)
    still = KaplanMeierFitter().fit(apart, kind > 0).survival_function_at_times(apart).to_numpy()
    later = risk - so_far
    censored = (kind == 0) & (running > 1)
    added = later * (still - later) / np.where(running > 1, running * (running - 1), 1)
    variance = risk * (1 - risk) / size + added[censored].sum()
    return risk, risk * (1 - risk) / variance


def latencies(rows: pd.DataFrame) -> dict[str, Any]:
    seconds = rows["latency_ms"] / 1000
    return {"measured": len(rows), "latency_avg": seconds.mean(), "latency_max": seconds.max()} | {
        f"latency_{name}": nearest_rank(seconds, share) for name, share in SHARES.items()
    }


def test_invocations(database: Path, listed: pd.DataFrame) -> None:
    key = ["invocation_arn"]
    expected = listed.assign(
        latency_seconds=listed["latency_ms"] / 1000,
        output_bucket=listed["output_s3_uri"].str.extract(r"^s3://([^/]+)")[0],
        is_vanished=False,
    )
    found = model(database, "invocations", key)
    category = found.pop("failure_category")
    fault = found.pop("failure_fault")
    assert found.pop("vanished_at").isna().all()
    assert_equal(found, expected, key)
    is_failed = found["is_failed"]
    assert category[~is_failed].isna().all()
    assert fault.isna().equals(~is_failed)
    assert fault[is_failed].equals(category[is_failed].map(FAULTS))
    assert set(category[is_failed]) == {
        "aborted",
        "capacity",
        "content_filter_input",
        "content_filter_output",
        "internal_error",
        "storage_access",
        "timeout",
        "validation",
    }


@pytest.mark.parametrize(("name", "cohort"), [("hourly", "submit_hour"), ("daily", "submit_date")])
def test_failure_rates(name: str, cohort: str, database: Path, listed: pd.DataFrame) -> None:
    keys = [*MODEL, cohort]
    length = timedelta(hours=1 if name == "hourly" else 24)
    settled_through = NOW - timedelta(minutes=5)

    def expected_row(rows: pd.DataFrame) -> dict[str, Any]:
        end = pd.Timestamp(rows[cohort].iloc[0]).tz_localize(None) + length
        is_read = end.tz_localize("UTC") <= settled_through
        return outcomes(rows) | {"is_settled": is_read and not rows["is_open"].any()}

    found = model(database, f"failure_rate_{name}", keys)
    if name == "hourly":
        found, listed = (
            rows[rows[cohort] >= LATEST].reset_index(drop=True) for rows in (found, listed)
        )
    expected = of_groups(listed, keys, expected_row)
    assert_equal(found, expected, keys)


def test_outcomes(database: Path, listed: pd.DataFrame) -> None:
    keys = [*MODEL, "end_hour"]
    ended = listed[listed["is_terminal"] & listed["end_time"].notna()]
    ended = ended.assign(end_hour=ended["end_time"].dt.floor("h"))

    def counts(rows: pd.DataFrame) -> dict[str, Any]:
        failed = int(rows["is_failed"].sum())
        return {"completed": len(rows) - failed, "failed": failed}

    assert_equal(model(database, "outcomes_hourly", keys), of_groups(ended, keys, counts), keys)


@pytest.mark.parametrize(("name", "cohort"), [("hourly", "submit_hour"), ("daily", "submit_date")])
def test_latencies(name: str, cohort: str, database: Path, listed: pd.DataFrame) -> None:
    keys = [*MODEL, "status", cohort]
    measured = listed[listed["latency_ms"].notna()]
    expected = of_groups(measured, keys, latencies)
    assert_equal(model(database, f"latency_{name}", keys), expected, keys)


def test_latency_survival_daily(database: Path, listed: pd.DataFrame) -> None:
    keys = [*MODEL, "submit_date"]
    expected = of_groups(listed, keys, survival)
    found = model(database, "latency_survival_daily", keys)
    assert (found["still_open"] > 0).any()
    assert_equal(found, expected, keys)


def test_failure_reasons_daily(database: Path, listed: pd.DataFrame) -> None:
    invocations = frame(database, "bedrock_analytics.invocations")
    failed = invocations[invocations["is_failed"]]
    cohort = [*MODEL, "submit_date"]
    keys = [*cohort, "failure_category"]
    expected = of_groups(
        failed,
        keys,
        lambda rows: {
            "failed": len(rows),
            "failure_fault": FAULTS[rows["failure_category"].iloc[0]],
            "first_seen": rows["submit_time"].min(),
            "last_seen": rows["submit_time"].max(),
            "example_arn": rows["invocation_arn"].min(),
        },
    )
    expected["share"] = expected["failed"] / expected.groupby(cohort)["failed"].transform("sum")
    assert_equal(model(database, "failure_reasons_daily", keys), expected, keys)


def sweep(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Every hour of one model, by going through its submissions and ends one after the other."""
    now_ms = int(NOW.timestamp() * 1000)
    steps: dict[int, int] = defaultdict(int)
    for submit in rows["submit_ms"]:
        steps[int(submit)] += 1
    for end in rows["end_ms"].dropna():
        steps[int(end)] -= 1
    first = int(rows["submit_ms"].min()) // HOUR_MS
    is_open = rows["is_open"].any()
    last = max((now_ms - 1 if is_open else 0), *steps) // HOUR_MS
    submitted = (rows["submit_ms"] // HOUR_MS).value_counts()
    ended = (rows["end_ms"].dropna() // HOUR_MS).value_counts()
    instants, at, level = sorted(steps), 0, 0
    for hour in range(first, last + 1):
        start, end = hour * HOUR_MS, min((hour + 1) * HOUR_MS, max(now_ms, instants[-1]))
        peak, area, since = 0 if instants[at : at + 1] == [start] else level, 0, start
        while at < len(instants) and instants[at] < (hour + 1) * HOUR_MS:
            area += level * (instants[at] - since)
            since, level = instants[at], level + steps[instants[at]]
            peak, at = max(peak, level), at + 1
        area += level * (end - since)
        yield {
            "hour": pd.Timestamp(start, unit="ms", tz="UTC"),
            "submitted": submitted.get(hour, 0),
            "ended": ended.get(hour, 0),
            "in_flight_peak": peak,
            "in_flight_avg": area / (end - start),
        }


def test_in_flight_hourly(database: Path, listed: pd.DataFrame) -> None:
    expected = pd.DataFrame(
        [
            dict(zip(MODEL, key, strict=True)) | hour
            for key, rows in listed.groupby(MODEL)
            for hour in sweep(rows)
        ]
    )
    keys = [*MODEL, "hour"]
    counts = expected[["submitted", "ended", "in_flight_peak"]]
    expected = expected[counts.max(axis="columns") > 0]
    expected["hour"] = expected["hour"].dt.as_unit("us")
    found = model(database, "in_flight_hourly", keys)
    assert found["in_flight_peak"].max() > 10
    assert_equal(found, expected, keys)


def test_open_invocations(database: Path, listed: pd.DataFrame) -> None:
    key = ["invocation_arn"]
    is_recent = listed["end_ms"] >= (NOW - timedelta(days=30)).timestamp() * 1000
    ended = listed[(listed["status"] == "Completed") & is_recent]
    typical = ended.groupby("model_id")["latency_ms"].agg(nearest_rank, 99) / 1000
    assert ended.groupby("model_id").size().min() >= 30
    expected = listed[listed["is_open"]].copy()
    expected["age_seconds"] = expected["age_ms"] / 1000
    expected["typical_p99"] = expected["model_id"].map(typical)
    expected["is_stuck"] = expected["age_seconds"] > 3 * expected["typical_p99"]
    expected["is_vanished"] = False
    found = model(database, "open_invocations", key)
    assert set(found["is_stuck"]) == {True, False}
    assert_equal(found, expected, key)


LEVELS = {"scope": [*SCOPE], "region": ["region"], "model": []}
WEEK_HOURS = 168
STANDS_OUT = 12


def windows_tested(listed: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Windows of each series and length in which anything was submitted, with their p_values."""
    for level, columns in LEVELS.items():
        for key, rows in listed.groupby([*columns, "model_id"]):
            counts = ["is_failed", "is_terminal", "is_open"]
            for window_hours in (1, 6, 24):
                windows = rows.set_index("submit_time")[counts].astype(float)
                windows = windows.resample(f"{window_hours}h", origin="epoch").sum()
                tested = series_tested(windows, WEEK_HOURS // window_hours)
                labels = dict(zip([*columns, "model_id"], key, strict=True))
                yield tested.assign(
                    level=level, window_hours=window_hours, **dict.fromkeys(MODEL) | labels
                )


def series_tested(windows: pd.DataFrame, in_a_week: int) -> pd.DataFrame:
    """The windows of one series against those of the week before each."""
    failed, terminal = windows["is_failed"], windows["is_terminal"]
    number = terminal + windows["is_open"]

    def week_before(counts: pd.Series) -> pd.Series:
        return counts.rolling(in_a_week, min_periods=1).sum().shift(fill_value=0.0).round()

    def likelihood(failed: pd.Series, number: pd.Series) -> pd.Series:
        rate = failed / number
        return xlogy(failed, rate) + xlogy(number - failed, 1 - rate)

    before, n_before = week_before(failed), week_before(terminal)
    gain = likelihood(failed, number) + likelihood(before, n_before)
    gain -= likelihood(failed + before, number + n_before)
    stands_out = (gain > STANDS_OUT) & (failed * n_before > before * number)
    tested = pd.DataFrame(
        {
            "window_start": windows.index,
            "failed": failed,
            "terminal": terminal,
            "still_open": windows["is_open"],
            "baseline_failed": week_before(failed.where(~stands_out, 0.0)),
            "baseline_terminal": week_before(terminal.where(~stands_out, 0.0)),
        }
    )
    all_failed = tested["failed"] + tested["baseline_failed"]
    everything = number + tested["baseline_terminal"]
    tested["p_value"] = hypergeom.sf(failed - 1, everything, all_failed, number)
    return tested[number > 0]


def test_failure_spikes(database: Path, listed: pd.DataFrame) -> None:
    tested = pd.concat(windows_tested(listed), ignore_index=True)
    dates = tested["window_start"].dt.floor("D")
    spikes = []
    for date, model_id in product(dates.unique(), tested["model_id"].unique()):
        is_recent = (dates <= date) & (dates > date - pd.Timedelta(days=7))
        family = tested[is_recent & (tested["model_id"] == model_id)]
        _, q_values, *_ = multipletests(family["p_value"], method="fdr_bh")
        family = family.assign(q_value=q_values * is_recent.sum() / len(family))
        spikes.append(family[(dates[family.index] == date) & (family["q_value"] <= 0.01)])
    expected = pd.concat(spikes)
    expected["rate"] = expected["failed"] / expected["terminal"]
    expected["baseline_rate"] = expected["baseline_failed"] / expected["baseline_terminal"]
    expected["excess_failed"] = (
        expected["failed"] - expected["baseline_rate"] * expected["terminal"]
    )
    keys = ["level", *MODEL, "window_hours", "window_start"]
    found = model(database, "failure_spikes", keys)
    assert set(found["level"]) == LEVELS.keys()
    assert_equal(found, expected, keys)


def test_model_summary(database: Path, listed: pd.DataFrame) -> None:
    """The timeline is 30 days long, so that a summary is over all of it."""
    stuck = frame(database, "bedrock_analytics.open_invocations").groupby("model_id")["is_stuck"]
    ended = listed[listed["latency_ms"].notna()]
    survived = of_groups(listed, ["model_id"], survival).rename(
        columns={
            "p50": "survival_p50",
            "p95": "survival_p95",
            "p99": "survival_p99",
            "p95_low": "survival_p95_low",
            "p95_high": "survival_p95_high",
        }
    )
    expected = (
        of_groups(listed, ["model_id"], outcomes)
        .merge(of_groups(ended, ["model_id"], latencies), on="model_id")
        .merge(survived, on="model_id")
    )
    expected["open_invocations"] = expected["model_id"].map(stuck.size()).fillna(0)
    expected["vanished"] = 0
    expected["stuck_unknown"] = 0
    expected["is_stalled"] = False
    expected["stuck"] = expected["model_id"].map(stuck.sum()).fillna(0)
    failed = frame(database, "bedrock_analytics.invocations").query("is_failed")
    for fault in ("client", "service", "content"):
        of_fault = failed[failed["failure_fault"] == fault].groupby("model_id").size()
        expected[f"failed_{fault}"] = expected["model_id"].map(of_fault).fillna(0)
    expected["failed_unknown"] = 0
    expected[["completed_before", "failed_before"]] = 0
    expected[["failure_rate_before", "failure_z_score", "latency_z_score"]] = np.nan
    expected["change"] = "unknown"
    assert_equal(model(database, "model_summary", ["model_id"]), expected, ["model_id"])


def change(rows: pd.DataFrame) -> dict[str, Any]:
    """The two tests of one model, by statsmodels and lifelines.

    Latencies that are not in buckets have nearly the same log-rank statistic.
    """
    rows = rows.assign(recent=rows["submit_time"] >= NOW - timedelta(days=30))
    terminal = rows[rows["is_terminal"]]
    both = terminal.groupby("recent")["is_failed"].agg(["sum", "size"]).sort_index(ascending=False)
    failure_z, _ = proportions_ztest(both["sum"], both["size"])
    failing = (terminal["recent"] - terminal["recent"].mean()) * (
        terminal["is_failed"] - terminal["is_failed"].mean()
    )
    timed = rows[~rows["is_failed"]]
    ms, ended = timed["latency_ms"].fillna(timed["age_ms"]), timed["latency_ms"].notna()
    bucket = np.floor(100 * np.log(1 + ms))
    cox = PHReg(bucket, timed["recent"].astype(float), status=ended, ties="breslow")
    earlier = pd.Series(cox.score_residuals(np.zeros(1))[:, 0], timed.index)
    latency_z = -np.sign(earlier.sum()) * logrank(bucket, ended, timed["recent"])
    assert abs(latency_z) == pytest.approx(logrank(ms, ended, timed["recent"]), abs=0.1)
    before = both.loc[False]
    return {
        "completed_before": before["size"] - before["sum"],
        "failed_before": before["sum"],
        "failure_rate_before": before["sum"] / before["size"],
        "failure_z_score": failure_z / np.sqrt(dates_effect(terminal, failing, failure_z)),
        "latency_z_score": latency_z / np.sqrt(dates_effect(timed, earlier, latency_z)),
    }


def logrank(durations: pd.Series, ended: pd.Series, recent: pd.Series) -> float:
    """lifelines' statistic is the square of a standard normal one."""
    split = [*(durations[recent == each] for each in (True, False))]
    observed = [*(ended[recent == each] for each in (True, False))]
    return float(np.sqrt(logrank_test(*split, *observed).test_statistic))


def dates_effect(rows: pd.DataFrame, scores: pd.Series, z_score: float) -> float:
    """The variance between dates of a sum of scores over that by which it has this z-score."""
    between = 0.0
    for recent in (True, False):
        dates = scores[rows["recent"] == recent].groupby(rows["submit_date"]).agg(["sum", "size"])
        number, total = len(dates), dates.sum()
        apart = dates["sum"] - dates["size"] / total["size"] * total["sum"]
        raised = (1 + 4 / (number - 1) + 3 / (number - 1) ** 2) * number / (number - 1)
        between += raised * (apart**2).sum()
    return max(1.0, float(between / (scores.sum() / z_score) ** 2))


def test_the_change_of_a_model(sixty_days: Path) -> None:
    rows = rows_of(sixty_days)
    expected = of_groups(rows, ["model_id"], change)
    found = model(sixty_days, "model_summary", ["model_id"])
    assert set(found["change"]) == {"same"}
    columns = [*expected.columns]
    assert_frame_equal(
        found[columns],
        expected.sort_values("model_id", ignore_index=True),
        check_dtype=False,
        rtol=0,
        atol=1e-6,
    )


def test_load_freshness(database: Path) -> None:
    found = model(database, "load_freshness", SCOPE)
    runs = frame(database, "bedrock.extract_runs")
    expected = runs.rename(
        columns={"finished_at": "last_success_at", "outcome": "last_outcome", "error": "last_error"}
    ).assign(lag_seconds=0.0)
    assert_equal(found, expected, SCOPE)


@pytest.mark.soak
def test_survival_percentiles_hold_while_a_tenth_is_open(tmp_path: Path) -> None:
    """Sixteen minutes of submissions, seen as the last is made, and when all have ended."""
    model_id, span = "amazon.nova-reel-v1:0", timedelta(minutes=16)
    moments = {"while open": NOW, "complete": NOW + timedelta(days=7)}
    summaries = {}
    for (name, _), tables in zip(
        moments.items(), timeline(200_000, span, *moments.values()), strict=True
    ):
        database = store(tmp_path / f"{name}.duckdb", **tables)
        build_models(DuckDBDestination(database))
        summary = frame(database, "bedrock_analytics.model_summary").set_index("model_id")
        summaries[name] = summary.loc[model_id]
    seen, complete = summaries["while open"], summaries["complete"]
    assert complete["still_open"] == 0
    assert 0.09 < seen["still_open"] / seen["invocations"] < 0.11
    p99 = complete["latency_p99"]
    assert complete["survival_p99"] == p99
    assert seen["survival_p99"] == pytest.approx(p99, rel=0.03)
    assert seen["latency_p99"] < 0.95 * p99


@pytest.mark.parametrize(
    "zone", cases([("America/New_York",), ("Asia/Kolkata",)], [("Asia/Kolkata",)])
)
def test_a_session_elsewhere_builds_the_same(zone: str, database: Path) -> None:
    """By hand, where summer time begins within the timeline, and half an hour off the others."""
    assert_built_alike_by_hand(database, zone)
