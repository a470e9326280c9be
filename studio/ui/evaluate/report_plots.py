"""Plots of the report, drawn as SVG by hand, so that the file needs no library and no network.

Functions from plain values to markup; the colours are those of the report's style sheet.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from studio.jobs.evaluation_report import Estimate, Figure
from studio.jobs.tradeoff import Point
from studio.ui.evaluate import figures
from studio.ui.evaluate.tradeoff_view import METHOD_NAMES, SHADES
from studio.ui.kit import fragments

_WIDTH = 720
_LABELS = 210
_BAR, _GAP = 12, 16
_MOST_TICKS = 6
_FRAME = (70, 20, 24, 46)
"""The room of the scatter beside its frame: left, right, top, bottom."""

_HEIGHT = 380


def bars(shown: Sequence[Figure]) -> Markup:
    """Draw the shares and scores of both models as bars from 0 to 100 with their intervals; nothing without one."""
    drawn = [figure for figure in shown if figure.unit in ("share", "score")]
    if not drawn:
        return Markup("")
    height = len(drawn) * (2 * _BAR + _GAP) + 24
    right = _WIDTH - 20
    across = (right - _LABELS) / 100
    grid = fragments.join(
        fragments.join(
            (
                _line("grid", (_LABELS + tick * across, 0), (_LABELS + tick * across, height - 20)),
                _text("tick", _LABELS + tick * across, height - 4, f"{tick}"),
            )
        )
        for tick in range(0, 101, 20)
    )
    inner = fragments.join(_pair(figure, place * (2 * _BAR + _GAP), across) for place, figure in enumerate(drawn))
    return _svg("Scores of base and tuned with their intervals", height, fragments.join((grid, inner)))


def _pair(figure: Figure, top: float, across: float) -> Markup:
    scale = 100 if figure.unit == "share" else 1
    name = _text("label", _LABELS - 12, top + _BAR + 4, figure.title)
    base = _bar("base", figure.base, figure, top, across * scale) if figure.base is not None else ""
    return fragments.join((name, base, _bar("tuned", figure.tuned, figure, top + _BAR + 2, across * scale)))


def _bar(who: str, estimate: Estimate, figure: Figure, top: float, across: float) -> Markup:
    found, unit = figure.told(estimate), figure.unit
    low, high, middle = _LABELS + found.low * across, _LABELS + found.high * across, top + _BAR / 2
    return Markup(
        '<g><title>{}: {} ({})</title><rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="2"/>'
        '<path class="ends" d="M{low} {middle}H{high}M{low} {above}V{below}M{high} {above}V{below}"/></g>'
    ).format(
        who,
        figures.number(found.value, unit),
        figures.interval(found, unit),
        who,
        _LABELS,
        _short(top),
        _short(max(0.0, found.value * across)),
        _BAR,
        low=_short(low),
        high=_short(high),
        middle=_short(middle),
        above=_short(middle - 3),
        below=_short(middle + 3),
    )


@dataclass(frozen=True)
class Axis:
    """One axis of a plot: values from `low` to `high` are drawn from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return where a value is drawn."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Choose round values to write at the axis, at most about six."""
        rough = (self.high - self.low) / _MOST_TICKS
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * each for each in (1, 2, 5, 10) if power * each >= rough)
        return [step * number for number in range(math.ceil(self.low / step), math.floor(self.high / step) + 1)]


def axis(values: Sequence[float], start: float, end: float) -> Axis:
    """Make an axis that holds zero and all values with some air around them. Raises ValueError without a value."""
    low, high = min(0.0, *values), max(0.0, *values)
    air = 0.08 * (high - low) or 1.0
    return Axis(low - air, high + air, start, end)


def scatter(points: Sequence[Point], *, gain: str, gain_unit: str) -> Markup:
    """Draw gain on the task against the change of general knowledge, a point for each run; nothing without one.

    `gain` names the horizontal axis. Shares are drawn in points of a hundred.
    """
    scale = 100 if gain_unit == "share" else 1
    placed = [(each, _times(each.gain, scale), _times(each.knowledge, 100)) for each in points if each.knowledge]
    if not placed:
        return Markup("")
    left, right, top, bottom = _FRAME
    across = axis([end for _, x, _ in placed for end in (x.low, x.high)], left, _WIDTH - right)
    up = axis([end for _, _, y in placed for end in (y.low, y.high)], _HEIGHT - bottom, top)
    marks = fragments.join(_mark(point, x, y, across, up) for point, x, y in placed)
    below = _text("tick", (across.start + across.end) / 2, _HEIGHT - 8, gain)
    beside = Markup('<text class="tick" transform="translate(14 {}) rotate(-90)">{}</text>').format(
        (up.start + up.end) / 2, "change in knowledge in points"
    )
    drawn = fragments.join((_grid(across, up), marks, below, beside))
    methods = dict.fromkeys(point.method for point, _, _ in placed)
    legend = fragments.join(
        Markup('<li><i class="ls-part-{}"></i>{}</li>').format(SHADES.get(each, 7), METHOD_NAMES.get(each, each))
        for each in methods
    )
    figure = _svg("Gain on the task against the change of general knowledge", _HEIGHT, drawn)
    return fragments.join((figure, Markup('<ul class="legend">{}</ul>').format(legend)))


def _grid(across: Axis, up: Axis) -> Markup:
    drawn = []
    for tick in across.ticks():
        x = across.at(tick)
        drawn.append(_line("grid" if tick else "zero", (x, up.start), (x, up.end)))
        drawn.append(_text("tick", x, up.start + 16, f"{tick:+g}" if tick else "0"))
    for tick in up.ticks():
        y = up.at(tick)
        drawn.append(_line("grid" if tick else "zero", (across.start, y), (across.end, y)))
        drawn.append(_text("label", across.start - 8, y + 4, f"{tick:+g}" if tick else "0"))
    return fragments.join(drawn)


def _mark(point: Point, x: Estimate, y: Estimate, across: Axis, up: Axis) -> Markup:
    name = METHOD_NAMES.get(point.method, point.method)
    said = f"{point.run_name}, {name}: gain {x.value:+.1f}, knowledge {y.value:+.1f}"
    return Markup(
        '<g class="dot-{}"><title>{}</title><path class="spread" d="M{} {}H{}M{} {}V{}"/>'
        '<circle cx="{x}" cy="{y}" r="6"/><text class="name" x="{}" y="{}">{}</text></g>'
    ).format(
        SHADES.get(point.method, 7),
        said,
        _short(across.at(x.low)),
        _short(up.at(y.value)),
        _short(across.at(x.high)),
        _short(across.at(x.value)),
        _short(up.at(y.low)),
        _short(up.at(y.high)),
        _short(across.at(x.value) + 10),
        _short(up.at(y.value) - 8),
        point.run_name,
        x=_short(across.at(x.value)),
        y=_short(up.at(y.value)),
    )


def _times(found: Estimate | None, scale: float) -> Estimate:
    assert found is not None
    return Estimate(scale * found.value, scale * found.low, scale * found.high)


def _line(kind: str, start: tuple[float, float], end: tuple[float, float]) -> Markup:
    return Markup('<line class="{}" x1="{}" y1="{}" x2="{}" y2="{}"/>').format(kind, *map(_short, (*start, *end)))


def _text(kind: str, x: float, y: float, text: str) -> Markup:
    return Markup('<text class="{}" x="{}" y="{}">{}</text>').format(kind, _short(x), _short(y), text)


def _svg(name: str, height: float, inner: Markup) -> Markup:
    return Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(_WIDTH, height, name, inner)


def _short(number: float) -> str:
    return f"{number:.1f}"
