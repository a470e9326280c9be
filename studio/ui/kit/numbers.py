"""Numbers and moments as the page's figures show them. Sizes, counts and sentences come from `studio.wording`."""

import time

from studio.events import LAST_TIME

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def parameters(number: int) -> str:
    """Write a number of parameters: "4.9 million", "1.2 billion", "9,216"."""
    if number >= 1_000_000_000:
        return f"{number / 1e9:.1f} billion"
    if number >= 1_000_000:
        return f"{number / 1e6:.1f} million"
    return f"{number:,}"


def moment(seconds_since_epoch: float) -> str:
    """Write a point in local time: "21 Nov, 14:05"."""
    local = time.localtime(min(max(0.0, seconds_since_epoch), LAST_TIME))
    return f"{local.tm_mday} {_MONTHS[local.tm_mon - 1]}, {local.tm_hour:02}:{local.tm_min:02}"


def clock_time(seconds_since_epoch: float) -> str:
    """Write a time of day in local time, to the second: "14:05:09"."""
    return time.strftime("%H:%M:%S", time.localtime(min(max(0.0, seconds_since_epoch), LAST_TIME)))


def share(part: int, whole: int) -> str:
    """Write a share in per cent, with as many digits as it needs to say something."""
    if whole <= 0:
        return "0 %"
    percent = 100 * part / whole
    return f"{percent:.0f} %" if percent >= 10 else f"{percent:.1f} %" if percent >= 0.1 else f"{percent:.3f} %"


def tiny(number: float) -> str:
    """Write a small number as people say it: "2.1e-6", "0"."""
    if number == 0:
        return "0"
    mantissa, exponent = f"{number:.1e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"
