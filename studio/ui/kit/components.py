"""Two components that Gradio does not have as the page needs them: a dropdown over ids that come and go, and HTML that
is styled by nobody but us.

Gradio checks a value against the component before a listener sees it, and makes it again from its class with every
update. What shall pass is therefore a matter of the class, see `unchecked`.
"""

from abc import ABCMeta
from collections.abc import Mapping
from typing import Any, TypeVar

import gradio as gr
from markupsafe import Markup

_HIDDEN: dict[str, Any] = {"show_progress": "hidden", "show_progress_on": [], "api_visibility": "private"}
"""With no output to show progress on: Gradio tells each of all outputs so far of each change of each listener's state,
and looks for it in the whole page, which took half of the time that the page needed to open."""

QUIET: dict[str, Any] = {**_HIDDEN, "queue": False}
"""How a listener is wired that only draws: at once, without a spinner, and of no use to programs."""

ACTING: dict[str, Any] = _HIDDEN
"""How a listener is wired that does something: through the queue, for only then the page shows what went wrong."""

DRAFT = "ls-draft"
"""The class of a field of text whose content the browser keeps over a reload, see `drafts.js`."""

Kind = TypeVar("Kind", bound=gr.components.Component)


def unchecked(kind: type[Kind]) -> type[Kind]:
    """Return a component's class with one difference: values reach the listeners as the browser sent them.

    For components that take plain values, of which `sent_values` checks the kind all the same. A class statement would
    run Gradio's metaclass, which writes a stub file beside the source; made this way there is none. It keeps its name,
    by which the page finds what draws it.
    """
    changes = {"preprocess": _as_it_is, "__module__": kind.__module__, "__doc__": kind.__doc__}
    return ABCMeta.__new__(type(kind), kind.__name__, (kind,), changes)


def _as_it_is(self: gr.components.Component, payload: Any) -> Any:
    return payload


def token_field(*, label: str, info: str, elem_id: str, visible: bool = True) -> gr.Textbox:
    """Make the field of an access token for the Hugging Face Hub, which no state keeps."""
    return gr.Textbox(label=label, type="password", placeholder="hf_...", info=info, visible=visible, elem_id=elem_id)


def picker(
    *,
    label: str,
    info: str,
    elem_id: str,
    multiselect: bool = False,
    visible: bool = True,
    show_label: bool = True,
) -> gr.Dropdown:
    """Make a dropdown without choices yet.

    Gradio refuses a value that was not among the choices when the page was built, which every value would be for a
    program and for a page that outlived a restart of the server. Here it passes, and the store that knows it judges.
    """
    return unchecked(gr.Dropdown)(
        choices=[],
        value=[] if multiselect else None,
        multiselect=multiselect,
        label=label,
        show_label=show_label,
        info=info,
        elem_id=elem_id,
        visible=visible,
    )


def html(
    value: Markup | str | Mapping[str, Any] = "",
    *,
    elem_id: str | None = None,
    elem_classes: str | None = None,
    visible: bool = True,
    template: Markup | str = "${value}",
    on_load: str | None = None,
) -> gr.HTML:
    """Show markup without Gradio's own styles for prose.

    A `template` stays while the value changes. `on_load` is what the browser runs once it is there, see `scripts`.
    """
    return gr.HTML(
        str(value) if isinstance(value, str) else dict(value),
        elem_id=elem_id,
        elem_classes=elem_classes,
        visible=visible,
        html_template=str(template),
        js_on_load=on_load,
        apply_default_css=False,
    )
