"""The DAG: load, models, checks, export, verdict. Reading this file imports and asks nothing."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from airflow.sdk import DAG, Asset, Param, TriggerRule, task

from bedrock_async_etl import airflow_task
from bedrock_async_etl.airflow_task import Summary

NAME: Final = "bedrock_async_etl"
MODELS: Final = Asset("bedrock-async-etl://bedrock/models")
"""Rows and models, when they are fresh and the checks hold."""
EXPORT: Final = Asset("bedrock-async-etl://bedrock/export")
"""What was exported."""
TIME: Final[dict[str, Any]] = {"type": ["null", "string"], "format": "date-time"}


@task
def shards(variable: str) -> list[str | None]:
    """What each load task takes of the scopes; the settings are read no earlier than here."""
    return airflow_task.shares(variable)


@task(multiple_outputs=False)
def load(variable: str, shard: str | None, params: dict[str, Any] | None = None) -> Summary:
    """Load a share of the scopes; a load that was killed is made whole by the next try."""
    given = params or {}
    return airflow_task.load_share(variable, shard, given.get("since"), given.get("until"))


@task(multiple_outputs=False, trigger_rule=TriggerRule.ALL_DONE_MIN_ONE_SUCCESS)
def models(variable: str) -> Summary:
    """Rebuild the models of what could be loaded."""
    return airflow_task.build_models(variable)


@task(multiple_outputs=False, outlets=[MODELS])
def checks(variable: str) -> Summary:
    """Check rows and models."""
    return airflow_task.run_checks(variable)


@task(multiple_outputs=False, outlets=[EXPORT])
def export(variable: str) -> Summary:
    """Export rows and models, where the settings say where to; else it is skipped."""
    return airflow_task.export_copy(variable)


@task(multiple_outputs=False, trigger_rule=TriggerRule.NONE_FAILED)
def verdict(variable: str, loads: Sequence[Summary]) -> Summary:
    """Fail the run for what failed without stopping it, and for thresholds that are breached."""
    return airflow_task.judge(variable, loads[:])


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
            "since": Param(None, **TIME, description="Read all that was submitted from then on."),
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


dag = make_dag()
