"""What goes between the page and its listeners, in one place for all of them.

Gradio hands most values over as they came: a list or an object where a text is expected, text for a number. And it
makes each output of a listener new, those too that the listener leaves as they are.
"""

import copy
import math
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NoReturn

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.blocks import Block
from gradio.components.api_component import Api
from gradio.state_holder import SessionState
from gradio.utils import get_upload_folder

from studio.errors import StudioError
from studio.ui.kit.errors import for_page
from studio.ui.kit.ordered_page import OrderedPage

MOST_LETTERS_CHOSEN = 4096
"""So long may a choice be: the longest path of Linux, which a base model may be given by."""

MOST_CHOSEN = 1000
MOST_NUMBER = 2**63

_AGAIN = "Reload the page and choose again; a program sends what the page's API describes."

_KINDS: dict[type, str] = {
    type(None): "nothing",
    bool: "yes or no",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
}


class CheckedPage(OrderedPage):
    """A page whose listeners get only values of the kind that their components hold.

    What a listener leaves as it is costs nothing: most of what the clocks of open pages ask for is that.
    """

    own_uploads = ""
    """Where the uploads of this page alone are kept; empty where those of all pages lie together."""

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: list[Any], state: SessionState | None, explicit_call: bool = False
    ) -> list[Any]:
        """Refuse what does not fit, then let Gradio read the rest. Raises gr.Error."""
        try:
            checked = _all_fitting(block_fn.inputs, inputs, self.own_uploads)
        except StudioError as error:
            raise for_page(error) from error
        read: list[Any] = await super().preprocess_data(block_fn, checked, state, explicit_call)
        return read

    async def postprocess_data(
        self, block_fn: BlockFunction, predictions: list[Any] | dict[Any, Any], state: SessionState | None
    ) -> list[Any]:
        """Let Gradio take in what a listener returned, but for what it skipped."""
        returned = [predictions] if len(block_fn.outputs) == 1 else predictions
        if block_fn.batch or not isinstance(returned, list | tuple) or len(returned) != len(block_fn.outputs):
            taken: list[Any] = await super().postprocess_data(block_fn, predictions, state)
            return taken
        changed = [place for place, each in enumerate(returned) if not _is_skip(each)]
        answers: list[Any] = [None if block.stateful else gr.skip() for block in block_fn.outputs]
        if changed:
            shorter = copy.copy(block_fn)
            shorter.outputs = [block_fn.outputs[place] for place in changed]
            given = [returned[place] for place in changed]
            taken = await super().postprocess_data(shorter, given[0] if len(given) == 1 else given, state)
            for place, answer in zip(changed, taken, strict=True):
                answers[place] = answer
        return answers


def _is_skip(output: object) -> bool:
    """Tell whether a listener leaves an output as it is."""
    return isinstance(output, dict) and output == gr.skip()


def _all_fitting(components: Sequence[Block], values: Sequence[Any], uploads: str) -> list[Any]:
    if len(values) < len(components):
        raise StudioError(f"{len(values)} values were sent where {len(components)} are needed.", _AGAIN)
    return [fitting(*each, uploads=uploads) for each in zip(components, values, strict=False)]


def fitting(component: Block, value: Any, *, uploads: str = "") -> Any:
    """Return a value as the component's listeners expect it; `uploads` is where a file of it must lie, if not with all.

    Raises StudioError for one of another kind.
    """
    check = _CHECKS.get(component.get_block_name())
    if not can_be_written(value):
        raise StudioError(f"{_name(component)} holds half a character, which no file can hold.", "Type it again.")
    if any(not is_uploaded(path, uploads) for path in _file_paths(value)):
        raise StudioError(
            f"{_name(component)} was given a file that was not uploaded to this page.", "Choose it again."
        )
    return value if check is None else check(component, value)


def _file_paths(value: Any) -> Iterator[Any]:
    """Yield where the files of a value lie, by what the browser says: Gradio copies each to where it can be fetched."""
    for each in _all_in(value):
        meta = each.get("meta") if isinstance(each, dict) else None
        if isinstance(meta, dict) and meta.get("_type") == "gradio.FileData":
            yield each.get("path")


