-- One row per cohort and selection, and open invocation that belongs to it.
select
    members.number,
    counts.bucket,
    counts.age_ms
from report_counts as counts
inner join report_members as members using (kind, account, region, model, part)
where counts.is_open
