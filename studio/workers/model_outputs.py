"""Runs one model over the questions of an evaluation: its answers, their likelihoods, and the probes.

What a base says to the same rows is kept in a file by its hash, so that it is asked once for any number of runs.
"""

import hashlib
import importlib.metadata
import itertools
import logging
import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from studio import codec
from studio.data.examples import TEXT, Example, Message
from studio.data.scoring.probes import Question, Text, prompt_of, read_questions, read_texts
from studio.data.tokenizing.rendering import ChatRenderer
from studio.files import write_whole
from studio.logs import logged
from studio.models.starter import Stopped
from studio.workers.eval_rows import EvalRows

if TYPE_CHECKING:
    from studio.ml.batches import TokenRow
    from studio.ml.loading import Placement

Tell = Callable[[str, int, int], None]
Seen = TypeVar("Seen")


log = logging.getLogger(__name__)


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

    def observe(self, model: Any, progress: Tell) -> Observed:
        """Ask a model everything; a PeftModel with the adapter that is active in it. Raises Stopped, and
        NotFinite where it answers with NaN.

        `progress` hears what is asked, how many are done, and of how many.
        """
        asked, probes = self._asked, self._probes
        prompts = [tuple(row.row.ids[: row.prompt_tokens]) for row in asked.rows]
        losses = self._losses(model, [row.row for row in asked.rows], progress, "how likely the right answers are")
        written = self._answers(model, prompts, progress) if asked.task.kind != "text" else []
        labels = self._scores(model, prompts, [asked.labels] * len(prompts), progress, "how likely each label is")
        texts = self._losses(model, probes.text_rows if probes else (), progress, "general language")
        questions = (probes.prompts, probes.choices) if probes is not None else ((), ())
        choices = self._scores(model, *questions, progress, "general knowledge")
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

    def _losses(self, model: Any, rows: "Sequence[TokenRow]", progress: Tell, what: str) -> list[tuple[float, int]]:
        from studio.ml.evaluation import row_losses
        from studio.ml.soundness import NotFinite

        if not rows:
            return []
        found = row_losses(
            model,
            rows,
            adapter=_adapter_of(model),
            placement=self._placement,
            pad_id=self._pad_id,
            on_progress=_telling(progress, what, len(rows)),
            should_stop=self._should_stop,
        )
        self._go_on()
        if not all(math.isfinite(loss) for loss, _ in found):
            raise NotFinite
        return found

    def _answers(self, model: Any, prompts: Sequence[tuple[int, ...]], progress: Tell) -> list[tuple[str, bool]]:
        """Return each answer, and whether it ended at its limit."""
        from studio.ml.evaluation import answer_rows

        ends = self._renderer.end_ids
        found = answer_rows(
            model,
            prompts,
            adapter=_adapter_of(model),
            limits=[row.limit for row in self._asked.rows],
            end_ids=ends,
            pad_id=self._pad_id,
            on_progress=_telling(progress, "writing answers", len(prompts)),
            should_stop=self._should_stop,
        )
        self._go_on()
        texts = (self._renderer.decode([id for id in answer if id not in ends]).strip() for answer in found)
        return [(text, not answer or answer[-1] not in ends) for text, answer in zip(texts, found, strict=True)]

    def _scores(
        self,
        model: Any,
        prompts: Sequence[tuple[int, ...]],
        continuations: Sequence[Sequence[tuple[int, ...]]],
        progress: Tell,
        what: str,
    ) -> tuple[tuple[float, ...], ...]:
        from studio.ml.evaluation import score_continuations
        from studio.ml.soundness import NotFinite

        if not any(continuations):
            return ()
        found = score_continuations(
            model,
            prompts,
            continuations,
            adapter=_adapter_of(model),
            pad_id=self._pad_id,
            on_progress=_telling(progress, what, len(prompts)),
            should_stop=self._should_stop,
        )
        self._go_on()
        if any(math.isnan(value) for row in found for value in row):
            raise NotFinite
        return tuple(tuple(row) for row in found)

    def _go_on(self) -> None:
        if self._should_stop():
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


def _telling(progress: Tell, what: str, total: int) -> Callable[[int], None]:
    progress(what, 0, total)
    return lambda done: progress(what, done, total)


def kept_path(folder: Path, model: Path, key: str) -> Path:
    """Return the file in `folder` for the outputs of the model in the folder `model` on the questions of `key`."""
    files = sorted((path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in model.glob("*.safetensors"))
    digest = hashlib.sha256(f"{key} {model.resolve()} {files}".encode()).hexdigest()
    return folder / f"base-{digest[:32]}.json"


def read_kept(path: Path, kind: type[Seen]) -> Seen | None:
    """Read kept outputs; None where there are none, or they cannot be read."""
    try:
        return codec.read(kind, path)
    except FileNotFoundError:
        return None
    except (OSError, codec.Damaged) as error:
        log.warning("What a base said, kept in %s, cannot be read; it is asked again: %s", path, error, exc_info=True)
        return None


def keep(path: Path, seen: object) -> None:
    """Keep the outputs of a model. If the disk is full, the model is asked again next time."""
    with logged(log, "What a base model said could not be kept", OSError, level=logging.INFO):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, codec.dumps(seen))
