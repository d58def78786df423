-- The part of an hour that a time is in; what is later than the newest read counts as that.
least(
    2 * (epoch_ms(instant) // 3_600_000)
    + if(epoch_ms(instant) % 3_600_000 >= getvariable('minute_ms'), 1, 0),
    getvariable('last_part')
)
