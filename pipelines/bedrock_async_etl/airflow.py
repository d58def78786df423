"""The DAG: load, models, checks, export, verdict. Reading this file imports and asks nothing.

Its tasks call the functions that the commands call; what they return is small, and kept by Airflow
as their XCom.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import DAG, Asset, Param, TriggerRule, Variable, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from bedrock_async_etl.errors import CommandError, UsageError
from bedrock_async_invokes.errors import OptionError, ScopeError

if TYPE_CHECKING:
    from bedrock_async_etl.airflow_settings import AirflowSettings

NAME: Final = "bedrock_async_etl"
MODELS: Final = Asset("bedrock-async-etl://bedrock/models")
"""Rows and models, when they are fresh and the checks hold."""
EXPORT: Final = Asset("bedrock-async-etl://bedrock/export")
"""The exported files."""
TIME: Final[dict[str, Any]] = {"type": ["null", "string"]}
"""Schema of a parameter that is a time."""
FAILURES: Final = 20
"""Maximum failed scopes named one by one."""

Summary = Mapping[str, Any]
Environment = dict[str, str | None]
"""Variables by name; None for those that must not be set."""


@task
def shards(variable: str, dag_run: Any = None, dag: Any = None) -> list[str | None]:
    """The share of the scopes for each load task: `1/2` and `2/2`, or None, which is all of them.

    It reads the settings first, and so fails for thresholds that only the last task needs, and for
    a run's configuration with a key that is no parameter: a `sinze` would load everything.
    """
    with _prepared(variable) as settings:
        from bedrock_async_etl.options import check_name

        for name in dag_run.conf or {}:
            check_name("The configuration of this run", name, list(dag.params))
        from bedrock_async_etl.check.thresholds import find_thresholds

        if settings.has_thresholds:
            find_thresholds()
        number = settings.shards
    return [f"{share}/{number}" for share in range(1, number + 1)] if number > 1 else [None]


@task(multiple_outputs=False)
def load(variable: str, shard: str | None, params: dict[str, Any] | None = None) -> Summary:
    """Load a share of the scopes; the next try completes a load that was killed.

    It returns the scopes that failed, and fails where none was loaded.
    """
    times = {name: (params or {}).get(name) for name in ("since", "until")}
    with _prepared(variable, shard=shard, **times):
        from bedrock_async_etl import load as loading
        from bedrock_async_etl.destinations import find_destination
        from bedrock_async_etl.destinations.database.published_copy import find_publisher
        from bedrock_async_etl.progress import LogObserver

        target = find_destination()
        find_publisher(target)  # A file that cannot be published is known before the load.
        loaded = loading.load(target, observer=LogObserver())
        failures = [f"{each.scope}: {each.error}" for each in loaded.failed]
        summary = {
            "run_id": loaded.run_id,
            "destination": loaded.destination,
            "seconds": round(loaded.seconds, 3),
            "rows_loaded": loaded.rows_loaded,
            "rows_recovered": loaded.rows_recovered,
            "scopes": len(loaded.scopes),
            "scopes_failed": len(loaded.failed),
            "failures": failures[:FAILURES],
        }
        if loaded.exit_code == 1:
            raise CommandError(_failed_scopes(summary))
        return summary


@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def models(variable: str) -> Summary:
    """Rebuild the models of what could be loaded; compact a lake of many files; publish a copy."""
    with _prepared(variable):
        from bedrock_async_etl.destinations import existing_destination
        from bedrock_async_etl.destinations.database.published_copy import find_publisher
        from bedrock_async_etl.models.build import find_models
        from bedrock_async_etl.models.refresh import refresh

        target = existing_destination()
        built = refresh(target, find_models(), checks=False)
        if built.error:
            raise CommandError(built.error)
        compaction = target.compact_if_due()
        publisher = find_publisher(target)
        published = publisher.publish() if publisher else None
        if published and published.error:
            raise CommandError(published.message)
        return {
            "models": len(built.models),
            "seconds": round(built.models_seconds, 3),
            "compaction": compaction and compaction.message,
            "published": published and published.message,
        }


@task(multiple_outputs=False, outlets=[MODELS])
def checks(variable: str) -> Summary:
    """Check rows and models; a check that finds violations fails the task for good."""
    with _prepared(variable):
        from bedrock_async_etl.destinations import existing_destination
        from bedrock_async_etl.models.build import find_models
        from bedrock_async_etl.models.refresh import refresh

        done = refresh(existing_destination(), find_models(), builds=False)
        if done.error:
            raise CommandError(done.error)
        if done.broken:
            complaints = (check.complaint_with_examples for check in done.broken)
            raise AirflowFailException("\n".join(complaints))
        return {"checks": len(done.checks), "seconds": round(done.checks_seconds, 3)}


@task(multiple_outputs=False, outlets=[EXPORT])
def export(variable: str) -> Summary:
    """Export rows and models, if the settings have a URL; otherwise the task is skipped."""
    with _prepared(variable) as settings:
        if not settings.export:
            raise AirflowSkipException(f'The Variable {variable} has no "export".')
        from bedrock_async_etl.destinations import existing_destination
        from bedrock_async_etl.export.export import export_between_runs

        done = export_between_runs(existing_destination(), settings.export)
        written = [partition for table in done.tables for partition in table.written]
        return {
            "url": done.url,
            "seconds": round(done.seconds, 3),
            "partitions_written": len(written),
            "rows_written": sum(partition.rows for partition in written),
        }


@task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED)
def verdict(variable: str, loads: Sequence[Summary]) -> Summary:
    """Fail the run for scopes that failed, and for thresholds that are breached."""
    with _prepared(variable) as settings:
        complaints = [_failed_scopes(each) for each in loads[:] if each["scopes_failed"]]
        checked = 0
        if settings.has_thresholds:
            from bedrock_async_etl.check import check
            from bedrock_async_etl.check.thresholds import find_thresholds
            from bedrock_async_etl.destinations import existing_destination

            result = check(existing_destination(), find_thresholds())
            complaints += [f"Breach: {finding.line}" for finding in result.breaches]
            checked = len(result.findings)
        if complaints:
            raise AirflowFailException("\n".join(complaints))
        return {"checked": checked}


def make_dag(
    dag_id: str = NAME,
    *,
    schedule: Any = "*/10 * * * *",
    variable: str = NAME,
    retries: int = 2,
    retry_delay: timedelta = timedelta(minutes=1),
    **options: Any,
) -> DAG:
    """A DAG that follows the settings in an Airflow Variable; `options` are those of any DAG.

    Without parameters a run loads what is new or changed; `since` and `until` are a range to read.
    """
    with DAG(
        dag_id,
        schedule=schedule,
        start_date=datetime(2026, 1, 1, tzinfo=UTC),
        catchup=False,
        max_active_runs=1,
        default_args={"retries": retries, "retry_delay": retry_delay},
        params={
            "since": Param(None, **TIME, description="Read everything submitted from then on."),
            "until": Param(None, **TIME, description="Leave out what was submitted from then on."),
        },
        doc_md=__doc__,
        # Else importing this function would put the DAG below into the file that does so.
        auto_register=False,
        **options,
    ) as made:
        loads: Any = load.partial(variable=variable).expand(shard=shards(variable))
        exported = export(variable)
        loads >> models(variable) >> checks(variable) >> exported >> verdict(variable, loads)
    return made


def _failed_scopes(loaded: Summary) -> str:
    """The number of failed scopes, and the errors of the first."""
    failed, failures = loaded["scopes_failed"], loaded["failures"]
    hidden = [f"and {failed - len(failures):,} more"] if failed > len(failures) else []
    return "\n  ".join((f"{failed:,} of {loaded['scopes']:,} scopes failed:", *failures, *hidden))


@contextmanager
def _prepared(variable: str, **options: str | None) -> "Iterator[AirflowSettings]":
    """The settings, with the environment set from them; `options` are those of one task.

    Wrong usage is not retried, since it would fail again; any other error is.
    """
    from bedrock_async_etl.configuration import environment, private_files, set_defaults

    set_defaults()
    from bedrock_async_etl.airflow_settings import EXAMPLE, AirflowSettings, task_environment

    try:
        text = Variable.get(variable, default=None)
        if text is None:
            raise UsageError(
                f"There is no Airflow Variable {variable}: "
                f"make it with `airflow variables set {variable} '{EXAMPLE}'`."
            )
        settings = AirflowSettings.parse(variable, text)
        with (
            environment({**settings.environment, **task_environment(**options)}),
            private_files(),
            aws_connection(settings.aws_conn_id),
        ):
            yield settings
    except (UsageError, OptionError) as error:
        raise AirflowFailException(str(error)) from error
    except (CommandError, ScopeError) as error:
        raise AirflowException(str(error)) from error


@contextmanager
def aws_connection(conn_id: str | None) -> Iterator[None]:
    """Let boto3 find the credentials, region and endpoints of an Airflow connection, if any.

    Raises `UsageError` for a connection that would not be used as it says, and `CommandError` where
    its role is refused.
    """
    if not conn_id:
        yield
        return
    try:
        from airflow.providers.amazon.aws.hooks.base_aws import AwsBaseHook
    except ImportError as error:
        raise UsageError(
            "aws_conn_id needs Airflow's Amazon provider: "
            "`pip install apache-airflow-providers-amazon`, or leave aws_conn_id out."
        ) from error
    from bedrock_async_etl.configuration import environment

    _check_connection(AwsBaseHook.get_connection(conn_id))
    hook = AwsBaseHook(conn_id)
    # The worker's environment would win over a profile, and over some of the hook's values.
    with environment(_given_environment(hook.conn_config)), environment(_role_environment(hook)):
        yield


def _check_connection(connection: Any) -> None:
    where = f"The connection {connection.conn_id}"
    # Without the provider, Airflow's command line saves `aws` as `generic`.
    if connection.conn_type not in ("aws", "generic"):
        raise UsageError(f"{where} has the type {connection.conn_type!r}: change it to aws.")
    extra = connection.extra_dejson
    for name in ("config_kwargs", "verify"):
        if name in extra:
            raise UsageError(
                f"{where} has {name} in its extra, which has no effect here: remove it."
            )
    access_key = connection.login or extra.get("aws_access_key_id")
    if access_key and not (connection.password or extra.get("aws_secret_access_key")):
        raise UsageError(
            f"{where} has an access key without its secret: "
            "put the key into the login, and the secret into the password."
        )


def _given_environment(config: Any) -> Environment:
    """The connection's keys or profile, region and endpoints; `config` is the hook's."""
    found: Environment = {}
    if config.aws_access_key_id:
        keys = (config.aws_access_key_id, config.aws_secret_access_key, config.aws_session_token)
        found = _keys(*keys)
    elif config.profile_name:
        found = _keys(None, None, None) | {"AWS_PROFILE": config.profile_name}
    if config.region_name:
        found |= dict.fromkeys(("AWS_REGION", "AWS_DEFAULT_REGION"), config.region_name)
    if config.endpoint_url:
        found["AWS_ENDPOINT_URL"] = config.endpoint_url
    for service, settings in config.service_config.items():
        if url := settings.get("endpoint_url"):
            found[f"AWS_ENDPOINT_URL_{service.upper().replace('-', '_')}"] = url
    return found


def _role_environment(hook: Any) -> Environment:
    """Credentials of the connection's role, if it has one.

    They last for an hour, or for `DurationSeconds` in its `assume_role_kwargs`.
    """
    config = hook.conn_config
    if not config.role_arn:
        return {}
    from botocore.exceptions import BotoCoreError, ClientError

    from bedrock_async_invokes.errors import describe

    try:
        found = hook.get_credentials()
    except (BotoCoreError, ClientError) as error:
        raise CommandError(
            f"The connection {config.conn_id} cannot assume {config.role_arn}: {describe(error)}"
        ) from error
    return _keys(found.access_key, found.secret_key, found.token)


def _keys(access_key: str | None, secret: str | None, token: str | None) -> Environment:
    return dict.fromkeys(("AWS_PROFILE", "AWS_DEFAULT_PROFILE")) | {
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_SESSION_TOKEN": token,
    }


dag = make_dag()
