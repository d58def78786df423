"""SQL files: one SELECT each, under a comment that describes a row and its columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final, Literal, cast, get_args

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.models.statistics import SHIPPED, computed_by, formula_path

CHECKS: Final = "checks"
"""The folder, within one of SQL files, whose files are checks."""

Severity = Literal["error", "warning"]
COLUMN: Final = re.compile(r"([a-z_]\w*|dated by|reads back|versioned by|computed by): +(.+)")
DAYS: Final = re.compile(r"(\d+) days?|all days")


@dataclass(frozen=True)
class SqlFile:
    """A SELECT; its name is that of the file."""

    path: Path
    text: str
    reads: frozenset[tuple[str, str]]
    """Schema and name of each table that it names, in lower case; no schema is an empty one."""
    description: str
    columns: dict[str, str]
    """The descriptions of columns, by name."""
    severity: Severity = "error"
    """Of a check: whether rows that break the rule are a fault, or only worth a look."""
    dated_by: str | None = None
    """Column, a date or a time, whose date in UTC a row belongs to; None where rows have none."""
    reads_back: int | None = 0
    """Days before a date that its rows depend on, too; None for all."""
    versioned_by: Sequence[str] = ()
    """Columns: rows that are equal in these are the same. None given stands for all."""

    @property
    def name(self) -> str:
        return self.path.stem.lower()

    @property
    def is_shipped(self) -> bool:
        """False for a file of the user's."""
        return self.path.is_relative_to(SHIPPED)


def read_models(user_models: Path | None = None) -> list[SqlFile]:
    """The shipped models, and the user's, which replace those of the same name."""
    return _read(user_models, are_checks=False)


def read_checks(user_models: Path | None = None) -> list[SqlFile]:
    """The shipped checks, and the user's, which replace those of the same name."""
    return _read(user_models, are_checks=True)


def _read(user_models: Path | None, *, are_checks: bool) -> list[SqlFile]:
    files: dict[str, SqlFile] = {}
    for folder in [SHIPPED, user_models] if user_models else [SHIPPED]:
        of_folder: dict[str, SqlFile] = {}
        for path in sql_paths(folder):
            if (CHECKS in path.relative_to(folder).parent.parts) != are_checks:
                continue
            file = read_file(path)
            if file.name in of_folder:
                raise CommandError(f"{path} and {of_folder[file.name].path} have the same name.")
            of_folder[file.name] = file
        files |= of_folder
    return list(files.values())


def sql_paths(folder: Path) -> list[Path]:
    """The SQL files in a folder, without hidden ones, which editors keep for themselves.

    Raises `CommandError` for a link that leads out of the folder.
    """
    root = folder.resolve()
    paths = []
    for path in sorted(folder.rglob("*.sql")):
        if any(name.startswith(".") for name in path.relative_to(folder).parts):
            continue
        if not path.resolve().is_relative_to(root):
            raise CommandError(
                f"{path} is a link out of its folder, and is not run: put a copy there instead."
            )
        paths.append(path)
    return paths


def read_file(path: Path) -> SqlFile:
    """Read one file; raises `CommandError` naming file and line where it is not one SELECT."""
    try:
        text = path.read_text("utf-8").rstrip().removesuffix(";")
    except (OSError, UnicodeError) as error:
        raise CommandError(f"{path} cannot be read: {error}.") from None
    description, columns = _described(text)
    if name := columns.pop("computed by", None):
        statistic = read_file(formula_path(name))
        columns = {**statistic.columns, **columns}
        try:
            text = computed_by(statistic.text, text)
        except ValueError as error:
            raise CommandError(f"{path} cannot be computed by {name}: {error}.") from None
    return SqlFile(
        path,
        text,
        _tables_read(path, text),
        severity=_severity(path, columns.pop("severity", "error")),
        dated_by=columns.pop("dated by", None),
        reads_back=_days(path, columns.pop("reads back", "0 days")),
        versioned_by=columns.pop("versioned by", "").replace(",", " ").split(),
        description=description,
        columns=columns,
    )


