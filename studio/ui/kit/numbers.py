"""Numbers and moments as the page's figures show them. Sizes, counts and sentences come from `studio.wording`."""

import time

from studio.events import LAST_TIME


def parameters(number: int) -> str:
    """Write a number of parameters: "4.9 million", "1.2 billion", "9,216"."""
    if number >= 1_000_000_000:
        return f"{number / 1e9:.1f} billion"
    if number >= 1_000_000:
        return f"{number / 1e6:.1f} million"
    return f"{number:,}"


def brief_duration(seconds: float) -> str:
    """Write a time span for a figure: "42 s", "3 min 20 s", "2 h 5 min"."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest and minutes < 10 else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def moment(seconds_since_epoch: float) -> str:
    """Write a point in local time: "21 Nov, 14:05"."""
    local = time.localtime(min(max(0.0, seconds_since_epoch), LAST_TIME))
    return f"{local.tm_mday} {time.strftime('%b, %H:%M', local)}"


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
