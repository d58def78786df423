"""Random histories of a Bedrock and of what happens to the runs that copy it."""

import os
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from bedrock_async_etl.destinations import Destination
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.load import RunResult
from bedrock_async_etl.load.verification import Verification
from bedrock_async_etl.models.refresh import Refresh
from bedrock_emulator import Control, Emulator
from tests.conftest import ACCOUNT, NOW, REGION
from tests.copies import CopyKind, Row, destination_of, listed_rows
from tests.whole_load.invariants import (
    Around,
    Range,
    Rows,
    assert_changes_only,
    assert_exact,
    assert_few_calls,
    assert_nothing_is_lost,
    assert_vanished,
    assert_verified,
    held,
    told_as_vanished,
)
from tests.whole_load.moments import MOMENTS
from tests.whole_load.processes import Answer, Order, Strike, carried_out

ROLE: Final = "arn:aws:iam::444455556666:role/Reader"
REGIONS: Final = (REGION, "eu-west-1")
SCOPES: Final = [(account, region) for account in (ACCOUNT, "444455556666") for region in REGIONS]

ROLE_SECONDS: Final = 3_600
"""Credentials of a role are not good for longer."""
LAG_SECONDS: Final = 300
LATE_SECONDS: Final = 140
"""By the listing; as much again may lie between submitTime and the arrival here."""
BREAKING_RATES: Final = ("error_500_rate", "error_503_rate", "reset_rate", "cut_body_rate")
COUNTED_FAULTS: Final = ("throttled", "error_500", "error_503", "reset", "cut_body")
STEPS_BETWEEN_MODELS: Final = 25

TALLY: Counter[str] = Counter()
"""What all histories of this process had in them."""

copies = st.sampled_from(["first", "second"])
scopes = st.sampled_from(range(len(SCOPES)))
times = st.sampled_from([0.001, 60.0, 301.0, 100_000.0])
slices = st.sampled_from([3, 20, 100_000])
clocks = st.sampled_from([0, 0, 0, 3_000, 100_000, -100_000])
moments = st.sampled_from(list(MOMENTS)).flatmap(
    lambda name: st.tuples(st.just(name), st.integers(1, MOMENTS[name].times))
)
"""And the how manieth time."""
rates = st.sampled_from([0.0, 0.0, 0.0, 0.1])
faults = st.fixed_dictionaries(
    {
        "seed": st.integers(0, 1_000),
        **dict.fromkeys(BREAKING_RATES, rates),
        "throttle_per_second": st.sampled_from([0.0, 0.0, 60.0]),
        "throttle_burst": st.just(10),
        "empty_page_rate": st.sampled_from([0.0, 0.3]),
        "short_pages": st.booleans(),
        "token_ttl_calls": st.sampled_from([0, 12]),
        "late_visibility_seconds": st.sampled_from([0, LATE_SECONDS]),
        "after_inclusive": st.booleans(),
        "before_inclusive": st.booleans(),
        "unknown_members": st.booleans(),
        "retention_seconds": st.sampled_from([0, 2 * 86_400]),
    }
)


