"""A DuckDB file as the destination."""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Self

import duckdb
import pyarrow as pa

from bedrock_async_etl.destinations import ANALYTICS_NAME, DATASET_NAME, Destination, LoadSession
from bedrock_async_etl.destinations.database.model_tables import ModelTables, usual_memory_limit
from bedrock_async_etl.destinations.database.schema import lacks_columns, upgrade
from bedrock_async_etl.dlt_state import working_directory
from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_etl.files.atomic_write import copy_file
from bedrock_async_etl.files.waiting import HeldError, Holder
from bedrock_async_etl.formatting import literal
from bedrock_async_etl.options import DEFAULT_DATABASE, DestinationOptions
from bedrock_async_invokes.columns import ASYNC_INVOKES

RESERVED_NAMES: Final = (DATASET_NAME, ANALYTICS_NAME)
LISTED: Final = """
semi join listed using (invocation_arn)
where submit_time between $first and $last or submit_time is null
"""
STORED: Final = f"""
from bedrock.async_invokes
where rowid in (select rowid from bedrock.async_invokes {LISTED})
"""  # noqa: S608
"""Other columns are read only for these rows."""
SETTINGS: Final = """
set memory_limit = '128MB';
set preserve_insertion_order = false;
"""
"""A load takes little memory whatever the machine has; tables have no order that would matter."""
NO_FILE: Final = re.compile(r"~|:|\w{2,}:")
"""`:memory:` is gone with the process, `~x` is in another folder, `md:x` is a service's."""
IN_USE: Final = re.compile(r"Conflicting lock is held in (?:.*/)?(.+) \(PID (\d+)\)")


def at(options: DestinationOptions) -> "DuckDBDestination":
    """The DuckDB file at a path; all shards would load the same one."""
    return DuckDBDestination(Path(options.database), options.storage_version, options.wait)