@cache
def _tables_read(path: Path, text: str) -> frozenset[tuple[str, str]]:
    return frozenset(
        (table.db.lower(), table.name.lower()) for table in tables_in(parse(path, text))
    )


def _severity(path: Path, text: str) -> Severity:
    if text not in get_args(Severity):
        choices = " or ".join(get_args(Severity))
        raise CommandError(f"{path}: the severity of a check is {choices}, not {text!r}.")
    return cast(Severity, text)


def _days(path: Path, text: str) -> int | None:
    if not (match := DAYS.fullmatch(text)):
        raise CommandError(
            f"{path}: `reads back` is a number of days, such as 7 days, or all days."
        )
    return int(match[1]) if match[1] else None


@cache
def parse(path: Path, text: str) -> exp.Query:
    """The parsed text of a file, not to be changed; raises `CommandError` if it is no SELECT."""
    try:
        statements = sqlglot.parse(text, read="duckdb")
    except SqlglotError as error:
        raise CommandError(f"{path}{_place(error)}") from None
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise CommandError(f"{path} has to be one SELECT and nothing else.")
    return statements[0]


def _place(error: SqlglotError) -> str:
    """Line and reason of an error of sqlglot."""
    [first, *_] = getattr(error, "errors", None) or [{}]
    if "line" not in first:
        return f": {str(error).splitlines()[0]}"
    return f", line {first['line']}: {first['description']} Near: {first['highlight']}"


def tables_in(query: exp.Query) -> list[exp.Table]:
    """Tables and views, without common table expressions, table functions, other databases."""
    sources = [source for scope in traverse_scope(query) for source in scope.sources.values()]
    # Given values (`cross join (values ...)`) are a scope with the sources before them once more.
    return [
        table
        for table in {id(source): source for source in sources}.values()
        if isinstance(table, exp.Table)
        and isinstance(table.this, exp.Identifier)
        and not table.catalog
    ]


def restricted(file: SqlFile, conditions: Mapping[tuple[str, str], str]) -> str:
    """The text of a file that reads only those rows of some tables for which a condition holds.

    Its lines stay as they are.
    """
    query, text = parse(file.path, file.text), file.text
    spans = []
    for table in tables_in(query):
        if condition := conditions.get((table.db.lower(), table.name.lower())):
            start, end = _span(table.args["db"] or table.this)[0], _span(table.this)[1]
            alias = "" if table.alias else f" as {text[slice(*_span(table.this))]}"
            rows = f"(select * from {text[start:end]} where {condition}){alias}"  # noqa: S608
            spans.append((start, end, rows))
    for column in query.find_all(exp.Column):
        if (column.text("db").lower(), column.table.lower()) in conditions:
            spans.append((_span(column.args["db"])[0], _span(column.args["table"])[0], ""))
    for start, end, rows in sorted(spans, reverse=True):
        text = f"{text[:start]}{rows}{text[end:]}"
    return text


def _span(name: exp.Expression) -> tuple[int, int]:
    """The place of an identifier in the text it was parsed from."""
    return name.meta["start"], name.meta["end"] + 1


def _leading_comment(text: str) -> list[str]:
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").removeprefix(" ").rstrip())
    return lines


def _described(text: str) -> tuple[str, dict[str, str]]:
    """The leading comment up to the first `column: ...`, and the text of each column."""
    description: list[str] = []
    columns: dict[str, str] = {}
    name = ""
    for line in _leading_comment(text.lstrip()):
        if match := COLUMN.fullmatch(line):
            name = match[1]
            columns[name] = match[2]
        elif name:
            columns[name] = f"{columns[name]} {line.strip()}".strip()
        else:
            description.append(line)
    return _paragraphs(description), columns


def _paragraphs(lines: Sequence[str]) -> str:
    return re.sub(r"(?<!\n)\n(?!\n)", " ", "\n".join(lines)).strip()
