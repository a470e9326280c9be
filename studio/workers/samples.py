"""Sample answers while a model learns: the same few prompts before the first step, now and then, and at the end."""

import itertools
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from studio.config import RunConfig
from studio.data.example_files import ExampleFile
from studio.data.examples import Example, Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import DataError
from studio.events import Checking, Sampled
from studio.ml.pacing import Telling
from studio.models.forecast.plan import SAMPLE_TOKENS
from studio.runs.store import RunFolder
from studio.wording import counted
from studio.workers.job import Job
from studio.workers.rows import prompt_length, rows_of

log = logging.getLogger(__name__)

MOST_PROMPTS = 3
"""How many held-out examples are asked where the person gave no prompts."""

MOST_OWN = 8
PROMPT_TOKENS = 256
"""A longer prompt would make the training wait."""

MOST_EXPECTED = 2000
"""A longer answer of the data is cut to so many letters where it is shown beside those of the model."""

_LOOKED_AT = 50


@dataclass(frozen=True)
class SamplePrompt:
    """What is asked, as a person reads it and as the model does, and the answer that the data has to it."""

    text: str
    ids: tuple[int, ...]
    expected: str = ""


def prompts_of(run: RunFolder, renderer: ChatRenderer) -> tuple[SamplePrompt, ...]:
    """Make the prompts of a run: the person's own, or those of held-out examples; none where there are neither."""
    config = run.config
    own = [text.strip() for text in config.sample_prompts if text.strip()]
    if own:
        rendered = [(text, renderer.prompt((Message("user", text),))) for text in own[:MOST_OWN]]
        return tuple(SamplePrompt(text, ids) for text, ids in rendered if len(ids) <= config.max_length)
    held_out = itertools.islice(ExampleFile(run.validation_path), _LOOKED_AT)
    found = (_prompt_of(each, renderer, config) for each in held_out)
    return tuple(itertools.islice((each for each in found if each is not None), MOST_PROMPTS))


class Sampler:
    """Asks the prompts and says the answers."""

    def __init__(
        self, job: Job, model: Any, prompts: tuple[SamplePrompt, ...], *, renderer: ChatRenderer, pad_id: int
    ) -> None:
        self._job, self._model, self._prompts = job, model, prompts
        self._renderer, self._pad_id = renderer, pad_id
        self.ended_by_itself: int | None = None
        """The last step that was asked, where one of its answers ended before its limit; None else."""

    def __call__(self, step: int) -> bool:
        """Say what the model answers after `step` steps, greedily and in one batch; False when it was stopped."""
        from peft import PeftModel

        from studio.ml.generation import BASE, PaneInput, Sampling, generate

        device = self._model.device.type
        if not self._prompts:
            return True
        if self._job.should_stop():
            return False
        adapter = self._model.active_adapter if isinstance(self._model, PeftModel) else BASE
        most = SAMPLE_TOKENS.get(device, SAMPLE_TOKENS["cpu"])
        answers = generate(
            self._model,
            [PaneInput(adapter, prompt.ids) for prompt in self._prompts],
            sampling=Sampling(max_new_tokens=most),
            end_ids=self._renderer.end_ids,
            pad_id=self._pad_id,
            on_tokens=self._telling(step, most),
            should_stop=self._job.should_stop,
        )
        if self._job.should_stop():
            return False
        for number, (prompt, answer) in enumerate(zip(self._prompts, answers, strict=True)):
            said = self._text(answer)
            self._job.emit(Sampled(step, number, prompt=prompt.text, answer=said, expected=prompt.expected))
        ended = any(answer and answer[-1] in self._renderer.end_ids for answer in answers)
        self.ended_by_itself = step if ended else None
        return True

    def _telling(self, step: int, most: int) -> Callable[[Sequence[int | None]], None]:
        """Say that the prompts are asked, and make what says every few seconds which word the answers are at."""
        what, telling, word = f"Asking the {counted(len(self._prompts), 'prompt')} to watch", Telling(self._job.emit), 0

        def tell(tokens: Sequence[int | None]) -> None:
            nonlocal word
            telling.tell(Checking(step, what, word, most, "words"))
            word += 1

        tell(())
        return tell

    def _text(self, answer: list[int]) -> str:
        ends = self._renderer.end_ids
        text = self._renderer.decode([id for id in answer if id not in ends]).strip()
        return text if answer and answer[-1] in ends else f"{text} ..."


def _prompt_of(example: Example, renderer: ChatRenderer, config: RunConfig) -> SamplePrompt | None:
    """Make the prompt of one example: all before its last answer. None for one that cannot be used."""
    try:
        row = next(rows_of((example,), renderer=renderer, config=config), None)
    except DataError:
        log.debug("An example cannot be shown while training", exc_info=True)
        return None
    if row is None:
        return None
    ids = tuple(row.ids[: prompt_length(row)])
    if not 0 < len(ids) <= PROMPT_TOKENS:
        return None
    asked = [message.content for message in example.messages if message.role == "user"]
    last = example.messages[-1]
    expected = last.content[:MOST_EXPECTED] if last.role == "assistant" else ""
    return SamplePrompt(asked[-1] if asked else renderer.decode(ids), ids, expected)
