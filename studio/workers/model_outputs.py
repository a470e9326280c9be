"""Runs one model over the questions of an evaluation: its answers, their likelihoods, and the probes."""

import hashlib
import importlib.metadata
import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studio.data.examples import TEXT, Example, Message
from studio.data.scoring.probes import Question, Text, prompt_of, read_questions, read_texts
from studio.data.tokenizing.rendering import ChatRenderer
from studio.models.starter import Stopped
from studio.workers.eval_rows import EvalRows
from studio.workers.kept_outputs import SoFar

if TYPE_CHECKING:
    from studio.ml.batches import TokenRow
    from studio.ml.loading import Placement

Tell = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Probes:
    """The questions of general knowledge and the texts of general language, also as tokens.

    `prompts` has one row of tokens for each question, `choices` those of its four answers.
    """

    questions: tuple[Question, ...]
    prompts: tuple[tuple[int, ...], ...]
    choices: tuple[tuple[tuple[int, ...], ...], ...]
    texts: tuple[Text, ...]
    text_rows: tuple["TokenRow", ...]

    @property
    def tokens(self) -> int:
        """How many tokens one model reads for all of them; a question is read once for its four answers."""
        answers = sum(len(ids) for each in self.choices for ids in each)
        return sum(map(len, self.prompts)) + answers + sum(len(row.ids) for row in self.text_rows)


@dataclass(frozen=True)
class Observed:
    """What one model said. Losses are sums in nats over so many tokens; likelihoods are log-likelihoods in nats.

    `labels` has one likelihood of each label for each row, `choices` one of each answer for each question; both are
    empty where nothing was asked. `cut` says of each answer whether it ended at its limit.
    """

    answers: tuple[str, ...]
    losses: tuple[float, ...]
    tokens: tuple[int, ...]
    labels: tuple[tuple[float, ...], ...] = ()
    choices: tuple[tuple[float, ...], ...] = ()
    text_losses: tuple[float, ...] = ()
    text_tokens: tuple[int, ...] = ()
    cut: tuple[bool, ...] = ()


def read_probes(folder: Path, renderer: ChatRenderer, *, share: float = 1.0) -> Probes:
    """Read the probes and turn them into tokens; of each subject and genre `share` of them, always the same ones."""
    from studio.ml.batches import TokenRow

    questions = _part_of(read_questions(folder), lambda each: each.subject, share)
    texts = _part_of(read_texts(folder), lambda each: each.genre, share)
    prompts, choices = [], []
    for question in questions:
        prompt, options = _tokens_of(question, renderer)
        prompts.append(prompt)
        choices.append(options)
    rows = []
    for text in texts:
        ids = _plain(renderer, text.text)
        rows.append(TokenRow(ids=ids, labels=ids))
    return Probes(questions, tuple(prompts), tuple(choices), texts, tuple(rows))


def _part_of(items: Sequence[Any], group: Callable[[Any], str], share: float) -> tuple[Any, ...]:
    if share >= 1:
        return tuple(items)
    chosen = []
    for _, each in itertools.groupby(sorted(items, key=group), key=group):
        members = list(each)
        chosen += random.Random(0).sample(members, max(1, round(len(members) * share)))
    return tuple(chosen)


def _plain(renderer: ChatRenderer, text: str) -> tuple[int, ...]:
    """Turn a plain text into tokens as the model reads the beginning of one."""
    return renderer.render(Example((Message(TEXT, text),), continues=True)).ids


def _tokens_of(question: Question, renderer: ChatRenderer) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """Return the tokens of a question and of each answer after it, cut where question and answer surely part."""
    prompt = prompt_of(question)
    before = _plain(renderer, prompt)
    whole = [_plain(renderer, f"{prompt} {choice}") for choice in question.choices]
    cut = min(len(before), *(len(ids) - 1 for ids in whole))
    while any(ids[:cut] != before[:cut] for ids in whole):
        cut -= 1
    return before[:cut], tuple(ids[cut:] for ids in whole)


