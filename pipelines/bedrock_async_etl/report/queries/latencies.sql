-- The rows of report_buckets as those of dates, and as those of periods.
from parts('report_buckets')
