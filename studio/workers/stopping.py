"""Checks whether a model that was just trained has learned to end its answers."""

import itertools
from collections.abc import Sequence
from typing import Any

from studio.data.example_files import ExampleFile
from studio.data.tokenizing.rendering import ChatRenderer
from studio.events import Noted
from studio.runs.store import RunFolder
from studio.workers.rows import prompt_length, rows_of

ROWS = 3
_LOOKED_AT = 50
_LONGEST_ANSWER = 100
"""An answer of so many tokens would make the end of a run wait."""
_ROOM = 16


def runs_on(model: Any, run: RunFolder, *, renderer: ChatRenderer, pad_id: int) -> Noted | None:
    """Ask a few rows of the run, held-out ones first; say so when no answer ends, each having room to spare."""
    from peft import PeftModel

    from studio.ml.generation import BASE, PaneInput, Sampling, generate
    from studio.ml.reference import whole_modules_as_loaded

    examples = itertools.chain(ExampleFile(run.validation_path), ExampleFile(run.train_path))
    talks = (example for example in examples if not example.is_text)
    rows = rows_of(itertools.islice(talks, _LOOKED_AT), renderer=renderer, config=run.config)
    asked = [(row, prompt_length(row)) for row in rows]
    short = [(row.ids[:start], len(row.ids) - start) for row, start in asked]
    chosen = [each for each in short if each[1] <= _LONGEST_ANSWER][:ROWS]
    if not chosen:
        return None
    limit = 2 * max(expected for _, expected in chosen) + _ROOM
    adapter = model.active_adapter if isinstance(model, PeftModel) else BASE
    ends, has_ended = frozenset(renderer.end_ids), False

    def look(tokens: Sequence[int | None]) -> None:
        nonlocal has_ended
        has_ended = has_ended or not ends.isdisjoint(tokens)

    with whole_modules_as_loaded(model):
        generate(
            model,
            [PaneInput(adapter, tuple(prompt)) for prompt, _ in chosen],
            sampling=Sampling(max_new_tokens=limit),
            end_ids=renderer.end_ids,
            pad_id=pad_id,
            on_tokens=look,
            should_stop=lambda: has_ended,
        )
    if has_ended:
        return None
    return Noted(
        "warning",
        f"None of {len(chosen)} answers asked for at the end stopped by itself: each went on to the limit of {limit} "
        "tokens. The model has not learned where to stop. Train longer or on more examples, or choose a base model "
        "whose chat template ends an answer.",
    )