def is_uploaded(path: Any, folder: str = "") -> bool:
    """Tell whether a path leads to where uploads are kept: to `folder`, or where Gradio keeps those of all pages.

    Gradio asks this only of a page that it serves itself, not of one that is mounted in another site.
    """
    if not isinstance(path, str) or "\0" in path:
        return False
    place, uploads = os.path.realpath(path), os.path.realpath(folder or get_upload_folder())
    return place.startswith(uploads + os.sep)


def can_be_written(value: Any) -> bool:
    """Tell whether every text in a value of JSON is whole: half a surrogate pair cannot be encoded."""
    for each in _all_in(value):
        if isinstance(each, str) and not each.isascii():
            try:
                each.encode("utf-8")
            except UnicodeEncodeError:
                return False
    return True


def _all_in(value: Any) -> Iterator[Any]:
    """Yield a value of JSON and all that it holds, keys too."""
    left = [value]
    while left:
        each = left.pop()
        yield each
        if isinstance(each, dict):
            left.extend((*each.keys(), *each.values()))
        elif isinstance(each, list | tuple):
            left.extend(each)


def _text(component: Any, value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _refuse(component, value, "text")


def _chosen(component: Any, value: Any) -> Any:
    if getattr(component, "multiselect", False):
        return _several(component, value)
    if value is None or value == []:  # either says that nothing is chosen
        return None
    return _choice(component, value) if isinstance(value, str) else _refuse(component, value, "text")


def _several(component: Any, value: Any) -> list[Any]:
    found = [] if value is None else value
    if not isinstance(found, list):
        _refuse(component, value, "a list")
    if len(found) > MOST_CHOSEN:
        raise StudioError(f"{_name(component)} takes at most {MOST_CHOSEN:,} choices, not {len(found):,}.", _AGAIN)
    return [_choice(component, each) for each in found]


def _choice(component: Any, value: Any) -> Any:
    """Check one choice: text or a number. Whether it is offered, Gradio or the listener judges."""
    if isinstance(value, str) and len(value) > MOST_LETTERS_CHOSEN:
        raise StudioError(f"{_name(component)} was given a choice of {len(value):,} letters.", _AGAIN)
    return value if isinstance(value, str) or _is_number(value) else _refuse(component, value, "text")


def _one(component: Any, value: Any) -> Any:
    return None if value is None else _choice(component, value)


def _number(component: Any, value: Any) -> Any:
    value = None if value == "" else value  # a field that the page leaves empty
    # Gradio's own check of a slider has no sentence for nothing; where it is left out, the listener has one.
    may_be_empty = type(component).preprocess is not gr.Slider.preprocess
    fits = may_be_empty if value is None else _is_number(value)
    return value if fits else _refuse(component, value, "a number")


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return -MOST_NUMBER <= value <= MOST_NUMBER and (isinstance(value, int) or math.isfinite(value))


def _yes_or_no(component: Any, value: Any) -> bool:
    if value is None:
        return False
    return value if isinstance(value, bool) else _refuse(component, value, "yes or no")


def _argument(component: Any, value: Any) -> Any:
    """Check an argument of an endpoint for programs by the kind that it is described with."""
    kind = component.api_info()["type"]
    if kind == "string":
        return value if isinstance(value, str) else _refuse(component, value, "text")
    whole = kind != "integer" or isinstance(value, int)
    return value if _is_number(value) and whole else _refuse(component, value, "a number")


def _refuse(component: Any, value: Any, wanted: str) -> NoReturn:
    found = "a number that is too large" if isinstance(value, int | float) and wanted == "a number" else None
    found = found or _KINDS.get(type(value), "something else")
    raise StudioError(f"{_name(component)} takes {wanted}, but {found} was sent.", _AGAIN)


def _name(component: Any) -> str:
    label = component.label or "A field"
    return f"The {label} value" if isinstance(component, Api) else f"'{label}'"


_CHECKS: dict[str, Callable[[Any, Any], Any]] = {
    "textbox": _text,
    "dropdown": _chosen,
    "radio": _one,
    "checkboxgroup": _several,
    "number": _number,
    "slider": _number,
    "checkbox": _yes_or_no,
    "api": _argument,
}
