-- The rows of report_hour_counts as those of dates, and as those of periods.
from parts('report_hour_counts')
