"""Two components that Gradio does not have as the page needs them: a dropdown over ids that come and go, and HTML that
is styled by nobody but us.

Made by functions and not by subclasses: for a subclass Gradio writes a stub file beside the source.
"""

from typing import Any

import gradio as gr
from markupsafe import Markup

QUIET: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""How a listener is wired that only draws: at once, without a spinner, and of no use to programs."""


def picker(*, label: str, info: str, elem_id: str, multiselect: bool = False, visible: bool = True) -> gr.Dropdown:
    """Make a dropdown without choices yet.

    Gradio refuses a value that was not among the choices when the page was built, which every value would be for a
    program and for a page that outlived a restart of the server. Here it passes, and the store that knows it judges.
    """
    dropdown = gr.Dropdown(
        choices=[],
        value=[] if multiselect else None,
        multiselect=multiselect,
        label=label,
        info=info,
        elem_id=elem_id,
        visible=visible,
    )
    dropdown.preprocess = _as_it_is  # type: ignore[method-assign]
    return dropdown


def _as_it_is(payload: Any) -> Any:
    return payload


def html(value: Markup | str = "", *, elem_id: str | None = None, visible: bool = True) -> gr.HTML:
    """Show markup without Gradio's own styles for prose."""
    return gr.HTML(str(value), elem_id=elem_id, visible=visible, apply_default_css=False)