@dataclass(frozen=True)
class DuckDBDestination(Destination):
    """A DuckDB file."""

    database: Path
    storage_version: str = DestinationOptions.storage_version
    wait: str = DestinationOptions.wait

    def __post_init__(self) -> None:
        """Raise `UsageError` for a name that is no file's, or would make every query ambiguous.

        DuckDB calls a database after its file, up to the first dot within the name, and
        `bedrock.async_invokes` could then be a table of the database or of the schema.
        """
        if NO_FILE.match(str(self.database)):
            raise UsageError(
                f"{self.database} is no file to DuckDB, which reads ~ and a prefix with a colon in "
                "its own way: name the database by its whole path, such as "
                f"/data/{DEFAULT_DATABASE}."
            )
        if self.database.name.lstrip(".").partition(".")[0].lower() in RESERVED_NAMES:
            raise UsageError(
                f"The file cannot be called {self.database.name}: DuckDB would mix it up with the "
                f"schema of that name. Call it {DEFAULT_DATABASE}, for instance."
            )

    def __str__(self) -> str:
        # A published copy is named by its link.
        return f"duckdb:{self.database.parent.resolve() / self.database.name}"

    @property
    def working_directory(self) -> Path:
        return working_directory(f"duckdb:{self.database.resolve()}")

    @property
    def location(self) -> str:
        return str(self.database)

    def existing(self) -> Self:
        if not self.database.exists():
            raise CommandError(
                f"{self.database} does not exist: load it first with `run`, "
                "or name another file with --database."
            )
        return self

    def lock_path(self) -> Path:
        file = self.database.resolve()
        if not file.parent.is_dir():
            raise CommandError(f"There is no folder {file.parent}: make it first.")
        return file.with_name(f"{file.name}.lock")

    def load_session(self) -> AbstractContextManager["DuckDBSession"]:
        return closing(DuckDBSession(self))

    @property
    def log(self) -> Path:
        """DuckDB's log of changes not in the file yet, as after a process was killed."""
        file = self.database.resolve()
        return file.with_name(f"{file.name}.wal")

    def connection(
        self, *, is_materialized: bool = False
    ) -> AbstractContextManager[duckdb.DuckDBPyConnection]:
        return self.snapshot() if is_materialized else self.connect(read_only=True)

    @contextmanager
    def connection_between_runs(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with ExitStack() as held:
            held.enter_context(self.locked())
            with self.snapshot() as connection:
                held.close()
                yield connection

    @contextmanager
    def snapshot(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection to a copy of the file in the temporary folder.

        The copy has no name while it is read, so that a killed process leaves none behind.
        """
        with tempfile.TemporaryDirectory() as folder:
            copy = replace(self, database=Path(folder, self.database.name))
            self._copy_to(copy)
            with copy.connect(read_only=True) as connection:
                copy.database.unlink()
                yield connection

    def _copy_to(self, copy: Self) -> None:
        # No program can write while this one reads. Closing the copied database ends that, as POSIX
        # then releases all locks of a process on a file: it comes last, and the connection ends
        # with it. A log copied later could lack what was moved into the database meanwhile.
        with self.connect(read_only=True):
            try:
                if self.log.exists():
                    copy_file(self.log, copy.log)
                copy_file(self.database, copy.database)
            except OSError as error:
                raise CommandError(
                    f"Cannot copy {self.database} to {copy.database.parent}, where it is read: "
                    f"{error.strerror}. Set TMPDIR to a folder with space."
                ) from error

    @contextmanager
    def model_build(self) -> Iterator[ModelTables]:
        with self.connect(read_only=False) as connection:
            upgrade(connection)
            yield ModelTables.of(connection)

    def explain(self, error: Exception) -> str:
        reason = str(error).splitlines()[0]
        if "not a valid DuckDB" in reason:
            return f"{self.database} is not a DuckDB database: give --database another file."
        if "replaying WAL" in reason:
            return (
                f"{self.database}.wal belongs to another state of {self.database}, as after a "
                f"backup was put back: move {self.database.name}.wal away, and run again. What "
                "was in it is loaded anew."
            )
        if "not a known DuckDB version" in reason:
            return (
                f"storage_version is {self.storage_version!r}, which DuckDB {duckdb.__version__} "
                f"does not know: it looks like {DestinationOptions.storage_version}."
            )
        return f"Cannot use {self.database}: {reason}"

    def connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """A connection, times in UTC; raises `BusyError` and `CommandError`.

        It waits for a process that writes and, in order to write, for those that read as well.
        """
        return self.wait_while_held(partial(self._connect, read_only=read_only))

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        # Of a new file: the versions of DuckDB differ in what they make by themselves. All
        # connections of a process to an existing one must have the same settings.
        config: dict[str, Any] = {}
        if not self.database.exists():
            config["storage_compatibility_version"] = self.storage_version
        try:
            connection = duckdb.connect(self.database, read_only=read_only, config=config)
        except duckdb.Error as error:
            if holder := IN_USE.search(str(error)):
                raise HeldError(self._holder(int(holder[2]), holder[1])) from None
            kind = UsageError if isinstance(error, duckdb.InvalidInputException) else CommandError
            raise kind(self.explain(error)) from error
        connection.execute("set TimeZone = 'UTC'")
        return connection

    def _holder(self, pid: int, program: str) -> Holder:
        """The process of that PID: by its command if it is one of ours that writes."""
        signer = Holder.of(self.lock_path())
        return signer if signer and signer.pid == pid else Holder(pid, program)


def has_rows(connection: duckdb.DuckDBPyConnection) -> bool:
    """True if any invocation is stored in a database."""
    try:
        return bool(connection.table(f"{DATASET_NAME}.async_invokes").limit(1).fetchall())
    except duckdb.CatalogException:
        return False


class DuckDBSession(LoadSession):
    """A load into a database, which is made by the first write.

    The connection is read-only except while it writes, so that others can read however long the
    service takes: all connections of a process are of one kind. It stays open in between, since
    DuckDB drops its cache when the last one is closed.
    """

    destination: DuckDBDestination

    def __init__(self, destination: DuckDBDestination) -> None:
        super().__init__(destination)
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._settings = SETTINGS

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The connection that is open, else one that reads; raises `CommandError`."""
        if self._connection is None:
            if lacks_columns(self._connect(read_only=True)):
                with self.writing():
                    upgrade(self.connection)
                self._connect(read_only=True)
            assert self._connection is not None
        return self._connection

    @contextmanager
    def writing(self) -> Iterator[None]:
        self._disconnect()
        # Each thread would leave a part of a row group, all of which are written again on closing.
        self._connect(read_only=False).execute("set threads = 1")
        try:
            yield
        finally:
            self._disconnect()

    def close(self) -> None:
        super().close()
        self._disconnect()

    def _connect(self, *, read_only: bool) -> duckdb.DuckDBPyConnection:
        """Open the database, or read an empty one in its place while there is none."""
        destination = self.destination
        if read_only and not destination.database.exists():
            self._connection = duckdb.connect()
        else:
            self._connection = destination.connect(read_only=read_only)
        self._connection.execute(self._settings)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None

    def dlt_destination(self) -> Any:
        # Only loads import this, as it takes a tenth of a second.
        from bedrock_async_etl.destinations.database.merge import merging_duckdb

        return merging_duckdb(lambda: self.connection)

    def has_rows(self) -> bool:
        return has_rows(self.connection)

    def stored(self, table: pa.Table) -> Mapping[str, str]:
        try:
            return stored_digests(self.connection, table)
        except duckdb.CatalogException:  # Somebody has dropped the table.
            return {}

    def can_go_on(self, error: BaseException) -> bool:
        """Lift the memory limit, as rows that are wider than usual need more."""
        if not isinstance(error, duckdb.OutOfMemoryException):
            return False
        self._settings = f"{SETTINGS}; set memory_limit = {literal(usual_memory_limit())}"
        self.connection.execute(self._settings)
        return True


def stored_digests(
    connection: duckdb.DuckDBPyConnection, table: pa.Table, query: str = STORED
) -> dict[str, str]:
    """Digests by ARN of the invocations in `table` that a query finds by `LISTED`.

    One that is stored twice counts as not stored, so that it is written again.
    """
    # As in `DuckDBSession.dlt_destination`.
    import pyarrow.compute as pc

    from bedrock_async_invokes.records import digests

    edges = pc.min_max(table["submit_time"]).as_py()
    connection.register("listed", table.select(["invocation_arn"]))
    times = {"first": edges["min"], "last": edges["max"]}
    found = connection.sql(query, params=times).to_arrow_table()
    connection.unregister("listed")
    stored = found.select(ASYNC_INVOKES.schema.names).cast(ASYNC_INVOKES.schema)
    arns = stored["invocation_arn"].to_pylist()
    numbers = Counter(arns)
    found_digests = zip(arns, digests(stored), strict=True)
    return {arn: digest for arn, digest in found_digests if numbers[arn] == 1}
