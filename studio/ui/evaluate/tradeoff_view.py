"""The trade-off drawn: what each way to train cost and gave in a table, and gain against forgetting in a plot.

Functions from plain values to markup and to what the plot's script reads.
"""

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from studio.config import FULL, LORA, QLORA, QLORA_8BIT
from studio.jobs.evaluation_report import Estimate, EvaluationReport, Figure
from studio.jobs.tradeoff import Line, Point
from studio.jobs.verdicts import plain_name
from studio.planning.tradeoffs import Queueable, Tradeoff
from studio.ui.configure.forecast_card import written_time
from studio.ui.evaluate import figures
from studio.ui.kit import actions, fragments
from studio.ui.kit.form import CHOICE_LABELS
from studio.ui.kit.fragments import Row
from studio.ui.kit.plot import Drawing, plot
from studio.ui.runs.table import base_name, rate
from studio.wording import between, brief_duration, listed, size

TRAIN_MISSING = "train-missing"
SHADES = {LORA: 1, QLORA: 3, QLORA_8BIT: 6, FULL: 5}
"""The colour of each method."""

METHOD_NAMES = {"": "Base model", **{method: CHOICE_LABELS[method] for method in SHADES}}


def columns(report: EvaluationReport | None) -> tuple[str, ...]:
    """Name the columns, the task's score as the report has it."""
    main = report.figure(report.main) if report is not None else None
    score = plain_name(main) if main is not None else "Task score"
    return (
        "Method",
        score,
        "General knowledge",
        "General language (loss)",
        "Peak memory",
        "Training time",
        "Size of the weights",
    )


def table(found: Tradeoff) -> Markup:
    """Draw the rows; on a narrow screen each becomes a card."""
    heads = columns(found.report)
    several = len({line.model for line in found.lines}) > 1
    rows = [_row(line, found, several=several) for line in found.lines]
    return fragments.table("ls-figures ls-tradeoff", heads, rows, name="The methods compared")


def _row(line: Line, found: Tradeoff, *, several: bool) -> Row:
    dot = Markup('<i class="ls-part-{}" aria-hidden="true"></i>').format(SHADES.get(line.method, 7))
    notes = fragments.join(
        Markup('<span class="ls-note">{}</span>').format(note)
        for note in (base_name(line.model) if several and not line.method else "", line.run_name, line.note)
        if note
    )
    name = METHOD_NAMES.get(line.method, line.method)
    head = dot + name + notes
    kinds = ("ls-main" if line.run_id == found.run_id else "", "ls-absent" if not line.run_id and line.method else "")
    return Row(head, row_cells(line, found.report), " ".join(kind for kind in kinds if kind))


def row_cells(line: Line, report: EvaluationReport | None) -> tuple[Markup | str, ...]:
    """Return what stands in the columns behind the method."""
    main = report.figure(report.main) if report is not None else None
    probes = report.forgetting if report is not None else None
    return (
        _cell(line.score, main),
        _cell(line.knowledge, probes.knowledge if probes else None),
        _cell(line.language, probes.language if probes else None),
        size(line.memory_gib * 2**30) if line.memory_gib is not None else "-",
        brief_duration(line.seconds) if line.seconds is not None else "-",
        size(line.file_bytes) if line.file_bytes is not None else "-",
    )


def _cell(found: Estimate | None, figure: Figure | None) -> Markup | str:
    return "-" if found is None or figure is None else figures.estimate(found, figure)


def offer(found: Tradeoff) -> Markup:
    """Offer to train the missing methods, with what each will need; nothing when none is missing."""
    if not found.missing:
        return Markup("")
    fitting = [each for each in found.missing if each.fits]
    lines = [fragments.line("quiet" if each.fits else "warning", _promise(each)) for each in found.missing]
    if not fitting:
        return fragments.stack(lines)
    names = listed([_in_a_sentence(each.config.method) for each in fitting])
    same = f"the same examples, the same seed ({found.seed}) and the same settings as {found.run_name}"
    button = actions.button("Train the missing methods", TRAIN_MISSING, key=found.run_id, once=True)
    said = fragments.act(button, f"{_time_of_all(fitting)}Trains {names} with {same}.")
    return fragments.stack([said, *lines])


