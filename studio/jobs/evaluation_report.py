"""What is known of a model beside its base: scores with their intervals, what was forgotten, and the rows behind them.

<run>/evaluations/<name>.json                  the report, written last and whole
                  <name>.rows-<created>.jsonl  what both answered, row by row, as that report has it
                  <name>.{task.json,lock,events.jsonl,log}    of the worker that made it
"""

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio import codec, wording
from studio.events import LAST_TIME
from studio.files import read_bytes, write_whole
from studio.runs.length_limit import AtLimit
from studio.runs.store import RunFolder

log = logging.getLogger(__name__)

_MOST_ROWS_BYTES = 256 * 2**20

HELD_OUT = "held-out"
"""The data of a run that is scored at its end: the examples that were kept from the training."""

AT_THE_END = "end"
"""The name of the report that every run gets at its end, without being asked."""

NOTHING_HELD_OUT = "There is nothing to evaluate on: no row was held out."
NOTHING_HELD_OUT_HINT = "Choose a file of other examples, or hold out a share of the data when you start a run."

LIKELIHOOD = "likelihood_accuracy"
"""The figure of how often a model finds the right label the likeliest, whatever it writes."""

SURE = 0.05
"""Below this p value a change may be called clear; else it may as well be luck."""

FEWEST_ROWS = 6
"""With fewer rows no change can be clear: coins too all fall the same way once in 2 ** (rows - 1) times."""

CLEARLY_BETTER, CLEARLY_WORSE = "clearly better", "clearly worse"
NO_CLEAR_DIFFERENCE, TOO_FEW_ROWS = "no clear difference", "too few rows"


def file_stem(run_id: str, name: str) -> str:
    """Begin the name of a file that is made of a report: the one of a run's end is about the step that was kept."""
    data = HELD_OUT if name == AT_THE_END else name
    return f"{run_id}-{data}"


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % bootstrap interval, from resampling the rows."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Figure:
    """One score of both models. `unit` is "share" (0 to 1), "score" (0 to 100), "loss" (nats a token) or "perplexity".

    `change` is tuned less base on the same rows, and `p_value` that of a paired two-sided test of no change. `base`,
    `change` and `p_value` are None where the base has no such score. `rows` is how many rows it was made from.
    """

    name: str
    title: str
    unit: str
    higher_is_better: bool
    rows: int
    tuned: Estimate
    base: Estimate | None = None
    change: Estimate | None = None
    p_value: float | None = None

    @property
    def has_interval(self) -> bool:
        """Whether the intervals mean something: resampling a handful of rows claims to know what it has not seen."""
        return self.rows >= FEWEST_ROWS

    def told(self, found: Estimate) -> Estimate:
        """Return one of its estimates as it may be drawn: without the interval where that means nothing."""
        return found if self.has_interval else Estimate(found.value, found.value, found.value)

    @property
    def is_sure(self) -> bool:
        """Whether the change is hardly luck: test and interval both say so."""
        return self.p_value is not None and self.p_value < SURE and self._leaves_zero and self.has_interval

    @property
    def verdict(self) -> str:
        """How sure a change is, in a few words; empty where there is none to speak of.

        Where the interval leaves out zero and the test is not sure, the rows are too few for either to be trusted.
        """
        if self.change is None or self.p_value is None:
            return ""
        if self.is_sure:
            return CLEARLY_BETTER if (self.change.value > 0) == self.higher_is_better else CLEARLY_WORSE
        few = not self.has_interval or (self._leaves_zero and self.p_value >= SURE)
        return TOO_FEW_ROWS if few else NO_CLEAR_DIFFERENCE

    @property
    def _leaves_zero(self) -> bool:
        return self.change is not None and (self.change.low > 0 or self.change.high < 0)


def beside(main: Figure, figures: Sequence[Figure]) -> Figure | None:
    """Return the figure that belongs beside the main one: how often each model finds the right label the likeliest.

    None unless the base does so more than twice as often as it writes that label: it was never told how to answer, and
    what it writes alone would hide what it knows.
    """
    found = next((figure for figure in figures if figure.name == LIKELIHOOD), None)
    if found is None or found.base is None or main.base is None or main.unit != "share" or main == found:
        return None
    return found if found.base.value > 2 * main.base.value else None


@dataclass(frozen=True)
class Confusion:
    """How often each expected label (a line) was answered as which label (a column). The last column is any other
    answer. `source` is "written" for what the model writes, "likelihood" for the label that it finds likeliest.
    """

    source: str
    labels: tuple[str, ...]
    base: tuple[tuple[int, ...], ...]
    tuned: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Part:
    """One subject of the knowledge probe, or one genre of the language probe; both scores in the figure's unit."""

    name: str
    rows: int
    base: float
    tuned: float


@dataclass(frozen=True)
class Forgetting:
    """What a training cost in general ability: two probes that have nothing to do with the data."""

    knowledge: Figure
    language: Figure
    subjects: tuple[Part, ...]
    genres: tuple[Part, ...]


