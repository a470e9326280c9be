"""Lengths of time, sizes and counts in words, as the page, the checks and the command line need them in sentences."""

import math
from collections.abc import Sequence
from typing import Literal

Tone = Literal["good", "busy", "warning", "bad", "quiet"]
"""How a sentence is meant; the page shows it as a colour."""

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


def brief_duration(seconds: float) -> str:
    """Write how long something took or still takes: "42 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def between(least: float, most: float) -> str:
    """Put a time that is known only so well in words: "2 to 5 min", "about 3 h", "under 1 min". In seconds."""
    if most < 55:
        return "under 1 min"
    if most > _CENTURY_SECONDS:
        return "more than a hundred years"
    name, unit = ("min", 60) if most < 90 * 60 else ("h", 3600) if most < 48 * 3600 else ("days", 86_400)
    step = {"min": 1 if most < 20 * 60 else 5, "h": 0.5 if most < 5 * 3600 else 1, "days": 1}[name]
    low, high = (step * rounded(seconds / unit / step) for rounded, seconds in ((math.floor, least), (math.ceil, most)))
    if not low:
        return f"up to {high:g} {name}"
    return f"about {high:g} {name}" if low >= high else f"{low:g} to {high:g} {name}"


def size(count: float) -> str:
    """Put a number of bytes in words, in decimal units as disks are sold."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} GB"


def dollars(amount: float) -> str:
    """Write an amount of US dollars, to the cent."""
    return "less than US$ 0.01" if 0 < amount < 0.01 else f"US$ {amount:,.2f}"


def part_of(part: int, of: int) -> str:
    """Say over which held-out examples a loss is, where not over all: "24 of 100 held-out examples"."""
    return f"{part:,} of {of:,} held-out examples"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Put a number before its noun: "1 step", "1,200 steps"; `plural` is for a noun that takes no "s"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(names: Sequence[str]) -> str:
    """Put at least one name in a list: "one", "one and two", "one, two and three"."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
