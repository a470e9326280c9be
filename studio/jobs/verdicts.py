"""What may be said of an evaluation in words: each sentence with the evidence that it needs.

`tests/jobs/test_verdicts.py` has the table of sentences and their evidence.
"""

import math
from dataclasses import dataclass

from studio import wording
from studio.jobs.evaluation_report import (
    CLEARLY_BETTER,
    CLEARLY_WORSE,
    FEWEST_ROWS,
    HELD_OUT,
    TOO_FEW_ROWS,
    Estimate,
    EvaluationReport,
    Figure,
    Forgetting,
    beside,
)

_PLAIN = {
    "accuracy": "Right labels",
    "json_fields": "Right fields",
    "token_f1": "Words in common with your answers",
    "rouge_l": "Likeness to your answers",
    "loss": "Loss on your texts",
}
"""What the score of each kind of task is called where nobody is expected to know its name."""

_LITTLE = 0.05
"""A loss that moved by less than this share of itself moved a little, however sure that is."""

_WHAT_TO_DO = "Add examples or train it longer: the Train tab says which, under “What could make it better”."
_ONE_IN = 10
"""Of so many examples one is held out where nobody chose otherwise."""

_REACH = (1.96 + 0.84) / 1.96
"""How much narrower than the change an interval has to be for four in five repetitions to tell (Cohen 1988)."""

_MOST_ROWS = 100_000
"""Where more rows than this would be needed, the number helps nobody."""


@dataclass(frozen=True)
class Sentence:
    """One thing that is said. `kind` is "good", "bad", "warning" or "quiet"."""

    kind: wording.Tone
    text: str


@dataclass(frozen=True)
class Summary:
    """An evaluation in three sentences: what changed, how sure that is, and what was forgotten.

    `cautions` say what makes the first two worth less than they look.
    """

    change: Sentence
    confidence: Sentence
    forgotten: Sentence
    cautions: tuple[str, ...] = ()
    next: Sentence | None = None
    """What to do where it did not become better."""

    @property
    def rest(self) -> str:
        """What stands beside the change, in a row."""
        return " ".join(text for text in (self.confidence.text, *self.cautions, self.forgotten.text) if text)

    @property
    def text(self) -> str:
        """All of it in a row."""
        return f"{self.change.text} {self.rest}".strip()


def summary(report: EvaluationReport) -> Summary:
    """Put an evaluation in words."""
    main = report.figure(report.main) or report.figures[0]
    sure = _confidence(main, held_out=report.data == HELD_OUT)
    return Summary(
        change=Sentence(sure.kind, _change(main, report)),
        confidence=sure,
        forgotten=forgotten(report.forgetting),
        cautions=_cautions(main, report),
        next=_next(main),
    )


def _next(figure: Figure) -> Sentence | None:
    """Say what to do with a model that answers no better than its base; nothing where it does, or that is not known."""
    change = figure.change
    if change is None or figure.verdict == CLEARLY_BETTER:
        return None
    if change.value == 0:
        return Sentence("warning", f"It answers as well as before: nothing is gained yet. {_WHAT_TO_DO}")
    if (change.value > 0) == figure.higher_is_better:
        return None
    if figure.verdict == CLEARLY_WORSE:
        return Sentence("bad", f"It answers worse than before: do not use it. {_WHAT_TO_DO}")
    return Sentence("bad", f"Nothing shows that it answers better than before: do not use it yet. {_WHAT_TO_DO}")


def plain_name(figure: Figure) -> str:
    """Name a score as somebody says it who does not know its name in the field."""
    return _PLAIN.get(figure.name, figure.title)


def rows_needed(figure: Figure) -> int | None:
    """Estimate how many rows would show a change as large as the one that was seen; None where no number helps.

    The width of an interval falls with the root of the rows. Fewer than `FEWEST_ROWS` never do; where the rows that
    were asked point one way and are too few to tell, at least twice as many are named.
    """
    change = figure.change
    if change is None or change.value == 0 or figure.is_sure:
        return None
    reach = _REACH * (change.high - change.low) / 2
    if reach > abs(change.value) * math.sqrt(_MOST_ROWS):  # said first: its square may be no number
        return None
    found = math.ceil(figure.rows * (reach / abs(change.value)) ** 2)
    least = 2 * figure.rows if figure.verdict == TOO_FEW_ROWS else figure.rows + 1
    found = _rounded_up(max(found, least, FEWEST_ROWS))
    return found if found <= _MOST_ROWS else None


