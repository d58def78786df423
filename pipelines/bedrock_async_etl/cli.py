"""The command line: flags, what is printed, exit codes. What a command does is imported late."""

import gc
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from bedrock_async_etl import DEMO_DATABASE
from bedrock_async_etl.commands.examples import epilog
from bedrock_async_etl.commands.options import (
    AllowEmptyOption,
    ConcurrencyOption,
    DatabaseOption,
    DebugOption,
    DestinationOption,
    Engine,
    ExternalIdOption,
    HubRoleOption,
    JsonOption,
    LagOption,
    LakeOption,
    LogFormatOption,
    MaxFailureRateOption,
    MaxLagOption,
    MaxOpenAgeOption,
    MaxP95Option,
    MetricsOption,
    ModelsOption,
    NoModelsOption,
    NotifyOption,
    OrganizationRoleOption,
    PeriodOption,
    QuotaOption,
    RedactOption,
    RegionOption,
    RoleOption,
    RoleSessionNameOption,
    ShardOption,
    SinceOption,
    StrictOption,
    UntilOption,
    WindowOption,
    given,
    parse_time,
    place,
)
from bedrock_async_etl.environment import set_defaults
from bedrock_async_etl.errors import CommandError
from bedrock_async_etl.files.modes import private_files
from bedrock_async_etl.logs import (
    LogFormat,
    Logs,
    json_value,
    tell,
    tell_error,
    without_credentials,
)

set_defaults()