class Observer:
    """Asks one model after another the same questions."""

    kind = Observed

    def __init__(
        self,
        asked: EvalRows,
        probes: Probes | None,
        *,
        renderer: ChatRenderer,
        placement: "Placement",
        pad_id: int,
        should_stop: Callable[[], bool],
    ) -> None:
        self._asked = asked
        self._probes = probes
        self._renderer = renderer
        self._placement = placement
        self._pad_id = pad_id
        self._should_stop = should_stop

    def observe(self, model: Any, progress: Tell, so_far: SoFar) -> Observed:
        """Ask a model everything that is not in `so_far` yet; a PeftModel with the adapter that is active in it.

        `progress` hears what is asked, how many are done, and of how many. Raises Stopped, with what was said until
        then in `so_far`, and NotFinite where it answers with NaN.
        """
        asked, probes = self._asked, self._probes
        prompts = [tuple(row.row.ids[: row.prompt_tokens]) for row in asked.rows]
        asking = _Asking(model, so_far, progress)
        losses = self._losses(asking, "losses", [row.row for row in asked.rows], "how likely the right answers are")
        written = self._answers(asking, prompts) if asked.task.kind != "text" else []
        each_label = [asked.labels] * len(prompts)
        labels = self._scores(asking, "labels", prompts, each_label, "how likely each label is")
        texts = self._losses(asking, "texts", probes.text_rows if probes else (), "general language")
        questions = (probes.prompts, probes.choices) if probes is not None else ((), ())
        choices = self._scores(asking, "choices", *questions, "general knowledge")
        return Observed(
            answers=tuple(text for text, _ in written),
            losses=tuple(loss for loss, _ in losses),
            tokens=tuple(count for _, count in losses),
            labels=labels,
            choices=choices,
            text_losses=tuple(loss for loss, _ in texts),
            text_tokens=tuple(count for _, count in texts),
            cut=tuple(cut for _, cut in written),
        )

    def _losses(self, asking: "_Asking", part: str, rows: "Sequence[TokenRow]", what: str) -> list[tuple[float, int]]:
        from studio.ml.evaluation import row_losses
        from studio.ml.soundness import NotFinite

        values, left = asking.left(part, len(rows))
        if left:
            found = row_losses(
                asking.model,
                [rows[place] for place in left],
                adapter=_adapter_of(asking.model),
                placement=self._placement,
                pad_id=self._pad_id,
                on_progress=asking.telling(what, left, len(rows)),
                should_stop=self._should_stop,
            )
            if not all(math.isfinite(loss) for loss, _ in found):
                raise NotFinite
            self._take(asking, part, values, {place: each for place, each in zip(left, found, strict=True) if each[1]})
        return values

    def _answers(self, asking: "_Asking", prompts: Sequence[tuple[int, ...]]) -> list[tuple[str, bool]]:
        """Return each answer, and whether it ended at its limit."""
        from studio.ml.evaluation import answer_rows

        ends = self._renderer.end_ids
        values, left = asking.left("answers", len(prompts))
        if left:
            limits = [self._asked.rows[place].limit for place in left]
            found = answer_rows(
                asking.model,
                [prompts[place] for place in left],
                adapter=_adapter_of(asking.model),
                limits=limits,
                end_ids=ends,
                pad_id=self._pad_id,
                on_progress=asking.telling("writing answers", left, len(prompts)),
                should_stop=self._should_stop,
            )
            told = zip(left, found, limits, strict=True)
            whole = {place: self._answer(ids) for place, ids, limit in told if _has_ended(ids, ends, limit)}
            self._take(asking, "answers", values, whole)
        return values

    def _answer(self, ids: Sequence[int]) -> tuple[str, bool]:
        ends = self._renderer.end_ids
        return self._renderer.decode([id for id in ids if id not in ends]).strip(), not ids or ids[-1] not in ends

    def _scores(
        self,
        asking: "_Asking",
        part: str,
        prompts: Sequence[tuple[int, ...]],
        continuations: Sequence[Sequence[tuple[int, ...]]],
        what: str,
    ) -> tuple[tuple[float, ...], ...]:
        from studio.ml.evaluation import score_continuations
        from studio.ml.soundness import NotFinite

        if not any(continuations):
            return ()
        values, left = asking.left(part, len(prompts))
        if left:
            found = score_continuations(
                asking.model,
                [prompts[place] for place in left],
                [continuations[place] for place in left],
                adapter=_adapter_of(asking.model),
                pad_id=self._pad_id,
                on_progress=asking.telling(what, left, len(prompts)),
                should_stop=self._should_stop,
            )
            whole = {place: tuple(row) for place, row in zip(left, found, strict=True) if not any(map(math.isnan, row))}
            if len(whole) < len(left) and not self._should_stop():
                raise NotFinite
            self._take(asking, part, values, whole)
        return tuple(values)

    def _take(self, asking: "_Asking", part: str, values: list[Any], found: Mapping[int, Any]) -> None:
        """Keep what a model said of one part. Raises Stopped where that is not all."""
        for place, value in found.items():
            values[place] = value
        asking.so_far.keep(part, values)
        if self._should_stop() or None in values:
            raise Stopped

    @property
    def key(self) -> str:
        """A hash of all that is asked, and of how it is computed."""
        asked, probes = self._asked, self._probes
        told = [
            sorted(Observed.__dataclass_fields__),  # what an earlier version kept may lack some
            [(tuple(row.row.ids), tuple(row.row.labels), row.limit) for row in asked.rows],
            asked.labels,
            None if probes is None else (probes.prompts, probes.choices, [tuple(row.ids) for row in probes.text_rows]),
            self._placement,
            self._renderer.fingerprint,
            importlib.metadata.version("transformers"),
        ]
        return hashlib.sha256(repr(told).encode()).hexdigest()


def _adapter_of(model: Any) -> str:
    from peft import PeftModel

    from studio.ml.generation import BASE

    return str(model.active_adapter) if isinstance(model, PeftModel) else BASE


def _has_ended(ids: Sequence[int], end_ids: Sequence[int], limit: int) -> bool:
    """Tell whether an answer is whole, and was not left in the middle when the evaluation was stopped."""
    return bool(ids) and (ids[-1] in end_ids or len(ids) >= limit)


@dataclass(frozen=True)
class _Asking:
    """One model that is being asked, what it has said, and who hears how far it is."""

    model: Any
    so_far: SoFar
    progress: Tell

    def left(self, part: str, count: int) -> tuple[list[Any], list[int]]:
        """Return what is known of one part, and the places of what is still to be asked."""
        values = self.so_far.part(part, count)
        return values, [place for place, value in enumerate(values) if value is None]

    def telling(self, what: str, left: Sequence[int], total: int) -> Callable[[int], None]:
        """Tell that something begins, and return what tells how far it is."""
        before = total - len(left)
        self.progress(what, before, total)
        return lambda done: self.progress(what, before + done, total)
