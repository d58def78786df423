"""The reference of every option, column and metric, written from their declarations.

`python -m tests.reference` writes `docs/configuration.md`, the commented `.dlt/config.toml` and the
table of thresholds in `docs/monitoring.md`; a test compares them.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import typer

from bedrock_async_etl.cli import app
from bedrock_async_etl.metrics import METRICS, PREFIX
from bedrock_async_etl.options import (
    CHECK_SECTION,
    DIGEST_SECTION,
    REPORT_SECTION,
    SECTION,
    SECTIONS,
    SOURCE_SECTION,
    CheckOptions,
)
from bedrock_async_invokes.columns import LOAD_ID, TABLES, Table
from bedrock_async_invokes.options import Option, options_of

ROOT: Final = Path(__file__).parents[1]
THRESHOLDS: Final = re.compile(r"(?<=^\| option \| breached by \|\n\|---\|---\|\n)(\|.*\n)+", re.M)
"""The rows of the table in `docs/monitoring.md`."""
TITLES: Final = {
    SOURCE_SECTION: "What is read",
    SECTION: "Destination, models and output",
    CHECK_SECTION: "Thresholds of `check`",
    DIGEST_SECTION: "A digest",
    REPORT_SECTION: "Contents of a report",
}
"""By section of the configuration."""
SQL_TYPES: Final = {
    pa.string(): "text",
    pa.date32(): "date",
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.timestamp("us", tz="UTC"): "timestamptz",
}
INTRODUCTION: Final = """\
# Configuration

<!-- Written by `python -m tests.reference` from the declarations in the code: do not edit it. -->

Every option of a load can be set in three ways. A flag wins over the environment, and the
environment wins over a file:

1. a flag of the command, such as `--region us-east-1`;
2. an environment variable, such as `SOURCES__BEDROCK_ASYNC_INVOKES__REGIONS='["us-east-1"]'`. Lists
   and tables are JSON;
3. `secrets.toml` and `config.toml`, in `.dlt` in the folder in which the command runs, or in
   `~/.dlt` (`/var/dlt` for root); of a key that both have, the first counts. The repository has a
   [commented `config.toml`](../.dlt/config.toml) to copy from.

```toml
[bedrock_async_etl]
database = "/data/bedrock_async.duckdb"     # or lake = "s3://my-bucket/bedrock"
models = "/opt/our_models"
metrics = "/var/lib/prometheus/node-exporter/bedrock.prom"
log_format = "json"

[sources.bedrock_async_invokes]
regions = ["us-east-1", "us-west-2"]
failure_message = "redact"

[bedrock_async_etl.check]
max_failure_rate = "5%"
max_lag = "1h"

[bedrock_async_etl.check.models."amazon.nova-reel-v1:1"]
max_p95 = "15m"

[bedrock_async_etl.report]
quotas = {"amazon.nova-reel-v1:1" = 20}
```

