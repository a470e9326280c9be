"""Lengths of time, sizes and counts in words, as the page, the checks and the command line need them in sentences."""

from collections.abc import Sequence

_CENTURY_SECONDS = 100 * 365 * 24 * 3600


def duration(seconds: float) -> str:
    """Put a length of time in words, as roughly as a person wants to know it."""
    if seconds < 45:
        return "less than a minute"
    if seconds > _CENTURY_SECONDS:
        return "more than a hundred years"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"about {counted(max(1, minutes), 'minute')}"
    if minutes < 10 * 60:
        hours, rest = divmod(5 * round(minutes / 5), 60)
        return f"about {counted(hours, 'hour')}" + (f" {rest} minutes" if rest else "")
    hours = round(minutes / 60)
    return f"about {counted(hours, 'hour')}" if hours < 48 else f"about {counted(round(hours / 24), 'day')}"


def size(count: float) -> str:
    """Put a number of bytes in words, in decimal units as disks are sold."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Put a number before its noun: "1 step", "1,200 steps"; `plural` is for a noun that takes no "s"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Put at least one name in a list: "one", "one and two", "one, two and three"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
