"""Questions to try: a few from the rows that a run never learned."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import gradio as gr

from studio.data.checking.copies import shared
from studio.data.example_files import ExampleFile, read_examples
from studio.data.examples import Example
from studio.errors import DataError, RunError
from studio.studio import Studio
from studio.ui.compare.chat_state import Chat
from studio.ui.kit.exchange import Result
from studio.wording import counted

log = logging.getLogger(__name__)

COUNT = 3
LONGEST_LABEL = 44
SHORTEST_CUT = 12
"""A common start of fewer letters is left where it is."""
MOST_COMPARED = 20_000
"""A training of more examples is not searched for the questions: that would take seconds."""


def suggest(studio: Studio, chat: Chat) -> Result[Chat]:
    """Offer a few questions from the rows that the first run among the models of the panes never learned."""
    run_id = run_of(chat.keys)
    unseen, seen = _by_training(studio, run_id) if run_id else ([], [])
    examples = [*unseen, *seen][:COUNT]
    title = _title(len(examples), seen=max(0, len(examples) - len(unseen)))
    labels = _shortened([_question(example) for example in examples])
    updates = {"ideas_title": gr.update(value=title, visible=bool(examples))}
    for number in range(COUNT):
        there = number < len(labels)
        idea = gr.update(value=labels[number], visible=True) if there else gr.update(visible=False)
        updates[f"idea_{number}"] = idea
    suggested = tuple((_question(example), _system(example)) for example in examples)
    return Result(replace(chat, suggested=suggested), updates)


def run_of(keys: Sequence[str | None]) -> str:
    """Return the id of the first run among models given by their keys; empty when there is none."""
    found = (key.partition(":")[2].partition("@")[0] for key in keys if key and key.startswith("run:"))
    return next(found, "")


def _title(count: int, *, seen: int) -> str:
    """Say where the questions are from, and how many of them the training has all the same; beside the buttons of a
    conversation there is room for one word."""
    known = f"; {seen} of these {counted(count, 'question')} also {'stands' if seen == 1 else 'stand'} in it"
    return (
        f'<span class="ls-note ls-ideas-from">Held out of the training{known if seen else ""}:</span>'
        '<span class="ls-note ls-ideas-word">Suggestions:</span>'
    )


def held_out(studio: Studio, run_id: str) -> list[Example]:
    """Return the rows of a run that were held out, first those whose question the training does not have."""
    unseen, seen = _by_training(studio, run_id)
    return [*unseen, *seen]


def _by_training(studio: Studio, run_id: str) -> tuple[list[Example], list[Example]]:
    """Return the held-out rows of a run whose question its training does not have, and the others.

    None when they cannot be read.
    """
    try:
        run = studio.runs.get(run_id)
        examples = [example for example in read_examples(run.validation_path) if _question(example)]
        training = ExampleFile(run.train_path)
        whole, asked = shared(training, examples) if len(training) <= MOST_COMPARED else ((), ())
    except (DataError, RunError):
        log.debug("The examples of a run cannot be read for suggestions", exc_info=True)
        return [], []
    known = {*map(int, whole), *map(int, asked)}
    sides = ([place for place in range(len(examples)) if (place in known) == side] for side in (False, True))
    unseen, seen = ([examples[place] for place in side] for side in sides)
    return unseen, seen


def take(number: int, chat: Chat) -> Chat:
    """Put a suggested question, and the system prompt that its row had, into the fields.

    Raises RunError for one that is not offered now.
    """
    if not 0 <= number < len(chat.suggested):
        raise RunError("This question is no longer offered.", "Choose another one, or type your own.")
    question, system = chat.suggested[number]
    return replace(chat, prompt=question, system=system or chat.system)


def _question(example: Example) -> str:
    return next((message.content for message in example.messages if message.role == "user"), "")


def _system(example: Example) -> str:
    return next((message.content for message in example.messages if message.role == "system"), "")


def _shortened(texts: list[str]) -> list[str]:
    """Put each on one short line; what all of them begin with says nothing and is left out, up to a whole word."""
    flat = [" ".join(text.split()) for text in texts]
    alike = sum(1 for _ in takewhile(lambda letters: len(set(letters)) == 1, zip(*flat, strict=False)))
    cut = flat[0].rfind(" ", 0, alike) + 1 if flat else 0
    if cut >= SHORTEST_CUT and len(set(flat)) > 1:
        flat = [f"…{text[cut:]}" for text in flat]
    return [text if len(text) <= LONGEST_LABEL else f"{text[:LONGEST_LABEL].rstrip()}…" for text in flat]
