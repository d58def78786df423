"""Shell completion of regions and model ids, from the models of the copy.

It reads the file or folder without dlt, whose import takes longer than anybody waits for a key, so
it finds a copy that no flag names only by the environment and `config.toml`.
"""

import os
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import typer

from bedrock_async_etl.options import DEFAULT_DATABASE, SECTION

Completion = Callable[[typer.Context, str], list[str]]

COLUMNS: Final = {"REGION": ("scopes", "region"), "MODEL": ("model_summary", "model_id")}
"""By the word in an option's metavar: the model that has the values, and its column."""


def completion(metavar: str | None) -> Completion | None:
    """The completion of an option such as `REGION`, `MODEL=N` or `[MODEL=]SHARE`."""
    word, equals, _ = (metavar or "").lstrip("[").partition("=")
    if word not in COLUMNS:
        return None
    model, column = COLUMNS[word]

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        # A shell would print any error into the line that is being typed.
        try:
            values = _values(ctx.params, model, column)
        except Exception:
            return []
        return [f"{value}{equals}" for value in values]

    return complete


def _values(given: dict[str, Any], model: str, column: str) -> list[str]:
    """The values of a column; raises whatever keeps them from being read."""
    import duckdb

    kind, path = _place(given)
    if kind == "lake":
        rows = duckdb.read_parquet(f"{path}/bedrock_analytics/{model}/*.parquet")
    else:
        connection = duckdb.connect(path.resolve(strict=True), read_only=True)
        rows = connection.table(f"bedrock_analytics.{model}")
    found = rows.select(column).distinct().order(column).fetchall()
    return [value for (value,) in found if value]


def _place(given: dict[str, Any]) -> tuple[str, Path]:
    """The kind of place and its path: a flag wins, and a lake wins over a database."""
    for setting in (given.get, _configured):
        for kind in ("lake", "database"):
            if place := setting(kind):
                return kind, Path(place)
    return "database", Path(DEFAULT_DATABASE)


def _configured(name: str) -> str | None:
    """The value of the environment, else of a `config.toml`, in dlt's order."""
    variable = os.environ.get(f"{SECTION}__{name}".upper())
    return variable or next((found[name] for found in _sections() if name in found), None)


def _sections() -> Iterator[dict[str, Any]]:
    for folder in (Path(), Path.home()):
        file = folder / ".dlt" / "config.toml"
        if file.is_file():
            yield tomllib.loads(file.read_text()).get(SECTION, {})
