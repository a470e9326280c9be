"""Editing the example that is shown: its texts become fields, and saving them makes another version."""

from dataclasses import replace
from functools import partial
from typing import Any

import gradio as gr

from studio.data import versions
from studio.data.checking.edits import edit_of, with_contents
from studio.data.conversion.faults import fault
from studio.data.examples import TEXT, Example, fingerprint
from studio.errors import DataError, TooMany
from studio.studio import Studio
from studio.ui.data import actions
from studio.ui.data.newer import Change
from studio.ui.data.state import Selection
from studio.ui.kit.actions import Action

NAMES = {"system": "System message", "user": "Question", "assistant": "Answer", "tool": "Tool result", TEXT: "Text"}
_AGAIN = "Press Edit again, then change it."
_ELSEWHERE = "Choose the version in which you edited it, go to the example and press Edit: what you typed is there."


def begin(studio: Studio, selection: Selection) -> Selection:
    """Make fields of the texts of the example that is shown. Raises DataError when there is none."""
    if not selection.at_hand:
        return selection
    return replace(selection, editing=fingerprint(_shown(studio, selection)))


def resume(studio: Studio, selection: Selection, action: Action) -> Selection:
    """Open the fields of an example again that was left half edited; the browser has what was typed.

    Raises DataError where another example stands in its place.
    """
    if not selection.at_hand or action.verb != "resume":
        return selection
    place = int(action.value) - 1 if action.value.isascii() and action.value.isdigit() else -1
    examples = studio.data.examples(selection.at_hand)
    if not 0 <= place < len(examples) or fingerprint(examples[place]) != action.key:
        raise DataError("This version of your data has another example there.", _ELSEWHERE)
    return replace(selection, number=place + 1, editing=action.key)


def cancel(selection: Selection) -> Selection:
    """Leave the example as it is."""
    return replace(selection, editing="")


def save(studio: Studio, selection: Selection, *, texts: object) -> Selection:
    """Make a version in which the example has these texts.

    Raises DataError when the example could not be learned from then, or is another one than was edited; TooMany for too
    much text; RunError.
    """
    if not selection.at_hand or not selection.editing:
        return selection
    example = _shown(studio, selection)
    contents = _read(texts)
    if fingerprint(example) != selection.editing or len(contents) != len(example.messages):
        raise DataError("The example is not the one that was edited.", _AGAIN)
    _require_bounds(studio, contents)
    edited = with_contents(example, contents)
    closed = cancel(selection)
    if edited == example:
        return closed
    found = fault(edited)
    if found is not None:
        raise DataError(f"The example was not changed. {found.text}", "Fill in the text, or leave the example out.")
    dataset = studio.data.get(selection.at_hand)
    edit = edit_of(example, contents)
    wanted = Change(f"Editing example {selection.place + 1:,}", partial(versions.with_edit, edit=edit), edit=edit)
    changed = actions.change(studio, closed, dataset, wanted)
    return changed if changed.waiting is None else replace(changed, editing=selection.editing)


def draw(example: Example, selection: Selection) -> dict[str, Any]:
    """Draw the fields while an example is edited."""
    is_open = bool(selection.editing)
    fields = [[NAMES.get(each.role, each.role), each.content] for each in example.messages] if is_open else []
    return {
        "editor_box": gr.update(visible=is_open),
        "editor": {"key": selection.editing, "fields": fields, "number": selection.place + 1 if is_open else 1},
        "viewing": gr.update(visible=not is_open),
    }


def _shown(studio: Studio, selection: Selection) -> Example:
    examples = studio.data.examples(selection.at_hand)
    if not 0 <= selection.place < len(examples):
        raise DataError("There is no such example.", "Choose one that is shown.")
    return examples[selection.place]


def _read(sent: object) -> tuple[str, ...]:
    """Read what a browser sent as texts; what is none is passed over."""
    return tuple(text for text in sent if isinstance(text, str)) if isinstance(sent, list | tuple) else ()


def _require_bounds(studio: Studio, contents: tuple[str, ...]) -> None:
    most, found = studio.limits.pasted_characters, sum(map(len, contents))
    if found > most:
        raise TooMany(f"The example has {found:,} letters; {most:,} are taken at once.", "Shorten it.")
