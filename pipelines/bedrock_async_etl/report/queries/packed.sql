-- The rows of a table of cells: each is by leaf, outcome, bin and bucket, and numbered in this order.
--
-- gap: the distance to the cell before, which is small mostly, and compresses well
select
    cell,
    cell - lag(cell, 1, cast(0 as bigint)) over (order by cell) as gap,
    * exclude (leaf, outcome, bin, bucket, cell)
from (
    select
        *,
        (
            (leaf * (select count(*) from report_outcomes) + outcome) * getvariable('bins')
            + bin - getvariable('first_bin')
        ) * buckets + bucket as cell
    from query_table(name)
)
