"""The card of the Export tab about the address for other programs: where it is, its key, and how it is asked."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.context import LocalContext
from markupsafe import Markup

from studio.openai_api.keys import ApiKey
from studio.openai_api.names import named_models
from studio.openai_api.shapes import PREFIX
from studio.openai_api.snippets import QUESTION, curl, python, url_of
from studio.studio import Studio
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import QUIET, html
from studio.ui.kit.drawn import Parts
from studio.ui.kit.panel import Panel

_TITLE = "An address for other programs"
_TEXT = (
    "A script that was written for OpenAI's service works with this studio once it has this address and this key: it "
    "asks any model here, uploads files and starts trainings."
)
_OFF = "Other programs are not answered, because others can reach this studio."
_SWITCHED_ON = "Whoever runs it can start it with the option --api, to answer those that have the key."
_ANSWER = Markup('<pre id="address-answer" class="ls-plain-answer" translate="no" aria-live="polite"></pre>')


@dataclass(frozen=True)
class Shown:
    """The run whose model the examples name; empty for a base."""

    run_id: str = ""


def build(studio: Studio, *, run: gr.Dropdown, timer: Callable[..., Any], opened: Callable[..., Any]) -> None:
    """Lay the card out below the exports and connect it; `run` is the chooser of the tab."""
    key = ApiKey(studio.settings.home)
    panel = Panel("address", Shown(), draw=functools.partial(draw, studio, key))
    panel.input("run_id", run)
    with gr.Accordion(_TITLE, open=False, elem_classes="ls-more", elem_id="export-address"):
        html(fragments.note(_TEXT))
        panel.html("status")
        with panel.part("all", gr.Column(visible=False)):
            with gr.Row():
                panel.part("address", _copied("Address", "address-url"))
                panel.part("model", model := _copied("Model", "address-model"))
                panel.part("key", shown_key := _copied("Key", "address-key"))
            panel.part("curl", _code("shell", "In a terminal", "address-curl"))
            panel.part("python", _code("python", "In Python, with OpenAI's own package", "address-python"))
            question = gr.Textbox(QUESTION, label="Try it", max_length=1000, elem_id="address-question")
            with gr.Row():
                ask = gr.Button("Ask at this address", variant="primary", elem_id="address-ask")
                renew = gr.Button("Make a new key", elem_id="address-renew")
            html(_ANSWER)
    panel.redraws([timer, opened])
    panel.on([renew.click], functools.partial(renewed, key))
    gr.on(
        [ask.click, question.submit],
        None,
        inputs=[question, shown_key, model],
        js=scripts.call("askAddress", PREFIX.strip("/")),
        **QUIET,
    )


def _copied(label: str, elem_id: str) -> gr.Textbox:
    return gr.Textbox("", label=label, interactive=False, buttons=["copy"], max_lines=1, elem_id=elem_id)


def _code(language: Any, label: str, elem_id: str) -> gr.Code:
    return gr.Code(
        "",
        language=language,
        label=label,
        interactive=False,
        show_line_numbers=False,
        buttons=["copy"],
        elem_id=elem_id,
    )


def renewed(key: ApiKey, shown: Shown) -> Shown:
    """Make a new key. Raises RunError when the disk does not take it."""
    key.renew()
    return shown


def draw(studio: Studio, key: ApiKey, shown: Shown) -> Parts:
    """Show where programs ask now, and how. Raises RunError."""
    if not studio.settings.allows_api:
        return {"status": str(fragments.notice("quiet", _OFF, _SWITCHED_ON)), "all": gr.update(visible=False)}
    names = [each.id for each in named_models(studio)]
    if not names:
        waits = fragments.empty("No model yet", "Once a model is here, programs can ask it at this address.")
        return {"status": str(waits), "all": gr.update(visible=False)}
    request = LocalContext.request.get(None)
    address, secret = url_of(studio.settings, getattr(request, "headers", None) or {}), key.read()
    model = shown.run_id if shown.run_id in names else names[0]
    return {
        "status": "",
        "all": gr.update(visible=True),
        "address": gr.update(value=address),
        "model": gr.update(value=model),
        "key": gr.update(value=secret),
        "curl": gr.update(value=curl(address, secret, model)),
        "python": gr.update(value=python(address, secret, model)),
    }
