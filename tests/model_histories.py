"""Random histories of what is loaded, for models that are built date by date."""

import random
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from bedrock_async_etl.destinations import ANALYTICS_NAME, Destination
from bedrock_async_etl.destinations.database.model_tables import BUILDS_NAME
from bedrock_async_etl.destinations.lake import LAKE_VERSION, MARKER
from bedrock_async_etl.destinations.lake.iceberg.tables import IcebergTables
from bedrock_async_etl.files.object_store import LakeFiles
from bedrock_async_invokes.columns import TABLES
from bedrock_async_invokes.pages import page_of
from bedrock_async_invokes.records import to_table
from tests.builds import build_models
from tests.copies import CopyKind, destination_of
from tests.sql.given import good_run

START = datetime.fromisoformat("2026-02-27T22:00:00+00:00")
SCOPES = [(account, region) for account in ("1" * 12, "2" * 12) for region in ("eu-west-1", "us-1")]
MODELS = ["amazon.nova-reel-v1:1", "luma.ray-v2:0"]
MESSAGES = ["Internal error.", "Output was blocked by content filters.", "Capacity exceeded.", "?"]
OWN_MODELS = {
    "per_date": "-- dated by: submit_date\nselect submit_date, model_id, count(*) as n, "
    "{factor} as factor from bedrock_analytics.invocations group by all",
    "three_days": "-- dated by: day\n-- reads back: 3 days\n"
    "select a.submit_date as day, sum(b.n) as n from (select distinct submit_date "
    "from bedrock_analytics.per_date) as a join bedrock_analytics.per_date as b "
    "on b.submit_date between a.submit_date - 3 and a.submit_date group by all",
    "worst_model": "select model_id, max(n) as n from bedrock_analytics.per_date group by all",
    "against_worst": "-- dated by: submit_date\nselect submit_date, model_id, "
    "p.n / w.n as share from bedrock_analytics.per_date as p "
    "join bedrock_analytics.worst_model as w using (model_id)",
    "own_failure_categories": "select failure_message, 'ours' as failure_category "
    "from bedrock_analytics.failure_messages where words like ' internal%' and {factor} > 1",
}