@dataclass(frozen=True)
class EvaluationReport:
    """One evaluation of a run. Times in seconds, `created` since the epoch; `data` is HELD_OUT or a file's name.

    `task` is "labels", "json", "short", "long" or "text", and `main` the name of the figure that is this task's own
    score. `rows` of `rows_available` were scored, chosen by `seed`. `versions` are pairs of library and version.
    `standard` has one figure for each standard task that was asked, by its name in lm-evaluation-harness. So many of
    the rows the training learned from, `rows_learned`; of `rows_seen` more it had the question with another answer; and
    so many could not be asked, `rows_left_out`. `at_limit` is None where nothing was written, and in reports of earlier
    versions. `verdicts.summary` puts a report in words.
    """

    name: str
    run_id: str
    run_name: str
    model: str
    method: str
    dataset_id: str
    dataset_name: str
    dataset_sha256: str
    data: str
    data_sha256: str
    rows: int
    rows_available: int
    task: str
    main: str
    figures: tuple[Figure, ...]
    confusions: tuple[Confusion, ...]
    forgetting: Forgetting | None
    created: float
    seconds: float
    device: str
    precision: str
    seed: int
    versions: tuple[tuple[str, str], ...]
    standard: tuple[Figure, ...] = ()
    rows_learned: int = 0
    rows_seen: int = 0
    rows_left_out: int = 0
    at_limit: AtLimit | None = None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What must be known of the rows to read the figures right, a sentence each."""
        found = []
        if self.rows_left_out:
            count = wording.counted(self.rows_left_out, "row")
            found.append(f"{count} skipped: too long, or refused by the model's chat template.")
        if self.at_limit is not None and self.at_limit.sentence and not self.at_limit.is_notable:
            found.append(self.at_limit.sentence)  # else it is among the cautions
        return tuple(found)

    def figure(self, name: str) -> Figure | None:
        """Return the figure with this name; None where the report has none."""
        return next((figure for figure in self.figures if figure.name == name), None)


@dataclass(frozen=True)
class ScoredRow:
    """One row: what was asked and expected, and what both answered. Scores are in the unit of the main figure, losses
    in nats a token; None where there is none.
    """

    number: int
    prompt: str
    expected: str
    base: str
    tuned: str
    base_score: float | None = None
    tuned_score: float | None = None
    base_loss: float | None = None
    tuned_loss: float | None = None


def check_whole(report: EvaluationReport) -> None:
    """Raise Damaged where a report lacks what every drawing and sentence of it needs."""
    if not report.figures:
        raise codec.Damaged("it has no figures")
    for confusion in report.confusions:
        lines, columns = len(confusion.labels), len(confusion.labels) + 1
        tables = (confusion.base, confusion.tuned)
        if not lines or any(len(each) != lines or {len(line) for line in each} != {columns} for each in tables):
            raise codec.Damaged("a table of labels is not square")
    probes = () if report.forgetting is None else (report.forgetting.knowledge, report.forgetting.language)
    if any(each.base is None for each in probes):
        raise codec.Damaged("a probe says nothing of the base model")


def write_evaluation(run: RunFolder, report: EvaluationReport, rows: tuple[ScoredRow, ...]) -> None:
    """Write the rows and, last, the report; the rows of the report before it go when nothing needs them any more.

    Raises OSError when the disk does not take them.
    """
    folder = run.path / "evaluations"
    folder.mkdir(exist_ok=True)
    path = rows_path(run, report)
    write_whole(path, "\n".join(codec.dumps(row) for row in rows))
    write_whole(folder / f"{report.name}.json", codec.dumps(report))
    for pattern in ("{}.rows*.jsonl", ".{}.rows*.tmp"):
        for older in folder.glob(pattern.format(report.name)):
            if older != path:
                older.unlink(missing_ok=True)


def rows_path(run: RunFolder, report: EvaluationReport) -> Path:
    """Return the file of the rows behind a report: one of its own, so that no report meets the rows of another."""
    return run.path / "evaluations" / f"{report.name}.rows-{round(report.created * 1000)}.jsonl"


def evaluated_at(run: Path) -> int:
    """Say when a report of the run in a folder was last written, as the disk tells the time; 0 without any."""
    try:
        return os.stat(run / "evaluations").st_mtime_ns
    except OSError:
        return 0


def has_report(run: RunFolder, name: str) -> bool:
    """Say whether there is a report, which may be one that cannot be read."""
    return _report_path(run, name).exists()


def _report_path(run: RunFolder, name: str) -> Path:
    return run.path / "evaluations" / f"{name}.json"


def read_report(run: RunFolder, name: str) -> EvaluationReport | None:
    """Read a report; None when there is none, or none that can be read."""
    path = _report_path(run, name)
    try:
        report = codec.read(EvaluationReport, path)
        check_whole(report)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.debug("The evaluation %s cannot be read: %s", path, error, exc_info=True)
        return None
    return report if report.name == name and 0 <= report.created <= LAST_TIME else None


def read_rows(run: RunFolder, name: str) -> tuple[ScoredRow, ...]:
    """Read the rows of a report; none when they are not there or cannot be read."""
    report = read_report(run, name)
    if report is None:
        return ()
    path = rows_path(run, report)
    if not path.exists():  # reports had this name for their rows once
        path = path.with_name(f"{name}.rows.jsonl")
    try:
        content = read_bytes(path, most_bytes=_MOST_ROWS_BYTES) or b""
        return tuple(codec.loads(ScoredRow, line) for line in content.split(b"\n") if line)
    except (OSError, codec.Damaged) as error:
        log.warning("The rows of the evaluation %s cannot be read: %s", path, error, exc_info=True)
        return ()