def _in_a_sentence(method: str) -> str:
    return "full fine-tuning" if method == FULL else METHOD_NAMES[method]


def _time_of_all(runs: Sequence[Queueable]) -> str:
    """Say how long all of them train together; nothing where that is not known of one."""
    times = [each.forecast.time for each in runs if each.forecast is not None and each.forecast.time is not None]
    if len(times) < len(runs):
        return ""
    least, most = (sum(ends) for ends in zip(*(time.training_range for time in times), strict=True))
    return f"Takes {between(least, most)} of training. "


def _promise(each: Queueable) -> str:
    name = METHOD_NAMES[each.config.method]
    told = each.forecast
    if told is None:
        return f"{name}: learning rate {rate(each.config.learning_rate)}."
    need = f"about {size(told.memory_bytes)} of memory"
    if not each.fits:
        return f"{name} is skipped: it needs {need}, more than this machine has."
    time = f", takes {written_time(told.time)}" if told.time is not None else ""
    saves = " On this model that is no less memory." if each.saves_nothing else ""
    return f"{name}: learning rate {rate(each.config.learning_rate)}, needs {need}{time}.{saves}"


DRAWING = Drawing(
    name="Gain against forgetting",
    empty_title="No evaluated run yet",
    empty_text="Each evaluated run of this data set is a point here: how much it gained on the task, and how much "
    "general ability it lost.",
    script="tradeoff",
    template="evaluate/tradeoff_view.html",
)


def scatter(elem_id: str) -> gr.HTML:
    """Make the plot; its value is `payload`."""
    return plot(DRAWING, value=payload(Tradeoff("")), elem_id=elem_id)


def payload(found: Tradeoff) -> dict[str, Any]:
    """Return what the browser reads: shares in points of a hundred."""
    report = found.report
    main = report.figure(report.main) if report is not None else None
    probes = report.forgetting if report is not None else None
    units = {
        "gain": main.unit if main else "",
        "knowledge": probes.knowledge.unit if probes else "share",
        "language": probes.language.unit if probes else "loss",
    }
    return {
        "points": [_point(point, units) for point in found.points if point.knowledge or point.language],
        "names": METHOD_NAMES,
        "gain_unit": _unit(units["gain"]),
        "units": {name: _unit(units[name]) for name in ("knowledge", "language")},
        "titles": {
            "gain": gain_title(report),
            "knowledge": f"change in knowledge{_in_points(units['knowledge'])}",
            "language": f"change in language ({_unit(units['language'])})",
        },
        "rising": {"knowledge": True, "language": probes.language.higher_is_better if probes else False},
        "revision": f"{found.dataset}: {len(found.points)}",
    }


def gain_title(report: EvaluationReport | None) -> str:
    """Name the axis of the gain: "gain in accuracy in points", or "fall of loss" where less is better."""
    main = report.figure(report.main) if report is not None else None
    if main is None:
        return "gain"
    how = "gain in" if main.higher_is_better else "fall of"
    return f"{how} {figures.in_a_sentence(plain_name(main))}{_in_points(main.unit)}"


def _point(point: Point, units: dict[str, str]) -> dict[str, Any]:
    return {
        "name": f"{point.run_name}, {METHOD_NAMES.get(point.method, point.method)}, {base_name(point.model)}",
        "method": point.method,
        "shade": SHADES.get(point.method, 7),
        "gain": _scaled(point.gain, units["gain"]),
        "knowledge": _scaled(point.knowledge, units["knowledge"]),
        "language": _scaled(point.language, units["language"]),
    }


def _scaled(found: Estimate | None, unit: str) -> dict[str, float] | None:
    if found is None:
        return None
    scale = 100 if unit == "share" else 1
    ends = {"value": found.value, "low": found.low, "high": found.high}
    return {name: round(scale * end, 5) for name, end in ends.items()}


def _unit(unit: str) -> str:
    return {"share": "points", "score": "", "loss": "loss", "perplexity": "perplexity"}.get(unit, unit)


def _in_points(unit: str) -> str:
    return " in points" if unit == "share" else ""
