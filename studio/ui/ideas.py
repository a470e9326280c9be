"""Questions to try: a few from the rows that a run never learned.

Returns updates for the buttons that offer them.
"""

from typing import Any

import gradio as gr

from studio.data.formats import Example
from studio.data.library import read_examples
from studio.errors import DataError
from studio.runs.studio import Studio

COUNT = 3
LONGEST_LABEL = 110
TITLE = '<span class="ls-note">Questions it has never seen, from your held-out rows:</span>'


def suggest(studio: Studio, run_id: str | None) -> list[Any]:
    """Offer a few questions from the rows that the run never learned."""
    examples = held_out(studio, run_id)[:COUNT] if run_id else []
    title = gr.update(value=TITLE, visible=bool(examples))
    labels = [_question(example) for example in examples]
    shown_buttons = [
        gr.update(value=_shortened(labels[n]), visible=True) if n < len(labels) else gr.update(visible=False)
        for n in range(COUNT)
    ]
    return [[(_question(example), _system(example)) for example in examples], title, *shown_buttons]


def held_out(studio: Studio, run_id: str) -> list[Example]:
    """Return the rows of a run that were held out; none when they cannot be read."""
    try:
        examples = read_examples(studio.runs.get(run_id).validation_path)
    except DataError:
        return []
    return [example for example in examples if _question(example)]


def take(number: int, suggestions: list[tuple[str, str]], system: str) -> tuple[str, str]:
    """Put a suggested question, and the system prompt that its row had, into the fields."""
    question, its_system = suggestions[number]
    return question, its_system or system


def _question(example: Example) -> str:
    return next((message.content for message in example.messages if message.role == "user"), "")


def _system(example: Example) -> str:
    return next((message.content for message in example.messages if message.role == "system"), "")


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= LONGEST_LABEL else f"{flat[:LONGEST_LABEL].rstrip()}…"