app = typer.Typer(
    name="bedrock-async-etl",
    help="An exact, incremental copy of Amazon Bedrock's asynchronous invocations in DuckDB or a "
    "lake, and SQL models of their failure rates and latencies.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def command(name: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command of that name, whose help ends with its examples."""
    return app.command(name, epilog=epilog(name))


@command("run")
def run(
    destination: DestinationOption = None,
    database: DatabaseOption = None,
    lake: LakeOption = None,
    region: RegionOption = None,
    role_arn: RoleOption = None,
    organization_role: OrganizationRoleOption = None,
    hub_role: HubRoleOption = None,
    external_id: ExternalIdOption = None,
    role_session_name: RoleSessionNameOption = None,
    shard: ShardOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    lag: LagOption = None,
    concurrency: ConcurrencyOption = None,
    models: ModelsOption = None,
    no_models: NoModelsOption = False,
    log_format: LogFormatOption = None,
    metrics: MetricsOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Load what is new or changed, rebuild the models, check both.

    Exit codes: 0 good, 1 failed or a check does not hold, 2 wrong usage, 3 some scopes failed and
    the rest was loaded, 75 another run holds this destination.
    """
    with one_line_errors(debug=debug, as_json=as_json) as logs:
        if log_format:
            logs.use(log_format)
        from bedrock_async_etl.commands.console import print_refresh, print_result
        from bedrock_async_etl.load import find_destination
        from bedrock_async_etl.metrics import find_metrics
        from bedrock_async_etl.models.build import find_models
        from bedrock_async_etl.progress import find_log_format, tell_refresh, tell_run
        from bedrock_async_etl.run import run_once

        logs.use(find_log_format(**given(log_format=log_format)))
        prints_tables = logs.format == LogFormat.TEXT and not as_json
        options = given(
            regions=region,
            role_arns=role_arn,
            organization_role=organization_role,
            hub_role_arn=hub_role,
            external_id=external_id,
            role_session_name=role_session_name,
            shard=shard,
            since=parse_time("since", since),
            until=parse_time("until", until),
            lag_seconds=lag,
            concurrency=concurrency,
        )
        target = find_destination(
            **place(database, lake),
            **given(destination=destination or ("duckdb" if database else None), shard=shard),
        )
        done = run_once(
            target,
            options,
            find_models(**given(models=models)),
            builds_models=not no_models,
            log_format=logs.format,
            metrics=find_metrics(target, **given(metrics=metrics, shard=shard)),
            on_loaded=print_result if prints_tables else lambda loaded: None,
        )
        tell_refresh(done.refreshed, logs.format)
        if as_json:
            print_json(done.as_json())
        elif prints_tables and done.has_models:
            print_refresh(done.refreshed)
        tell_run(done, logs.format)
        raise typer.Exit(done.exit_code)


@command("models")
def rebuild_models(
    database: DatabaseOption = None,
    lake: LakeOption = None,
    models: ModelsOption = None,
    engine: Annotated[Engine, typer.Option(help="What builds them.")] = Engine.DUCKDB,
    master: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Spark's master.", show_default="local[*]"),
    ] = None,
    remote: Annotated[
        str | None, typer.Option(metavar="URL", help="A Spark Connect server: sc://HOST:PORT.")
    ] = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Rebuild the SQL models and check them. Exit code 1 where a check does not hold."""
    with one_line_errors(debug=debug, as_json=as_json):
        from bedrock_async_etl.commands.console import print_models, print_refresh
        from bedrock_async_etl.load import existing_destination
        from bedrock_async_etl.models.build import find_models
        from bedrock_async_etl.models.refresh import find_builder, refresh
        from bedrock_async_etl.progress import tell_refresh, watched_models

        target = existing_destination(**place(database, lake))
        own = find_models(**given(models=models))
        builder = find_builder(engine, target, master, remote)
        with watched_models() as on_built:
            refreshed = refresh(target, own, on_built, builder)
        tell_refresh(refreshed)
        if as_json:
            print_json(refreshed.as_json() | {"exit_code": refreshed.exit_code})
        else:
            print_models(refreshed.models)
            print_refresh(refreshed)
        raise typer.Exit(refreshed.exit_code)


@command("export")
def export_files(
    url: Annotated[str, typer.Argument(metavar="URL", help="A folder, or s3://BUCKET/PATH.")],
    database: DatabaseOption = None,
    lake: LakeOption = None,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Say what would be written and removed; touch nothing."),
    ] = False,
    readers: Annotated[
        bool,
        typer.Option(
            "--readers",
            help="Print what makes Athena, Spark and DuckDB read every table; a first export "
            "prints it for the rows.",
        ),
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Export rows and models as Parquet, anew where they have changed."""
    with one_line_errors(debug=debug, as_json=as_json):
        from bedrock_async_etl.commands.console import print_export, print_text
        from bedrock_async_etl.export.export import export
        from bedrock_async_etl.export.readers import statements
        from bedrock_async_etl.export.tables import ROWS
        from bedrock_async_etl.load import existing_destination

        target = existing_destination(**place(database, lake))
        with target.locked(), target.copied() as connection:
            result = export(connection, url, dry_run=dry_run)
        every = statements(result.manifest, url) if readers else None
        if as_json:
            print_json(result.as_json() | given(readers=every) | {"exit_code": 0})
            return
        print_export(result)
        if every or result.is_first:
            print_text(every or statements(result.manifest, url, ROWS))


@command("compact")
def compact_lake(
    lake: LakeOption = None,
    grace: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="How long replaced files stay for who has them open."
        ),
    ] = 3_600,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Put the many small files of a lake together. The files replaced go with the next time."""
    with one_line_errors(debug=debug, as_json=as_json):
        from bedrock_async_etl.commands.console import print_compactions
        from bedrock_async_etl.destinations.compaction import compact
        from bedrock_async_etl.load import existing_lake

        done = compact(existing_lake(**given(lake=lake)), grace)
        if as_json:
            print_json({"tables": [each.as_json() for each in done], "exit_code": 0})
        else:
            print_compactions(done)


@command("report")
def report(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The HTML file to write.")],
    database: DatabaseOption = None,
    lake: LakeOption = None,
    period: PeriodOption = None,
    quota: QuotaOption = None,
    redact: RedactOption = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Write one HTML page of figures and charts that needs no network."""
    with one_line_errors(debug=debug, as_json=as_json):
        from bedrock_async_etl.commands.console import print_report
        from bedrock_async_etl.load import existing_destination
        from bedrock_async_etl.report.report import find_options, write_report

        target = existing_destination(**place(database, lake))
        options = find_options(period=period, quotas=quota, redact=redact)
        written = write_report(target, file, options)
        if as_json:
            print_json(written.as_json() | {"exit_code": 0})
        else:
            print_report(written)


@command("status")
def status(
    database: DatabaseOption = None,
    lake: LakeOption = None,
    all_scopes: Annotated[
        bool, typer.Option("--all", help="Show every scope, however many there are.")
    ] = False,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Tell whether the copy is fresh and whole, and what is stuck."""
    with one_line_errors(debug=debug, as_json=as_json):
        from bedrock_async_etl.commands.status_table import print_status
        from bedrock_async_etl.load import existing_destination
        from bedrock_async_etl.status import read_status

        standing = read_status(existing_destination(**place(database, lake)), datetime.now(UTC))
        if as_json:
            print_json(standing.as_json())
        else:
            print_status(standing, all_scopes=all_scopes)


@command("check")
def check_copy(
    max_failure_rate: MaxFailureRateOption = None,
    max_p95: MaxP95Option = None,
    max_open_age: MaxOpenAgeOption = None,
    max_lag: MaxLagOption = None,
    window: WindowOption = None,
    strict: StrictOption = False,
    allow_empty: AllowEmptyOption = False,
    notify: NotifyOption = None,
    database: DatabaseOption = None,
    lake: LakeOption = None,
    as_json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Hold the copy against thresholds, for cron and Airflow.

    Exit codes: 0 all is well, 1 it cannot be told, 2 wrong usage, or one line on stderr for each
    breach.
    """
    with one_line_errors(debug=debug, as_json=as_json):
        from bedrock_async_etl.check.check import check
        from bedrock_async_etl.check.printing import print_breaches, print_verdict, told
        from bedrock_async_etl.check.thresholds import find_thresholds, find_webhook
        from bedrock_async_etl.load import existing_destination

        thresholds = find_thresholds(
            max_failure_rate=max_failure_rate or (),
            max_p95=max_p95 or (),
            max_open_age=max_open_age or (),
            max_lag=max_lag,
            window=window,
            strict=strict,
            allow_empty=allow_empty,
        )
        webhook = find_webhook(notify)
        target = existing_destination(**place(database, lake))
        verdict = check(target, thresholds)
        if not as_json:
            print_verdict(verdict)
        print_breaches(verdict)
        notified = told(webhook, verdict, str(target))
        if as_json:
            print_json(verdict.as_json() | {"notified": notified})
        raise typer.Exit(verdict.exit_code)


@command("demo")
def demo(
    database: Annotated[
        Path, typer.Option(metavar="FILE", help="The DuckDB file, made anew.")
    ] = Path(DEMO_DATABASE),
    debug: DebugOption = False,
) -> None:
    """Load from a local Bedrock, model it, prove the copy exact."""
    with one_line_errors(debug=debug):
        from bedrock_async_etl.commands.demo import run_demo

        raise typer.Exit(run_demo(database))


@command("emulator")
def emulator(
    port: Annotated[int, typer.Option(help="Port on loopback; 0 takes a free one.")] = 4599,
    now: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Where its clock stands (ISO 8601).", show_default="now"),
    ] = None,
    account: Annotated[str, typer.Option(help="Account of the credentials.")] = "111122223333",
    region: Annotated[str, typer.Option(help="Region to fill.")] = "us-east-1",
    count: Annotated[int, typer.Option(help="Invocations to begin with.")] = 10_000,
    days: Annotated[int, typer.Option(help="Days that they are spread over.")] = 30,
    debug: DebugOption = False,
) -> None:
    """Serve a local Bedrock, and print what points AWS's tools at it."""
    with one_line_errors(debug=debug, makes_files=False):
        from bedrock_async_etl.commands.emulator import serve

        serve(port, parse_time("now", now), account, region, count, days)


@contextmanager
def one_line_errors(
    *, debug: bool, as_json: bool = False, makes_files: bool = True
) -> Iterator[Logs]:
    """Tell a failure in one line, and leave with its exit code. Gives where lines go."""
    with Logs() as logs:
        try:
            with private_files() if makes_files else nullcontext():
                yield logs
        except typer.Exit:
            raise
        except KeyboardInterrupt:
            tell("interrupted", "Interrupted. The next run goes on from here.", logging.WARNING)
            # Calls under way would be waited for; a run may be killed at any moment anyway.
            os._exit(130)
        except Exception as error:
            exit_code = error.exit_code if isinstance(error, CommandError) else 1
            kind = "" if isinstance(error, CommandError) else f"{type(error).__name__}: "
            reason = f"{kind}{' '.join(str(error).split())}"
            tell_error(reason, trace=debug, exit_code=exit_code)
            if as_json:
                print_json({"error": without_credentials(reason), "exit_code": exit_code})
            raise typer.Exit(exit_code) from None


def print_json(document: dict[str, Any]) -> None:
    """Print one line of JSON; times and dates in ISO 8601, other values that JSON lacks as text."""
    typer.echo(json.dumps(document, default=json_value))


def main() -> None:
    """Run the command line.

    Modules and schemas make many objects that stay: looking through them for garbage, as often as
    Python does by itself and once more at the end, is a fifth of a small run. All that a command
    opens is closed when it ends, so nothing is left for Python's own exit to do.
    """
    gc.set_threshold(20_000)
    try:
        app()
    except SystemExit as ending:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(ending.code if isinstance(ending.code, int) else bool(ending.code))
