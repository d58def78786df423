"""The state of the models between two builds: their definitions, and their rows by date."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Final, Self

from bedrock_async_etl.destinations.database.dates import Dates
from bedrock_async_etl.destinations.database.model_tables import (
    BUILDS_NAME,
    Fingerprint,
    Fingerprints,
    ModelTables,
    fingerprint_of,
    keep,
    model_table,
)
from bedrock_async_etl.formatting import identifier
from bedrock_async_etl.models.sql_files import SqlFile

TableName = tuple[str, str]
"""Schema and name in lower case; no schema is an empty one."""
RULES: Final = "2"
"""Version of the rules by which builds find changes. Another one rebuilds all."""


@dataclass
class BuildState:
    """One build: definitions and rows of each table, and the changes since the build before.

    A table whose rows have no dates has one fingerprint, under None.
    """

    build: int = 0
    """Its number."""
    definitions: dict[str, str] = field(default_factory=dict)
    """By model: a digest of its text, and of those of the models it reads."""
    fingerprints: dict[str, Fingerprints] = field(default_factory=dict)
    builds: dict[str, Mapping[date | None, int]] = field(default_factory=dict)
    """By table and date: the last build in which it changed."""
    checked: dict[str, tuple[str, int]] = field(default_factory=dict)
    """By check: a digest of its text, and the last build that it looked at."""
    broken: dict[str, Dates] = field(default_factory=dict)
    """By check: the dates that broke its rule, until they change or its rule holds everywhere."""

    @classmethod
    def read(cls, tables: ModelTables) -> Self:
        """The state that the last build kept."""
        connection = tables.connection
        definitions = connection.execute(f"from {BUILDS_NAME}.definitions").fetchall()
        state = cls(definitions=dict(definitions))
        rows = connection.execute(
            "select table_name, day, rows, fingerprint, build "  # noqa: S608
            f"from {BUILDS_NAME}.fingerprints"
        )
        fingerprints: dict[str, dict[date | None, Fingerprint]] = {}
        builds: dict[str, dict[date | None, int]] = {}
        for table, day, count, value, build in rows.fetchall():
            fingerprints.setdefault(table, {})[day] = Fingerprint(count, value)
            builds.setdefault(table, {})[day] = build
            state.build = max(state.build, build)
        state.fingerprints |= fingerprints
        state.builds |= builds
        for check, definition, build in connection.execute(
            f"from {BUILDS_NAME}.checked"
        ).fetchall():
            state.checked[check] = definition, build
        for check, day in connection.execute(f"from {BUILDS_NAME}.broken").fetchall():
            state.broken[check] = state.broken.get(check, frozenset()) | {day}
        return state

    def next(self) -> Self:
        """The state of the next build, to be filled."""
        return type(self)(self.build + 1)

    def write(self, tables: ModelTables) -> None:
        """Store it."""
        rows = [
            (table, day, each.rows, each.value, self.builds[table][day])
            for table, found in self.fingerprints.items()
            for day, each in found.items()
        ]
        keep(tables.connection, "fingerprints", rows)
        keep(tables.connection, "definitions", list(self.definitions.items()))

    def update(self, table: str, before: Self, found: Fingerprints, dates: Dates | None) -> Dates:
        """Take the fingerprints of some dates of a table, or of all; other dates keep theirs.

        Returns the dates whose rows have changed.
        """
        old, builds = before.fingerprints.get(table, {}), before.builds.get(table, {})
        kept = {} if dates is None else {day: old[day] for day in old.keys() - dates}
        new = self.fingerprints[table] = {**kept, **found}
        changed = frozenset(day for day in old.keys() | new.keys() if old.get(day) != new.get(day))
        self.builds[table] = {day: self.build if day in changed else builds[day] for day in new}
        return changed

    def note_checked(self, check: str, definition: str | None, broken: Dates) -> None:
        """Take the dates that break a check after this build; None where it could not be run."""
        self.checked.pop(check, None)
        if definition:
            self.checked[check] = definition, self.build
        self.broken[check] = broken

    def write_checked(self, tables: ModelTables) -> None:
        """Keep what checks have found."""
        keep(tables.connection, "checked", [(name, *each) for name, each in self.checked.items()])
        broken = [(name, day) for name, days in self.broken.items() for day in days]
        keep(tables.connection, "broken", broken)

    def changed_since(self, build: int, table: str) -> Dates:
        """Dates of a table that changed in builds after `build`."""
        return frozenset(day for day, at in self.builds.get(table, {}).items() if at > build)


def digest(*texts: str) -> str:
    """A digest of texts in their order."""
    return hashlib.sha256("\0".join([RULES, *texts]).encode()).hexdigest()


def model_fingerprints(
    tables: ModelTables, model: SqlFile, rows: str, definition: str, dates: Dates | None
) -> Fingerprints:
    """Fingerprints by date of the rows in a table: those of some dates of a model, or of all.

    The columns that identify versions do not show the effect of another definition.
    """
    if model.dated_by is None:
        return table_fingerprint(tables, rows)
    if dates == frozenset():
        return {}
    columns = tables.columns(model_table(model.name))
    dated = model.dated_by, columns[model.dated_by]
    found = tables.fingerprints(rows, dated, model.versioned_by or columns)
    end = f"-{definition[:16]}" if model.versioned_by else ""
    return {day: Fingerprint(each.rows, f"{each.value}{end}") for day, each in found.items()}


def table_fingerprint(tables: ModelTables, table: str) -> Fingerprints:
    """Of all of a table's rows."""
    columns = tables.columns(table)
    [(count, value)] = tables.connection.execute(
        f"select {fingerprint_of(columns)} from {table}"  # noqa: S608
    ).fetchall()
    return {None: Fingerprint(count, f"{value}-{_shape(columns)}")}


def _shape(columns: Mapping[str, str]) -> str:
    """A digest of names and types of columns, which the hashes of their values leave out."""
    return digest(str(columns))[:16]


def key(table: TableName) -> str:
    """The name under which a table's fingerprints are kept."""
    return ".".join(part for part in table if part)


def sql_name(table: TableName) -> str:
    """A table, as SQL names it."""
    return ".".join(identifier(part) for part in table if part)
