"""An organization of forty scopes in which four things are wrong, in as many rows as one likes."""

from datetime import timedelta
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa

from bedrock_async_etl.destinations.duckdb import DuckDBDestination
from bedrock_async_invokes.columns import ASYNC_INVOKES, EXTRACT_RUNS, VANISHED_INVOKES
from tests.builds import build_models
from tests.conftest import NOW
from tests.sql.given import good_run, store

ACCOUNTS: Final = [f"{number:012}" for number in range(200_000_000_000, 200_000_000_008)]
REGIONS: Final = ("us-east-1", "us-west-2", "eu-west-1", "ap-south-1", "eu-central-1")
MODELS: Final = tuple(f"vendor.model-{number:02}" for number in range(12))
FAILING_ACCOUNT: Final = ACCOUNTS[6]
"""9 % fail there, and 1.5 % elsewhere."""
SLOW_REGION: Final = REGIONS[3]
"""Latencies there are five times as long."""
OUTAGE: Final = (NOW - timedelta(hours=54), NOW - timedelta(hours=53))
"""Everything of a model fails in a region."""
OUTAGE_PLACE: Final = (REGIONS[0], MODELS[1])
STUCK: Final = 178
STUCK_PLACE: Final = (ACCOUNTS[2], REGIONS[1], MODELS[3])
STUCK_SINCE: Final = NOW - timedelta(days=6)

ROWS: Final = """
insert into bedrock.async_invokes by name
with numbers as (
    select
        range as number,
        [hash(concat_ws(' ', range, salt)) / 2.0 ** 64 for salt in range(8)] as chance
    from range($rows)
),

placed as (
    select
        number,
        chance,
        $accounts[1 + cast(floor(chance[1] * len($accounts)) as bigint)] as account_id,
        $regions[1 + cast(floor(chance[2] * len($regions)) as bigint)] as region,
        $models[1 + cast(floor(chance[3] * chance[4] * len($models)) as bigint)] as model_id,
        $now - to_microseconds(cast(chance[5] * 86_400e6 * $days as bigint)) as submit_time
    from numbers

    union all

    select
        $rows + range as number,
        list_transform(range(8), lambda salt: hash(concat_ws(' ', range, -salt)) / 2.0 ** 64)
            as chance,
        $accounts[1 + range % len($accounts)] as account_id,
        $outage_region as region,
        $outage_model as model_id,
        $outage_from + to_seconds(cast(3_600 * chance[1] as bigint)) as submit_time
    from range(60)

    union all

    select
        $rows + 60 + range as number,
        [0.5 for _ in range(8)] as chance,
        $stuck_account as account_id,
        $stuck_region as region,
        $stuck_model as model_id,
        $stuck_since + to_minutes(range) as submit_time
    from range($stuck)
),

timed as (
    select
        *,
        number >= $rows + 60 as is_stuck,
        submit_time + to_milliseconds(
            cast(
                1000 * if(region = $slow_region, 5, 1)
                * (60 + 30 * list_position($models, model_id))
                * exp(0.5 * sqrt(-2 * ln(chance[6] + 1e-9)) * cos(6.283 * chance[7])) as bigint
            )
        ) as due_at,
        chance[8] < if(account_id = $failing_account, 0.09, 0.015)
        or (
            region = $outage_region
            and model_id = $outage_model
            and submit_time >= $outage_from
            and submit_time < $outage_until
        ) as fails
    from placed
),

ended as (
    select
        *,
        lpad(to_base(number, 36), 12, '0') as invocation_id,
        is_stuck or due_at > $now as is_open
    from timed
)

select
    concat('arn:aws:bedrock:', region, ':', account_id, ':async-invoke/', invocation_id)
        as invocation_arn,
    account_id,
    region,
    invocation_id,
    concat('arn:aws:bedrock:', region, '::foundation-model/', model_id) as model_arn,
    model_id,
    case when is_open then 'InProgress' when fails then 'Failed' else 'Completed' end as status,
    case
        when not fails or is_open then null
        when account_id = $failing_account then 'Access denied: the role cannot write to the bucket'
        else 'Internal server error'
    end as failure_message,
    submit_time,
    if(is_open, submit_time, due_at) as last_modified_time,
    if(is_open, null, due_at) as end_time,
    cast(submit_time at time zone 'UTC' as date) as submit_date,
    concat('s3://renders-', account_id, '/', region) as output_s3_uri,
    $now as observed_at,
    '1' as _dlt_load_id
from ended
order by submit_time
"""


def modelled(path: Path, rows: int, days: int) -> DuckDBDestination:
    """A database with so many invocations of so many days before NOW, its models built."""
    tables = {table.name: table.schema.empty_table() for table in (ASYNC_INVOKES, VANISHED_INVOKES)}
    runs = [good_run(account, region, NOW) for account in ACCOUNTS for region in REGIONS]
    store(path, **tables, extract_runs=pa.Table.from_pylist(runs, EXTRACT_RUNS.schema))
    parameters = {
        "rows": rows,
        "days": days,
        "now": NOW,
        "accounts": ACCOUNTS,
        "regions": list(REGIONS),
        "models": list(MODELS),
        "failing_account": FAILING_ACCOUNT,
        "slow_region": SLOW_REGION,
        "outage_region": OUTAGE_PLACE[0],
        "outage_model": OUTAGE_PLACE[1],
        "outage_from": OUTAGE[0],
        "outage_until": OUTAGE[1],
        "stuck": STUCK,
        "stuck_account": STUCK_PLACE[0],
        "stuck_region": STUCK_PLACE[1],
        "stuck_model": STUCK_PLACE[2],
        "stuck_since": STUCK_SINCE,
    }
    with duckdb.connect(path) as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(ROWS, parameters)
    destination = DuckDBDestination(path)
    build_models(destination)
    return destination
