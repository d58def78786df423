"""What the tasks of the DAG do: what the command line does, set up by Airflow.

What a task returns is small, and kept by Airflow as its XCom.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import Connection, Variable
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from bedrock_async_etl.airflow_settings import EXAMPLE, AirflowSettings
from bedrock_async_etl.aws_connection import connection_environment, role_environment
from bedrock_async_etl.configuration import environment, private_files, set_defaults
from bedrock_async_etl.errors import CommandError, UsageError

if TYPE_CHECKING:
    from bedrock_async_etl.load import RunResult

FAILURES: Final = 20
"""Failed scopes that are told one by one."""

Summary = Mapping[str, Any]


def shares(variable: str) -> list[str | None]:
    """What the load tasks take of the scopes: `1/2` and `2/2`, or one task everything.

    Being the first to read the settings, it fails for thresholds that the last one could not read.
    """
    with _prepared(variable) as settings:
        number = settings.shards
        if settings.check:
            from bedrock_async_etl.check.thresholds import find_thresholds

            find_thresholds()
    return [f"{share}/{number}" for share in range(1, number + 1)] if number > 1 else [None]


def load_share(
    variable: str, shard: str | None = None, since: str | None = None, until: str | None = None
) -> Summary:
    """Load what is new or changed, or what was submitted in the range from `since` to `until`.

    Scopes that fail are told by what it returns, as long as others were loaded.
    """
    with _prepared(variable) as settings:
        from bedrock_async_etl.destinations import find_destination
        from bedrock_async_etl.load import load
        from bedrock_async_etl.options import drop_none as given
        from bedrock_async_etl.options import parse_time
        from bedrock_async_etl.progress import LogObserver

        times = {"since": parse_time("since", since), "until": parse_time("until", until)}
        target = find_destination(**settings.place, **settings.kind, **given(shard=shard))
        loaded = load(target, given(shard=shard, **times), observer=LogObserver())
        summary = _summary(loaded)
        if loaded.exit_code == 1:
            raise CommandError(_failed_scopes(summary))
        return summary


def _summary(loaded: "RunResult") -> Summary:
    failed = loaded.failed[:FAILURES]
    return {
        "run_id": loaded.run_id,
        "destination": loaded.destination,
        "seconds": round(loaded.seconds, 3),
        "rows_loaded": loaded.rows_loaded,
        "rows_recovered": loaded.rows_recovered,
        "scopes": len(loaded.scopes),
        "scopes_failed": len(loaded.failed),
        "failures": [f"{each.account_id}/{each.region}: {each.error}" for each in failed],
    }


def _failed_scopes(loaded: Summary) -> str:
    """How many scopes failed, and what the first of them failed with."""
    failed, failures = loaded["scopes_failed"], loaded["failures"]
    hidden = [f"and {failed - len(failures):,} more"] if failed > len(failures) else []
    return "\n  ".join((f"{failed:,} of {loaded['scopes']:,} scopes failed:", *failures, *hidden))


def build_models(variable: str) -> Summary:
    """Rebuild the models."""
    with _prepared(variable) as settings:
        from bedrock_async_etl.destinations import existing_destination
        from bedrock_async_etl.models.build import find_models
        from bedrock_async_etl.models.refresh import rebuilt
        from bedrock_async_etl.options import drop_none as given

        own = find_models(**given(models=settings.models))
        built = rebuilt(existing_destination(**settings.place), own)
        if built.error:
            raise CommandError(built.error)
        return {"models": len(built.models), "seconds": round(built.models_seconds, 3)}


def run_checks(variable: str) -> Summary:
    """Check what was loaded and modelled; a rule that does not hold fails the task for good."""
    with _prepared(variable) as settings:
        from bedrock_async_etl.destinations import existing_destination
        from bedrock_async_etl.models.build import find_models
        from bedrock_async_etl.models.refresh import checked
        from bedrock_async_etl.options import drop_none as given

        own = find_models(**given(models=settings.models))
        done = checked(existing_destination(**settings.place), own)
        if done.error:
            raise CommandError(done.error)
        if done.broken:
            complaints = (check.complaint_with_examples for check in done.broken)
            raise AirflowFailException("\n".join(complaints))
        return {"checks": len(done.checks), "seconds": round(done.checks_seconds, 3)}


def export_copy(variable: str) -> Summary:
    """Export the rows and the models, where the settings say where to."""
    with _prepared(variable) as settings:
        if not settings.export:
            raise AirflowSkipException(f'The Variable {variable} has no "export".')
        from bedrock_async_etl.destinations import existing_destination
        from bedrock_async_etl.export.export import export

        target = existing_destination(**settings.place)
        with target.locked(), target.materialized() as connection:
            done = export(connection, settings.export)
        written = [partition for table in done.tables for partition in table.written]
        return {
            "url": done.url,
            "seconds": round(done.seconds, 3),
            "partitions_written": len(written),
            "rows_written": sum(partition.rows for partition in written),
        }


def judge(variable: str, loads: Iterable[Summary]) -> Summary:
    """Fail for good for scopes that failed, and for thresholds that are breached."""
    with _prepared(variable) as settings:
        complaints = [_failed_scopes(each) for each in loads if each["scopes_failed"]]
        checked = 0
        if settings.check:
            from bedrock_async_etl.check import check
            from bedrock_async_etl.check.thresholds import find_thresholds
            from bedrock_async_etl.destinations import existing_destination

            verdict = check(existing_destination(**settings.place), find_thresholds())
            complaints += [f"Breach: {finding.line}" for finding in verdict.breaches]
            checked = len(verdict.findings)
        if complaints:
            raise AirflowFailException("\n".join(complaints))
        return {"checked": checked}


def _settings(variable: str) -> AirflowSettings:
    text = Variable.get(variable, default=None)
    if text is None:
        raise UsageError(
            f"There is no Airflow Variable {variable}: "
            f"make it with `airflow variables set {variable} '{EXAMPLE}'`."
        )
    return AirflowSettings.parse(variable, text)


@contextmanager
def _prepared(variable: str) -> Iterator[AirflowSettings]:
    """The settings, while the environment is as they ask for."""
    set_defaults()
    with _airflow_errors():
        settings = _settings(variable)
        with (
            environment(settings.environment),
            private_files(),
            _connected(settings.aws_conn_id),
        ):
            yield settings


@contextmanager
def _connected(aws_conn_id: str | None) -> Iterator[None]:
    """While boto3 finds the credentials of an Airflow connection, where one is named."""
    if not aws_conn_id:
        yield
        return
    connection = Connection.get(aws_conn_id)
    with (
        environment(connection_environment(connection)),
        environment(role_environment(connection)),
    ):
        yield


@contextmanager
def _airflow_errors() -> Iterator[None]:
    """What is wrong usage will be wrong again; all else, a held destination too, is retried."""
    try:
        yield
    except UsageError as error:
        raise AirflowFailException(str(error)) from error
    except CommandError as error:
        raise AirflowException(str(error)) from error