An unknown key is an error, so that a misspelt threshold does not go unnoticed. A *secret*
belongs in the environment or in `.dlt/secrets.toml`, not in `config.toml`. AWS credentials
come from the standard AWS chain and are never configured here. In Airflow, the keys below are the
keys of the [Variable](airflow.md#settings).
"""
CONFIGURED_ALONE: Final = """\
### Without a flag

Two more keys of `[bedrock_async_etl]` have no flag:

| key | environment variable | default | meaning |
| --- | --- | --- | --- |
| `metrics_max_scopes` | `BEDROCK_ASYNC_ETL__METRICS_MAX_SCOPES` | `500` | Scopes with metrics of \
their own. |
| `umask` | `BEDROCK_ASYNC_ETL__UMASK` | `077` | Mode of new files and folders: `077` makes them \
600 and 700, `027` 640 and 750. Existing ones keep their mode; reports and exports follow the \
shell's umask, metrics are always 644. |

`[bedrock_async_etl.check.models."MODEL"]` has the thresholds of one model, all but `max_lag`.
As one environment variable:
`BEDROCK_ASYNC_ETL__CHECK__MODELS='{"luma.ray-v2:0": {"max_p95": "15m"}}'`.
"""
FLAGS_ALONE: Final = """\
These have no key in the configuration:

"""
TABLES_INTRODUCTION: Final = """\
## Tables

The dataset (DuckDB schema) is `bedrock`. Times are instants with microseconds. A lake has the same
columns. The models, in `bedrock_analytics`, are described in [sql/README.md](../sql/README.md).
"""
METRICS_INTRODUCTION: Final = """\
## Metrics

`run --metrics FILE` writes these gauges. [Monitoring](monitoring.md#metrics) has their labels, and
alerts on them.
"""


CONFIGURATION: Final = """\
# Every key, with its flag and its environment variable: docs/configuration.md.

[runtime]
dlthub_telemetry = false
"""
CONFIGURED_FURTHER: Final = {
    SECTION: """\
## Scopes with metrics of their own.
# metrics_max_scopes = 500
## New files are 600, folders 700; with "027", 640 and 750.
# umask = "077"
""",
    CHECK_SECTION: """\
## Thresholds of one model: all but max_lag.
# [bedrock_async_etl.check.models."amazon.nova-reel-v1:1"]
# max_p95 = "15m"
""",
}
"""What is configured without an option."""


def written() -> Mapping[Path, str]:
    """The text of each file that is written from the declarations."""
    monitoring = ROOT / "docs" / "monitoring.md"
    rows = "".join(
        f"| `{option.flag} {option.metavar}` | {option.details} |\n"
        for option in options_of(CheckOptions)
        if option.details
    )
    return {
        ROOT / "docs" / "configuration.md": _reference(),
        ROOT / ".dlt" / "config.toml": _configuration(),
        monitoring: THRESHOLDS.sub(lambda _: rows, monitoring.read_text()),
    }


def _configuration() -> str:
    parts = [CONFIGURATION]
    for section, declared in SECTIONS.items():
        parts.append(f"# [{section}]\n")
        for option in (option for each in declared for option in options_of(each)):
            if value := _example(option):
                parts[-1] += f"## {_comment(option)}\n# {option.name} = {value}\n"
        parts[-1] += CONFIGURED_FURTHER.get(section, "")
    return "\n".join(parts)


def _example(option: Option) -> str:
    """None of a secret, which is not for this file, nor of what is meant for one run."""
    if option.is_secret or (option.default is None and not option.example):
        return ""
    return option.example or json.dumps(option.default)


def _comment(option: Option) -> str:
    choices = f" One of {', '.join(option.choices)}." if option.choices else ""
    return option.help.replace("; repeatable.", ".") + choices


def _reference() -> str:
    parts = [INTRODUCTION, "## Options\n"]
    for section, declared in SECTIONS.items():
        options = [option for each in declared for option in options_of(each)]
        parts.append(
            f"### {TITLES[section]}\n\nSection `[{section}]`.\n\n{_option_table(section, options)}"
        )
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    parts += [CONFIGURED_ALONE, f"## Commands\n\n{_command_table(commands)}"]
    parts += [FLAGS_ALONE + _single_flag_table(commands)]
    parts += [TABLES_INTRODUCTION, *(_columns(table) for table in TABLES.values())]
    parts += [METRICS_INTRODUCTION + "\n" + _metric_table()]
    return "\n".join(parts)


def _option_table(section: str, options: Iterable[Option]) -> str:
    heading = ("key", "flag", "environment variable", "default", "meaning")
    return _table(heading, (_option_row(section, option) for option in options))


def _option_row(section: str, option: Option) -> Iterator[str]:
    yield f"`{option.name}`"
    yield f"`{option.flag} {_value(option)}".rstrip() + "`" if option.flag else ""
    yield f"`{section.replace('.', '__').upper()}__{option.name.upper()}`"
    yield _default(option.default)
    yield option.help + (" *Secret.*" if option.is_secret else "")


def _value(option: Option) -> str:
    """The values that are accepted, or the word that stands for them."""
    return "\\|".join(option.choices) or option.metavar or ""


def _default(value: Any) -> str:
    if value is None:
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _command_table(commands: dict[str, Any]) -> str:
    rows = (
        (f"`{name}`", ", ".join(f"`{_name(each)}`" for each in _parameters(command)))
        for name, command in commands.items()
    )
    return _table(("command", "arguments and flags"), rows)


def _single_flag_table(commands: dict[str, Any]) -> str:
    """Arguments and flags that are no options of the configuration."""
    declared = {
        option.flag for each in SECTIONS.values() for one in each for option in options_of(one)
    }
    rows: dict[tuple[str, str], list[str]] = {}
    for name, command in commands.items():
        for each in _parameters(command):
            if _name(each) not in declared:
                rows.setdefault((_name(each), each.help), []).append(f"`{name}`")
    return _table(
        ("argument or flag", "of", "meaning"),
        ((f"`{name}`", ", ".join(of), meaning) for (name, meaning), of in rows.items()),
    )


def _parameters(command: Any) -> Iterator[Any]:
    return (each for each in command.params if each.name not in ("help", "version"))


def _name(parameter: Any) -> str:
    flags = [str(each) for each in parameter.opts if each.startswith("--")]
    return flags[0] if flags else str(parameter.name).upper()


def _columns(table: Table) -> str:
    heading = ("column", "type", "meaning", "member of the API")
    rows = [
        (f"`{each.name}`", _type(each), each.meaning, f"`{each.member}`" if each.member else "")
        for each in table.columns
    ]
    rows.append((f"`{LOAD_ID}`", "text", "dlt's load.", ""))
    key = ", ".join(f"`{name}`" for name in table.key)
    return f"### {table.name}\n\n{table.meaning}\nPrimary key: {key}.\n\n{_table(heading, rows)}"


def _type(column: Any) -> str:
    return SQL_TYPES[column.type] + (", not null" if column.is_required else "")


def _metric_table() -> str:
    rows = ((f"`{PREFIX}{each.name}`", each.help) for each in METRICS)
    return _table(("metric", "meaning"), rows)


def _table(heading: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    heading = tuple(heading)
    lines = [heading, ("---",) * len(heading), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    for path, text in written().items():
        path.write_text(text)
