"""The ways to bring examples, laid out and connected: files, pasted text, typed rows, the Hub, a sample."""

from collections.abc import Callable
from functools import partial
from typing import Any

import gradio as gr

from studio.data.samples import Sample
from studio.studio import Studio
from studio.ui.data import adding, cards
from studio.ui.data.state import Selection
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import ACTING, DRAFT, QUIET, html
from studio.ui.kit.panel import Panel

Listeners = list[Callable[[], object]]
"""What is connected once all parts of the tab are laid out."""

QUICK_SECONDS = 1.0
"""How often is looked at what is being brought, while there is such a thing."""

FEWEST_ROWS = 4
TITLE = "Add examples: files, text, the Hub or a sample"


def build(panel: Panel[Selection], studio: Studio, tabs: gr.Tabs) -> Listeners:
    """Lay out the ways to bring examples, and how far each is that is being brought."""
    is_empty = studio.data.is_empty
    cards_of = panel.action_html("imports")  # above: below all ways and samples nobody sees why a file was refused
    with panel.part("bring", gr.Accordion(TITLE, open=is_empty, elem_classes="ls-bring", elem_id="data-bring")):
        with gr.Row():
            with gr.Column(scale=6, elem_classes="ls-card", min_width=300):
                html(fragments.heading("Add your examples", "Each shows a question and the answer you want."))
                with gr.Tabs(elem_classes="ls-ways"):
                    with gr.Tab("Files"):
                        files = _build_files(panel, studio)
                    with gr.Tab("Paste"):
                        pasted = _build_paste(panel, studio)
                    with gr.Tab("Type", elem_id="data-way-type"):
                        rows = _build_rows(panel, studio)
                    with gr.Tab("Hub"):
                        hub = _build_hub(panel, studio)
            with gr.Column(scale=5, elem_classes="ls-card", min_width=300):
                html(fragments.heading("Or start with a sample", "Small data sets that visibly change a small model."))
                samples = [_build_sample(panel, studio, sample) for sample in studio.data.samples()]
    html("", elem_id="data-typed-left", template="", on_load=scripts.on_load("typedLeft"))
    started = panel.input("started", _remembered("lora-studio-imports"), redraws_on="")
    panel.input("done_with", _remembered("lora-studio-imports-done"), redraws_on="")
    panel.part("arrived", html({"count": 0}, template="", on_load=scripts.on_load("showArrived")))
    quick = panel.part("quick", gr.Timer(QUICK_SECONDS, active=False))
    following = {**QUIET, "trigger_mode": "always_last"}
    return [
        files,
        pasted,
        rows,
        hub,
        *samples,
        partial(panel.on, [quick.tick, started.change], partial(adding.follow, studio), options=following),
        partial(panel.on_action, partial(adding.press, studio), of=[cards_of], also={"tabs": tabs}),
    ]


def _remembered(key: str) -> gr.BrowserState:
    """Make a list that the browser keeps over a reload. Nothing in it is secret, but the key must stay the same."""
    return gr.BrowserState([], storage_key=key, secret="lora-studio")


def _build_files(panel: Panel[Selection], studio: Studio) -> Callable[[], None]:
    look: dict[str, Any] = {"file_count": "multiple", "height": 170, "elem_id": "data-upload"}
    upload = panel.part("upload", gr.File(label="Files of any kind", **look))
    html(cards.formats())
    given = {"files": upload}
    # A file may be dropped while the one before is still on its way.
    dropping = {**ACTING, "trigger_mode": "multiple"}

    def connect() -> None:
        dropped = panel.on([upload.upload], partial(adding.add_files, studio), given=given, options=dropping)
        dropped.failure(lambda: None, outputs=[upload], **QUIET)
        panel.on([upload.change], adding.forget_taken, given=given, options=QUIET)

    return connect


def _build_paste(panel: Panel[Selection], studio: Studio) -> Callable[[], object]:
    pasted = gr.Textbox(
        label="Text to learn from",
        info="A table copied from a spreadsheet or from Word, JSON, or plain text.",
        placeholder="question,answer\nWhat colour is the lamp?,It is red.",
        lines=6,
        max_lines=14,
        elem_id="data-pasted",
        elem_classes=DRAFT,
    )
    given = {"text": panel.part("pasted", pasted), "name": _build_name("data-pasted-name")}
    add = gr.Button("Add this text", elem_id="data-add-pasted")
    return partial(panel.on, [add.click], partial(adding.add_pasted, studio), given=given)


def _build_rows(panel: Panel[Selection], studio: Studio) -> Callable[[], object]:
    """Lay out fields of the browser's own, so that no letter waits for the server and a reload loses nothing.

    They are read when they are added. There is always an empty row below the last one in use.
    """
    rows = html(
        {"emptied": 0},
        elem_id="data-rows",
        template=fragments.render("data/typed_rows.html"),
        on_load=scripts.on_load("typedRows", FEWEST_ROWS),
    )
    given = {"name": _build_name("data-rows-name"), "rows": panel.part("rows", rows)}
    add = gr.Button("Add these rows", elem_id="data-add-rows")
    reading = {**ACTING, "js": scripts.call("readTypedRows")}
    return partial(panel.on, [add.click], partial(adding.add_typed, studio), given=given, options=reading)


def _build_hub(panel: Panel[Selection], studio: Studio) -> Callable[[], object]:
    hub_id = gr.Textbox(
        label="Data set on the Hub",
        info="Its name as the Hub shows it. Only this uses the internet.",
        placeholder="owner/name",
        max_lines=1,
        elem_id="data-hub-id",
    )
    with gr.Row():
        config = gr.Textbox(label="Configuration", placeholder="Optional", max_lines=1, elem_id="data-hub-config")
        split = gr.Textbox("train", label="Split", max_lines=1, elem_id="data-hub-split")
    add = gr.Button("Download", elem_id="data-add-hub")
    given = {"id": hub_id, "config": config, "split": split}
    return partial(panel.on, [add.click], partial(adding.add_from_hub, studio), given=given)


def _build_name(elem_id: str) -> gr.Textbox:
    return gr.Textbox(label="Name", placeholder="Optional", max_lines=1, elem_id=elem_id)


def _build_sample(panel: Panel[Selection], studio: Studio, sample: Sample) -> Callable[[], object]:
    with gr.Row(elem_classes="ls-sample"):
        html(fragments.sample(sample.title, sample.description))
        use = gr.Button(f"Use {sample.name}", size="sm", elem_id=f"data-sample-{sample.key}")
    return partial(panel.on, [use.click], partial(adding.add_sample, studio, sample.key))