@dataclass
class History:
    """What happens to a copy, step by step; the same for the same seed."""

    kind: CopyKind
    folder: Path
    seed: int
    now: datetime = START
    loads: int = 0
    submitted: int = 0
    listed: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.place = self.folder / ("copy.duckdb" if self.kind == "duckdb" else "lake")
        self.own_models = self.folder / "own"
        self.own_models.mkdir()
        self.write_own_models(1)
        self._make()

    @property
    def destination(self) -> Destination:
        return destination_of(self.kind, self.place)

    def write_own_models(self, factor: int) -> None:
        for name, text in OWN_MODELS.items():
            (self.own_models / f"{name}.sql").write_text(text.format(factor=factor))

    def _make(self) -> None:
        if self.kind == "duckdb":
            with duckdb.connect(self.place) as connection:
                connection.execute("create schema bedrock")
                for name, table in TABLES.items():
                    connection.register("rows", table.stored_schema.empty_table())
                    connection.execute(f"create table bedrock.{name} as from rows")
            return
        self.place.mkdir()
        mark = f'{{"version": {LAKE_VERSION}, "table_format": "{self.kind}"}}'
        (self.place / MARKER).write_text(mark)
        for name in TABLES if self.kind != "iceberg" else ():
            if name != "async_invokes" or self.kind == "parquet":
                (self.place / "bedrock" / name).mkdir(parents=True)

    def step(self) -> list[str]:
        """Let some time pass, and load what became of the invocations; what was done, in words."""
        passed = self.random.choice([600, 600, 3_600, 40_000, 90_000, 300_000])
        self.now += timedelta(seconds=passed)
        self.loads += 1
        done = [f"{passed} s"]
        for name, share in (
            ("submit", 0.8),
            ("submit_late", 0.2),
            ("end", 0.7),
            ("heal", 0.15),
            ("vanish", 0.2),
            ("return_", 0.15),
        ):
            if self.random.random() < share:
                getattr(self, name)()
                done.append(name)
        self.report()
        if self.random.random() < 0.1:
            self.write_own_models(self.random.choice([1, 2]))
            done.append("own models")
        return done

    def submit(self) -> None:
        self._load(self._new(timedelta(hours=6)) for _ in range(self.random.randint(1, 6)))

    def submit_late(self) -> None:
        self._load([self._new(timedelta(days=9))])

    def _new(self, within: timedelta) -> dict[str, Any]:
        account, region = self.random.choice(SCOPES)
        at = self.now - within * self.random.random() ** 2
        self.submitted += 1
        arn = f"arn:aws:bedrock:{region}:{account}:async-invoke/{self.submitted:012d}"
        model = self.random.choice(MODELS)
        summary = {
            "invocationArn": arn,
            "modelArn": f"arn:aws:bedrock:{region}::foundation-model/{model}",
            "status": "InProgress",
            "submitTime": _iso(at),
            "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://renders/a"}},
        }
        if self.random.random() < 0.02:
            del summary["submitTime"]
        return self._ended(summary) if self.random.random() < 0.6 else summary

    def _ended(self, summary: dict[str, Any]) -> dict[str, Any]:
        submitted = datetime.fromisoformat(summary.get("submitTime", _iso(self.now)))
        lasted = (self.now - submitted) * self.random.choice([0, 0.1, 0.5, 1, 1, -0.1])
        ended = summary | {"status": "Completed", "endTime": _iso(submitted + lasted)}
        if self.random.random() < 0.4:
            ended |= {"status": "Failed", "failureMessage": self.random.choice(MESSAGES)}
        if self.random.random() < 0.03:
            del ended["endTime"]
        elif self.random.random() < 0.05:
            ended["status"] = "Cancelled"
        return ended

    def end(self) -> None:
        self._load(self._ended(each) for each in self._some("InProgress", 4))

    def heal(self) -> None:
        self._load(self._ended(each) for each in self._some("Completed", 1))

    def _some(self, status: str, most: int) -> list[dict[str, Any]]:
        found = [each for each in self.listed.values() if each["status"] == status]
        return self.random.sample(found, min(len(found), self.random.randint(1, most)))

    def vanish(self) -> None:
        rows = [
            {"invocation_arn": each["invocationArn"], "vanished_at": self.now}
            for each in self._some("InProgress", 2)
        ]
        self._store(
            "vanished_invokes", pa.Table.from_pylist(rows, TABLES["vanished_invokes"].schema)
        )

    def return_(self) -> None:
        self._load(self._some("InProgress", 1))

    def report(self) -> None:
        runs = [
            good_run(*scope, self.now)
            | {"run_id": str(self.loads), "is_range": self.random.random() < 0.2}
            | ({"outcome": "failed", "error": "No."} if self.random.random() < 0.2 else {})
            for scope in SCOPES
        ]
        self._store("extract_runs", pa.Table.from_pylist(runs, TABLES["extract_runs"].schema))

    def _load(self, summaries: Any) -> None:
        found = list(summaries)
        self.loads += 1  # No two loads read the same invocation at the same moment.
        self.now += timedelta(milliseconds=1)
        self.listed |= {each["invocationArn"]: each for each in found}
        if found:
            self._store("async_invokes", to_table(page_of(found), self.now))

    def _store(self, name: str, rows: pa.Table) -> None:
        schema = TABLES[name].stored_schema
        loaded = pa.repeat(f"{self.loads:09d}", rows.num_rows)
        stored = rows.append_column("_dlt_load_id", loaded).select(schema.names).cast(schema)
        if self.kind == "duckdb":
            self._merge(name, stored)
        elif self.kind == "iceberg":
            tables = IcebergTables(LakeFiles.at(str(self.place)), None)
            tables.commit({name: stored}, f"{self.loads}.{len(stored)}.{name}", {})
        elif name == "async_invokes" and self.kind == "delta":
            self._upsert(stored)
        else:
            names = self.place / "bedrock" / name
            pq.write_table(stored, names / f"{len(list(names.iterdir())):06d}.parquet")

    def _merge(self, name: str, rows: pa.Table) -> None:
        key = " and ".join(f"stored.{each} = rows.{each}" for each in TABLES[name].key)
        with duckdb.connect(self.place) as connection:
            connection.register("rows", rows)
            connection.execute(
                f"delete from bedrock.{name} as stored "
                f"where exists (select 1 from rows where {key})"
            )
            connection.execute(f"insert into bedrock.{name} by name from rows")

    def _upsert(self, rows: pa.Table) -> None:
        from deltalake import write_deltalake

        from bedrock_async_etl.destinations.delta import open_table, upsert

        url = str(self.place / "bedrock" / "async_invokes")
        if table := open_table(url, {}):
            upsert(table, rows)
        else:
            write_deltalake(url, rows, partition_by="submit_date")