class WholeLoad(RuleBasedStateMachine):
    """Two copies of one Bedrock; after each run of the product its promises are looked at."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = Path(tempfile.mkdtemp())
        self._emulator = Emulator(NOW)
        self._emulator.__enter__()
        self._bedrock: Control = self._emulator.control
        self._kinds: dict[str, CopyKind] = {"first": "duckdb"}
        self._faults: dict[str, Any] = {}
        self._denied: set[int | None] = set()
        self._ever_listed: defaultdict[str, set[Row]] = defaultdict(set)
        self._torn: set[str] = set()
        """Copies whose last run was killed."""
        self._recounting: set[str] = set()
        """Those whose next run may count as new what the killed one had put there: in a database
        only where the package is lost that would have told."""
        self._is_backup_torn = False
        self._steps = 0

    def teardown(self) -> None:
        for counters in self._bedrock.calls().values():
            for name in COUNTED_FAULTS:
                TALLY[name] += counters[name]
        self._emulator.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @initialize(
        second=st.sampled_from(["duckdb", "parquet", "delta", "iceberg"]),
        faults=faults,
        invocations=st.integers(0, 15),
    )
    def begin(self, second: CopyKind, faults: dict[str, Any], invocations: int) -> None:
        """So many in each scope around now, of which some are running."""
        self._kinds["second"] = second
        self._faults = faults
        self._bedrock.faults(**faults)
        for account, region in SCOPES if invocations else ():
            span = NOW - timedelta(days=1), NOW + timedelta(days=1)
            self._bedrock.populate(account, region, invocations, *span, faults["seed"])

    @rule(
        scope=scopes,
        count=st.integers(1, 9),
        minutes=st.sampled_from([0.1, 5.0, 90.0, 4_000.0, None]),
        is_failing=st.booleans(),
    )
    def submit(self, scope: int, count: int, minutes: float | None, is_failing: bool) -> None:
        """Invocations that take so long; None: that never end."""
        self._submit(scope, [self._bedrock.now()] * count, minutes, is_failing)
        self._count("submit")

    @rule(
        scope=scopes,
        count=st.integers(1, 9),
        seconds_ago=st.integers(1, LATE_SECONDS),
        seconds_apart=st.sampled_from([0.0, 0.001, 7.0]),
    )
    def arrive_late(self, scope: int, count: int, seconds_ago: int, seconds_apart: float) -> None:
        """Invocations that are known some time after their submitTime."""
        first = self._bedrock.now() - timedelta(seconds=seconds_ago)
        times = [first + nth * timedelta(seconds=seconds_apart) for nth in range(count)]
        self._submit(scope, times, minutes=20.0)
        self._count("arrive late")

    def _submit(
        self,
        scope: int,
        times: list[datetime],
        minutes: float | None,
        is_failing: bool = False,
    ) -> None:
        for submit_time in times:
            self._bedrock.submit(
                *SCOPES[scope],
                submit_time=submit_time,
                duration=None if minutes is None else timedelta(minutes=minutes),
                failure_message="Internal error." if is_failing and minutes else None,
            )

    @rule(
        seconds=st.sampled_from([0.001, 1.0, 60.0, 299.0, 301.0, 3_600.0, 3 * 3_600.0, 100_000.0])
    )
    def pass_time(self, seconds: float) -> None:
        """Not for this machine: the clock of the service goes on."""
        self._bedrock.advance(timedelta(seconds=seconds))
        self._count("pass time")

    @rule(scope=st.none() | scopes, is_allowed=st.booleans())
    def permit(self, scope: int | None, is_allowed: bool) -> None:
        """Listing in a scope, or not; None: assuming the role."""
        if scope is not None:
            self._bedrock.faults(*SCOPES[scope], **self._faults, access_denied=not is_allowed)
        elif is_allowed:
            self._bedrock.reset_roles()
        else:
            self._bedrock.refuse_role(ROLE)
        (self._denied.discard if is_allowed else self._denied.add)(scope)
        self._count("permit" if is_allowed else "deny")

    @precondition(lambda self: (self._folder / "dlt").exists())
    @rule()
    def lose_working_directory(self) -> None:
        shutil.rmtree(self._folder / "dlt", ignore_errors=True)
        self._recounting |= self._torn
        self._count("lose working directory")

    @precondition(lambda self: self._path("first").exists())
    @rule()
    def back_up(self) -> None:
        for name in ("first", "first.wal"):
            self._backup(name).unlink(missing_ok=True)
            if (self._folder / name).exists():
                shutil.copy(self._folder / name, self._backup(name))
        self._is_backup_torn = "first" in self._torn
        self._count("back up")

    @precondition(lambda self: self._backup("first").exists())
    @rule()
    def restore(self) -> None:
        for name in ("first", "first.wal"):
            (self._folder / name).unlink(missing_ok=True)
            if self._backup(name).exists():
                shutil.copy(self._backup(name), self._folder / name)
        if self._is_backup_torn:
            self._torn.add("first")
            self._recounting.add("first")
        self._count("restore")

    @precondition(lambda self: self._path("first").exists() or self._path("second").exists())
    @rule(copy=copies)
    def delete(self, copy: str) -> None:
        if self._path(copy).is_dir():
            shutil.rmtree(self._path(copy))
        for name in (copy, f"{copy}.wal"):
            (self._folder / name).unlink(missing_ok=True)
        self._count("delete")

    @rule(
        copy=copies,
        slice_rows=slices,
        concurrency=st.sampled_from([1, 4]),
        lag_seconds=st.sampled_from([LAG_SECONDS, 2 * LAG_SECONDS]),
        seconds_off=clocks,
    )
    def run(
        self,
        copy: str,
        slice_rows: int,
        concurrency: int,
        lag_seconds: int,
        seconds_off: int,
    ) -> None:
        options = {"concurrency": concurrency, "lag_seconds": lag_seconds}
        self._run(copy, options, slice_rows=slice_rows, seconds_off=seconds_off)
        self._count("run")

    @rule(
        copy=copies,
        slice_rows=slices,
        seconds_off=clocks,
        moment=moments,
        is_after=st.booleans(),
    )
    def run_and_kill(
        self,
        copy: str,
        slice_rows: int,
        seconds_off: int,
        moment: tuple[str, int],
        is_after: bool,
    ) -> None:
        strike = Strike(*moment, is_after)
        self._run(copy, {}, slice_rows=slice_rows, seconds_off=seconds_off, strike=strike)
        self._count("run to be killed")

    @rule(copy=copies, slice_rows=slices, moment=moments, seconds=times)
    def run_while_time_passes(
        self, copy: str, slice_rows: int, moment: tuple[str, int], seconds: float
    ) -> None:
        strike = Strike(*moment, is_after=True, seconds_passed=seconds)
        self._run(copy, {}, slice_rows=slice_rows, strike=strike)
        self._count("run while time passes")

    @rule(
        copy=copies,
        slice_rows=slices,
        since=st.sampled_from([None, 100.0, 400.0, 7_200.0, 200_000.0]),
        until=st.sampled_from([None, 0.0, 90.0, 3_600.0]),
    )
    def run_a_range(
        self, copy: str, slice_rows: int, since: float | None, until: float | None
    ) -> None:
        """From and to so many seconds ago."""
        now = self._bedrock.now()
        if since is not None and until is not None and since <= until:
            return
        span = Range(_ago(now, since), _ago(now, until))
        self._run(copy, {"since": span.since, "until": span.until}, span, slice_rows=slice_rows)
        self._count("run a range")

    @precondition(lambda self: self._path("first").exists() or self._path("second").exists())
    @rule(copy=copies)
    def verify(self, copy: str) -> None:
        """The product's own judgement agrees with that of these tests."""
        held, listed = self._held(copy), self._listed()
        options = {"regions": list(REGIONS), "role_arns": [ROLE]}
        answer = self._carried_out(copy, verb="verify", options=options)
        around = Around(held, self._held(copy), listed, self._listed(), self._ever_listed)
        assert around.before == around.after
        if held:
            assert isinstance(answer, Verification), answer
            for scope in answer.scopes:
                if scope.outcome == "ok":
                    assert_verified(around.of(scope), scope)
                else:
                    assert self._may_fail(scope.account_id, scope.region, 0), scope.error
        self._count("verify")

    @precondition(lambda self: self._steps >= STEPS_BETWEEN_MODELS)
    @rule(copy=copies, nth=st.sampled_from([None, 8, 20, 40, 60]))
    def refresh(self, copy: str, nth: int | None) -> None:
        """Rebuild the models; they are killed at their n-th statement."""
        self._steps = 0
        strike = nth and Strike("DuckDB is told something", nth, is_after=True)
        before = self._modelled(copy)
        answer = self._carried_out(copy, verb="refresh", strike=strike or None)
        if answer is None:
            assert self._modelled(copy) in (before, len(self._held(copy)))
        elif self._held(copy):
            assert isinstance(answer, Refresh), answer
            assert answer.exit_code == 0, answer
            assert self._modelled(copy) == len(self._held(copy))
        self._count("refresh")

    def _run(
        self, copy: str, options: dict[str, Any], span: Range | None = None, **surroundings: Any
    ) -> None:
        before, listed = self._held(copy), self._listed()
        options |= {"regions": list(REGIONS), "role_arns": [ROLE]}
        answer = self._carried_out(copy, verb="load", options=options, **surroundings)
        listed_last = self._listed()
        around = Around(before, self._held(copy), listed, listed_last, self._ever_listed)
        assert_nothing_is_lost(around)
        if isinstance(answer, RunResult):
            self._look(copy, answer, around, span or Range(), surroundings.get("seconds_off", 0))
        else:
            assert answer is None, answer
            self._torn.add(copy)
            if self._kinds[copy] != "duckdb":
                self._recounting.add(copy)

    def _look(
        self, copy: str, result: RunResult, around: Around, span: Range, seconds_off: float
    ) -> None:
        is_recovered = result.rows_recovered > 0
        is_still = around.listed_first == around.listed_last
        is_recounting = is_recovered or copy in self._recounting
        vanished = told_as_vanished(self._destination(copy))
        for scope in result.scopes:
            there = around.of(scope)
            if scope.outcome != "ok":
                assert self._may_fail(scope.account_id, scope.region, seconds_off), scope.error
                continue
            assert_exact(there, span, is_recovered=is_recovered)
            if is_still and not is_recounting:
                assert_changes_only(there, span, scope)
            if span.is_all and is_still:
                assert_vanished(there, vanished)
            if span.is_all and not self._is_breaking:
                assert_few_calls(there, scope)
        self._note(copy, result)

    def _note(self, copy: str, result: RunResult) -> None:
        if not result.failed:
            self._torn.discard(copy)
            self._recounting.discard(copy)
        TALLY["runs"] += 1
        TALLY["rows"] += result.rows_loaded
        TALLY["packages recovered"] += result.rows_recovered > 0
        TALLY["failed scopes"] += len(result.failed)

    def _may_fail(self, account: str, region: str, seconds_off: float) -> bool:
        is_denied = SCOPES.index((account, region)) in self._denied
        is_role_lost = None in self._denied or seconds_off >= ROLE_SECONDS
        is_refused = is_role_lost and account != ACCOUNT
        return is_denied or is_refused or self._is_breaking

    @property
    def _is_breaking(self) -> bool:
        return any(self._faults[name] for name in BREAKING_RATES)

    def _carried_out(self, copy: str, **order: Any) -> Answer:
        variables = self._emulator.environment(ACCOUNT, REGION) | {
            "DLT_DATA_DIR": str(self._folder / "dlt"),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }
        answer = carried_out(
            Order(
                kind=self._kinds[copy],
                path=self._path(copy),
                environment=variables,
                control_url=self._bedrock.url,
                **order,
            )
        )
        TALLY["kills"] += answer is None
        return answer

    def _path(self, copy: str) -> Path:
        return self._folder / copy

    def _backup(self, name: str) -> Path:
        return self._folder / f"backup.{name}"

    def _destination(self, copy: str) -> Destination:
        return destination_of(self._kinds[copy], self._path(copy))

    def _held(self, copy: str) -> Rows:
        return held(self._destination(copy))

    def _modelled(self, copy: str) -> int:
        try:
            with self._destination(copy).existing().connection() as connection:
                return int(connection.sql("from bedrock_analytics.invocations").shape[0])
        except (CommandError, duckdb.CatalogException):
            return 0

    def _listed(self) -> Mapping[str, Row]:
        listed = listed_rows(self._bedrock)
        for arn, row in listed.items():
            self._ever_listed[arn].add(row)
        return listed

    def _count(self, name: str) -> None:
        self._steps += 1
        TALLY["steps"] += 1
        TALLY[f"step: {name}"] += 1


def _ago(now: datetime, seconds: float | None) -> datetime | None:
    return None if seconds is None else now - timedelta(seconds=seconds)
