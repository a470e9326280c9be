"""What each way to train cost and gave on one data set: base, LoRA, QLoRA and full fine-tuning in rows.

Functions from reports and views to rows.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from studio.config import CHANGES_BASE, FULL, LORA, QLORA, QLORA_8BIT, RunConfig
from studio.jobs.evaluation_report import HELD_OUT, Estimate, EvaluationReport, Figure
from studio.logs import logged
from studio.models.architecture import Architecture
from studio.models.presets import Case, derive
from studio.runs.view import RunView, Status

log = logging.getLogger(__name__)

METHOD_ROWS = ((LORA,), (QLORA, QLORA_8BIT), (FULL,))
"""The methods in the order of the table; those that stand for one another together, the usual one first."""

ON_THE_WAY: tuple[Status, ...] = ("queued", "preparing", "training", "stopping")
_WEIGHTS = ("*.safetensors", "*.bin")


@dataclass(frozen=True)
class Candidate:
    """A run of the data set. `memory_gib`, `seconds` and `file_bytes` are None where that is not known.

    `status` is None while the run's events are not read. `report` is None for a run that was not evaluated.
    """

    run_id: str
    run_name: str
    model: str
    method: str
    status: Status | None
    has_result: bool
    report: EvaluationReport | None = None
    memory_gib: float | None = None
    seconds: float | None = None
    file_bytes: int | None = None

    @property
    def counts(self) -> bool:
        """Whether the method need not be trained again: the run left something, or is on its way to it."""
        return self.has_result or self.status in ON_THE_WAY


@dataclass(frozen=True)
class Line:
    """One row of the table. `method` is empty for the base, `run_id` also for a method that no run has.

    `note` says what sets the row apart from the others, or why it has no figures.
    """

    model: str
    method: str
    run_id: str = ""
    run_name: str = ""
    score: Estimate | None = None
    knowledge: Estimate | None = None
    language: Estimate | None = None
    memory_gib: float | None = None
    seconds: float | None = None
    file_bytes: int | None = None
    note: str = ""


@dataclass(frozen=True)
class Point:
    """One evaluated run in the plot. `gain` is that of the task's score, larger being better; `knowledge` the change of
    the share of right answers, `language` that of the loss. Shares from 0 to 1; None where the probes did not run.
    """

    run_id: str
    run_name: str
    model: str
    method: str
    gain: Estimate
    knowledge: Estimate | None
    language: Estimate | None


def best_report(reports: Iterable[EvaluationReport]) -> EvaluationReport | None:
    """Choose the report that speaks for a run: on its held-out rows, with the probes, on the most rows, the newest."""
    on_held_out = [report for report in reports if report.data == HELD_OUT]
    return max(on_held_out, key=lambda each: (each.forgetting is not None, each.rows, each.created), default=None)


def peak_memory_gib(view: RunView) -> float | None:
    """Return the highest memory of a run, as its worker measured it at the end or at its steps; None before both."""
    if view.measured is not None:
        return view.measured.memory_gib
    return float(view.steps.column("memory_gib").max()) if view.steps else None


def weight_bytes(folder: Path | None) -> int | None:
    """Return the size of the weights in a folder, an adapter's or a whole model's; None where there are none."""
    if folder is None:
        return None
    total = 0
    with logged(log, "The size of the weights cannot be read", OSError):
        total = sum(file.stat().st_size for pattern in _WEIGHTS for file in folder.glob(pattern))
    return total or None


def lines(candidates: Sequence[Candidate], chosen: str, *, base_bytes: int | None = None) -> tuple[Line, ...]:
    """Make the rows: the base model of the run `chosen` with its methods, then those of other base models.

    A method of the first base model that no run has gets a row that says so. `base_bytes` is that model's size.
    """
    first = next((each.model for each in candidates if each.run_id == chosen), "")
    models = dict.fromkeys([first, *(each.model for each in candidates)])
    made: list[Line] = []
    for model in models:
        alike = [each for each in candidates if each.model == model]
        if model == first or any(each.report for each in alike):
            made += _lines_of_model(alike, model, chosen, all_methods=model == first)
    return tuple(
        replace(line, file_bytes=base_bytes) if not line.method and line.model == first else line for line in made
    )


def reference(candidates: Sequence[Candidate], chosen: str) -> EvaluationReport | None:
    """Return the report that the others are held against: that of the run `chosen`, else the first there is."""
    ordered = sorted(candidates, key=lambda each: each.run_id != chosen)
    return next((each.report for each in ordered if each.report is not None), None)


def _lines_of_model(alike: Sequence[Candidate], model: str, chosen: str, *, all_methods: bool) -> list[Line]:
    against = reference(alike, chosen)
    made = [_base_line(model, against)]
    for methods in METHOD_ROWS:
        runs = [each for each in alike if each.method in methods and each.counts]
        made += [_run_line(each, against) for each in sorted(runs, key=lambda each: each.report is None)]
        if not runs and all_methods:
            made.append(Line(model, methods[0], note="no run yet"))
    return made


def _base_line(model: str, report: EvaluationReport | None) -> Line:
    if report is None:
        return Line(model, "", note="not evaluated yet")
    main, probes = report.figure(report.main), report.forgetting
    return Line(
        model,
        "",
        score=None if main is None else main.base,
        knowledge=None if probes is None else probes.knowledge.base,
        language=None if probes is None else probes.language.base,
    )


def _run_line(run: Candidate, against: EvaluationReport | None) -> Line:
    line = Line(
        run.model,
        run.method,
        run.run_id,
        run.run_name,
        memory_gib=run.memory_gib,
        seconds=run.seconds,
        file_bytes=run.file_bytes,
    )
    if run.report is None or against is None:
        waits = run.status in ON_THE_WAY
        return replace(line, note="in the queue or training" if waits else "not evaluated yet")
    main, probes = run.report.figure(against.main), run.report.forgetting
    return replace(
        line,
        score=None if main is None else main.tuned,
        knowledge=None if probes is None else probes.knowledge.tuned,
        language=None if probes is None else probes.language.tuned,
        note=_apart(run.report, against),
    )


def _apart(report: EvaluationReport, against: EvaluationReport) -> str:
    """Say why a row cannot be held against the others without a second thought."""
    if report.data_sha256 != against.data_sha256:
        return "scored on other held-out rows"
    return f"scored on {report.rows:,} rows, not {against.rows:,}" if report.rows != against.rows else ""


def points(candidates: Sequence[Candidate], chosen: str) -> tuple[Point, ...]:
    """Return the evaluated runs whose score can be held against that of the run `chosen`: those with the same score."""
    against = reference(candidates, chosen)
    made = []
    for run in candidates:
        main = None if run.report is None or against is None else run.report.figure(against.main)
        if run.report is None or main is None or main.change is None:
            continue
        probes = run.report.forgetting
        made.append(
            Point(
                run.run_id,
                run.run_name,
                run.model,
                run.method,
                main.told(main.change) if main.higher_is_better else _turned(main.told(main.change)),
                None if probes is None else _change(probes.knowledge),
                None if probes is None else _change(probes.language),
            )
        )
    return tuple(made)


def _change(figure: Figure) -> Estimate | None:
    return None if figure.change is None else figure.told(figure.change)


def _turned(change: Estimate) -> Estimate:
    return Estimate(-change.value, -change.high, -change.low)


def missing(candidates: Sequence[Candidate], chosen: str) -> tuple[str, ...]:
    """Return the methods that no run of the base model of the run `chosen` has, in the order of the table."""
    model = next((each.model for each in candidates if each.run_id == chosen), None)
    if model is None:
        return ()
    there = {each.method for each in candidates if each.model == model and each.counts}
    return tuple(methods[0] for methods in METHOD_ROWS if not there.intersection(methods))


def settings_for(config: RunConfig, method: str, *, architecture: Architecture | None) -> RunConfig:
    """Return the settings of a run for another method, everything else the same as far as that can be.

    Between an adapter and every weight the learning rate follows the rule of the presets, by the model's size. What
    would contradict the method is left out.
    """
    changed = replace(config, method=method)
    if (method == FULL) != (config.method == FULL):
        case = Case(model=config.model, architecture=architecture, own={"method": method})
        rate = next(each.value for each in derive(case) if each.field == "learning_rate")
        changed = replace(changed, learning_rate=float(rate))
    if method == FULL:
        return replace(changed, start_adapter="")
    if changed.base_bits and config.initialisation in CHANGES_BASE:
        changed = replace(changed, initialisation="standard")
    return replace(changed, dora=False) if changed.base_bits == 8 else changed