def model_rows(destination: Destination) -> dict[str, list[str]]:
    """Every row of every model, as text, sorted."""
    with destination.connection() as connection:
        tables = connection.execute(
            "select table_name from information_schema.tables "
            "where table_schema = 'bedrock_analytics' order by all"
        ).fetchall()
        return {name: list(_rows(connection, name)) for (name,) in tables}


def _rows(connection: duckdb.DuckDBPyConnection, name: str) -> Iterator[str]:
    yield from sorted(map(repr, connection.sql(f"from bedrock_analytics.{name}").fetchall()))


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def copy_rows(history: History, whole: History) -> None:
    """Give another place the same rows, and no models of DuckDB's; Iceberg stays where it is."""
    if history.kind == "iceberg":
        with history.destination.connection() as connection:
            for name, table in TABLES.items():
                rows = connection.sql(f"from bedrock.{name}").to_arrow_table()
                file = whole.place / "bedrock" / name / "0.parquet"
                pq.write_table(rows.select(table.stored_schema.names), file)
        return
    copy = shutil.copy if history.place.is_file() else shutil.copytree
    whole.place.unlink() if history.place.is_file() else shutil.rmtree(whole.place)
    copy(history.place, whole.place)
    if history.kind == "duckdb":
        with duckdb.connect(whole.place) as connection:
            for schema in (ANALYTICS_NAME, BUILDS_NAME):
                connection.execute(f"drop schema if exists {schema} cascade")


class BuildStoppedError(Exception):
    """Ends a build in the middle of it."""


def build(history: History, *, is_full: bool = False, stop_after: int | None = None) -> None:
    """Build the models of a history's copy; stop after so many, and leave those of before."""
    built = []

    def stop(model: object, number: int) -> None:
        built.append(model)
        if len(built) == stop_after:
            raise BuildStoppedError

    build_models(history.destination, history.own_models, stop, is_full=is_full)


def assert_built_as_whole(history: History) -> None:
    """Each table that was built date by date is what it is if all is built at once."""
    found = model_rows(history.destination)
    with TemporaryDirectory() as folder:
        kind: CopyKind = "parquet" if history.kind == "iceberg" else history.kind
        whole = replace(history, kind=kind, folder=Path(folder), listed={})
        copy_rows(history, whole)
        build_models(whole.destination, history.own_models, is_full=True)
        expected = model_rows(whole.destination)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        assert found[name] == rows, name


def follow(history: History, steps: int) -> None:
    """Go through a history, with builds that are stopped, and compare after each build."""
    done = []
    for _ in range(steps):
        done.append(history.step())
        if history.random.random() < 0.1:
            continue  # Two loads, and one build.
        if history.random.random() < 0.2:
            with suppress(BuildStoppedError):
                build(history, stop_after=history.random.randint(1, 25))
        build(history)
        try:
            assert_built_as_whole(history)
        except AssertionError as error:
            error.add_note(f"{history.kind}, seed {history.seed}: {done}")
            raise
