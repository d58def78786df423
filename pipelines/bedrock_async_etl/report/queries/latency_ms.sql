-- A latency in milliseconds; what ended before it was submitted took none.
greatest(0, cast(round(1000 * seconds) as bigint))