def _rounded_up(number: int) -> int:
    """Round to two digits: more of them would claim to know."""
    step: int = 10 ** max(0, len(str(number)) - 2)
    return -(-number // step) * step


def _change(main: Figure, report: EvaluationReport) -> str:
    name = plain_name(main)
    rows = wording.counted(main.rows, "row")
    if main.rows < report.rows_available:
        rows = f"{main.rows:,} of {wording.counted(report.rows_available, 'row')}"
    after = shown(main, main.tuned.value)
    if main.base is None:
        return f"{name}: {after} on {rows}."
    before = shown(main, main.base.value)
    if before == after:
        return f"{name}: {after} before and after, on {rows}."
    return f"{name}: {before} before, {after} after, on {rows}."


def _confidence(figure: Figure, *, held_out: bool) -> Sentence:
    """Say how sure a change is, and where it is not, how many rows would do."""
    verdict = figure.verdict
    if not verdict or figure.p_value is None:
        return Sentence("quiet", "")
    if verdict in (CLEARLY_BETTER, CLEARLY_WORSE):
        kind: wording.Tone = "good" if verdict == CLEARLY_BETTER else "bad"
        return Sentence(kind, f"{verdict.capitalize()}: luck alone would do this {_odds(figure.p_value)}.")
    needed = rows_needed(figure)
    enough = f" About {needed:,} rows would show a change of this size." if needed else ""
    if needed and held_out:
        enough = f"{enough} With 10 % held out, that is {_ONE_IN * needed:,} examples in all."
    if verdict == TOO_FEW_ROWS:
        asked = wording.counted(figure.rows, "row")
        return Sentence("warning", f"Too few rows to be sure: {asked} can differ this much by luck.{enough}")
    same = figure.change is not None and figure.change.value == 0
    why = "both did equally well" if same else "a change of this size can be luck"
    return Sentence("quiet", f"No clear difference: {why}.{enough}")


def _odds(p_value: float) -> str:
    """Put a p value in words: "less than once in 1,000 times", "about once in 45 times"."""
    return "less than once in 1,000 times" if p_value < 0.001 else f"about once in {round(1 / p_value):,} times"


def _cautions(main: Figure, report: EvaluationReport) -> tuple[str, ...]:
    found = []
    likelier = beside(main, report.figures)
    if likelier is not None and likelier.base is not None:
        before, after = (shown(likelier, each.value) for each in (likelier.base, likelier.tuned))
        found.append(
            f"The base was never told how to answer: it finds the right label likeliest in {before}, the tuned model "
            f"in {after}."
        )
    if report.at_limit is not None and report.at_limit.is_notable:
        found.append(report.at_limit.sentence)
    if report.rows_learned:
        verb = "was" if report.rows_learned == 1 else "were"
        found.append(f"{report.rows_learned:,} of these rows {verb} learned in the training.")
    if report.rows_seen:
        counts = f"{report.rows_seen:,} of these rows {'asks' if report.rows_seen == 1 else 'ask'}"
        found.append(f"{counts} a question that the training has too, with another answer.")
    return tuple(found)


def forgotten(found: Forgetting | None) -> Sentence:
    """Say what a training cost in general ability."""
    if found is None:
        return Sentence("quiet", "")
    knowledge, language = found.knowledge, found.language
    worse = CLEARLY_WORSE in (knowledge.verdict, language.verdict)
    text = f"{_knowledge(knowledge)} {_language(language)}"
    if knowledge.is_sure or language.is_sure:
        return Sentence(("bad" if _is_much(found) else "warning") if worse else "good", text)
    return Sentence("good", f"No clear sign of forgetting. {text}")


def _is_much(found: Forgetting) -> bool:
    return found.knowledge.verdict == CLEARLY_WORSE or abs(_moved(found.language)) >= _LITTLE


def _knowledge(figure: Figure) -> str:
    assert figure.base is not None
    before, after = (shown(figure, each.value) for each in (figure.base, figure.tuned))
    values = f"still {after}" if before == after else f"{before} before, {after} after"
    word = "" if before == after else f", {figure.verdict}" if figure.is_sure else ", no clear difference"
    return f"General knowledge: {values}, of {wording.counted(figure.rows, 'question')}{word}."


def _language(figure: Figure) -> str:
    """Say what of language is compared: the loss on texts that have nothing to do with the data."""
    assert figure.base is not None
    rows = wording.counted(figure.rows, "everyday text")
    before, after = (f"{each.value:.2f}" for each in (figure.base, figure.tuned))
    if before == after:
        return f"General language: loss still {after} on {rows}."
    moved = _moved(figure)
    by = f"{abs(moved):.0%}".replace("%", " %") if abs(moved) >= 0.005 else "less than 1 %"
    word = f", {'a little ' if abs(moved) < _LITTLE else 'clearly '}{_better(moved)}" if figure.is_sure else ""
    return f"General language: loss {before} before, {after} after, on {rows}, {by} {_direction(moved)}{word}."


def _moved(figure: Figure) -> float:
    """Return by what share of itself a loss moved."""
    assert figure.base is not None
    return (figure.tuned.value - figure.base.value) / max(abs(figure.base.value), 1e-9)


def _direction(moved: float) -> str:
    return "higher" if moved > 0 else "lower"


def _better(moved: float) -> str:
    return "worse" if moved > 0 else "better"


def shown(figure: Figure, value: float) -> str:
    """Write a value as a sentence has it: "41 %", "41.2 of 100", "1.234"."""
    if figure.unit == "share":
        return f"{value:.0%}".replace("%", " %")
    return f"{value:.1f} of 100" if figure.unit == "score" else f"{value:.3f}"


def told_with_interval(figure: Figure, found: Estimate | None) -> str:
    """Write an estimate with its interval, where the rows are enough for one; empty where there is none."""
    if found is None:
        return ""
    value = shown(figure, found.value)
    return f"{value} ({shown(figure, found.low)} to {shown(figure, found.high)})" if figure.has_interval else value


def file_beside_run(figure: Figure) -> str:
    """Say how well a file of the tuned model does its task, as tuned, beside the run, as base."""
    return (
        f"On {figure.rows:,} held-out rows: {figure.title} {told_with_interval(figure, figure.tuned)} for this file, "
        f"{told_with_interval(figure, figure.base)} for the run: {figure.verdict}."
    )
