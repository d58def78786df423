-- The bucket of a duration in milliseconds: all in it are within as many per cent as it is wide.
cast(floor(100 * ln(1 + duration_ms)) as bigint) // getvariable('width')
