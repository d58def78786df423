"""Numbers and times as people read them."""

from datetime import datetime


def counted(number: int, noun: str) -> str:
    """`1 row`, `2,000 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def show_time(time: datetime | None) -> str:
    """UTC to the second, or a dash."""
    return f"{time:%Y-%m-%d %H:%M:%S}" if time else "-"


def show_age(seconds: float | None, units: int = 2) -> str:
    """In so many units as tell the size: `3 d 4 h`, `2 min 5 s`; a dash where it is not known."""
    if seconds is None:
        return "-"
    rest, parts = max(0, round(seconds)), []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        number, rest = divmod(rest, size)
        if number:
            parts.append(f"{number:,} {unit}")
        if parts and (len(parts) == units or not number):
            break
    return " ".join(parts) or "0 s"


def visible(text: str) -> str:
    """What others wrote, such as a model's id, with control characters that no terminal obeys."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in "\n\t" else char.encode("unicode_escape").decode()
        for char in text
    )


def quarantine_told(rows: int, reason: str | None) -> str:
    """What became of rows that contradict their scope."""
    are = "is" if rows == 1 else "are"
    return f"{counted(rows, 'row')} {are} quarantined as of another account or region: {reason}"
