"""Bringing examples in: files, pasted text, typed rows, a data set of the Hub, a sample; and how far each of them is.

Lays out and connects. What is started, `studio.ui.data.requests` starts.
"""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.data.samples import Sample
from studio.studio import Studio
from studio.ui.data import cards as data_cards
from studio.ui.data import imports as data_imports
from studio.ui.data import library as data_library
from studio.ui.data import requests, typed_rows
from studio.ui.data.imports import Followed
from studio.ui.data.library import Library
from studio.ui.kit import fragments, scripts
from studio.ui.kit.actions import Action, action_html, on_action
from studio.ui.kit.components import ACTING, QUIET, html
from studio.ui.kit.errors import shown

QUICK_SECONDS = 1.0
"""How often is looked at what is being brought. Only while there is such a thing: each look costs a little."""


@dataclass(frozen=True)
class Bring:
    """The components. `started` and `done_with` are the imports that the browser remembers, see `imports`."""

    upload: gr.File
    pasted: gr.Textbox
    pasted_name: gr.Textbox
    add_pasted: gr.Button
    rows: gr.HTML
    rows_name: gr.Textbox
    add_rows: gr.Button
    hub_id: gr.Textbox
    hub_config: gr.Textbox
    hub_split: gr.Textbox
    add_hub: gr.Button
    samples: Mapping[str, gr.Button]
    imports: gr.HTML
    started: gr.BrowserState
    done_with: gr.BrowserState
    taken: gr.State
    drawn: gr.State
    quick: gr.Timer


def build(samples: tuple[Sample, ...]) -> Bring:
    """Lay out the ways to bring examples."""
    with gr.Row():
        with gr.Column(scale=6, elem_classes="ls-card", min_width=300):
            html(fragments.heading("Bring your examples", "Each shows a question and the answer you want."))
            with gr.Tabs(elem_classes="ls-ways"):
                with gr.Tab("Files"):
                    upload = gr.File(
                        label="Files of any kind",
                        file_count="multiple",
                        height=170,
                        elem_id="data-upload",
                    )
                    html(data_cards.formats())
                with gr.Tab("Paste"):
                    pasted, pasted_name, add_pasted = _build_paste()
                with gr.Tab("Type"):
                    rows, rows_name, add_rows = _build_rows()
                with gr.Tab("Hub"):
                    hub_id, hub_config, hub_split, add_hub = _build_hub()
        buttons = _build_samples(samples)
    return Bring(
        upload=upload,
        pasted=pasted,
        pasted_name=pasted_name,
        add_pasted=add_pasted,
        rows=rows,
        rows_name=rows_name,
        add_rows=add_rows,
        hub_id=hub_id,
        hub_config=hub_config,
        hub_split=hub_split,
        add_hub=add_hub,
        samples=buttons,
        imports=action_html(elem_id="data-imports"),
        started=_remembered("lora-studio-imports"),
        done_with=_remembered("lora-studio-imports-done"),
        taken=gr.State([]),
        drawn=gr.State(""),
        quick=gr.Timer(QUICK_SECONDS, active=False),
    )


def _remembered(key: str) -> gr.BrowserState:
    """Make a list that the browser keeps over a reload. Nothing in it is secret, but the key must stay the same."""
    return gr.BrowserState([], storage_key=key, secret="lora-studio")


def _build_paste() -> tuple[gr.Textbox, gr.Textbox, gr.Button]:
    pasted = gr.Textbox(
        label="Text to learn from",
        info="A table copied from a spreadsheet, JSON, or plain text to go on writing.",
        placeholder="question,answer\nWhat colour is the lamp?,It is red.",
        lines=6,
        max_lines=14,
        elem_id="data-pasted",
    )
    return pasted, _build_name("data-pasted-name"), gr.Button("Add this text", elem_id="data-add-pasted")


def _build_rows() -> tuple[gr.HTML, gr.Textbox, gr.Button]:
    rows = typed_rows.typed_rows()
    return rows, _build_name("data-rows-name"), gr.Button("Add these rows", elem_id="data-add-rows")


def _build_hub() -> tuple[gr.Textbox, gr.Textbox, gr.Textbox, gr.Button]:
    hub_id = gr.Textbox(
        label="Data set on the Hub",
        info="Its id as the Hub shows it. This is the one way that asks the network.",
        placeholder="owner/name",
        max_lines=1,
        elem_id="data-hub-id",
    )
    with gr.Row():
        config = gr.Textbox(label="Configuration", placeholder="may stay empty", max_lines=1, elem_id="data-hub-config")
        split = gr.Textbox("train", label="Split", max_lines=1, elem_id="data-hub-split")
    return hub_id, config, split, gr.Button("Fetch it", elem_id="data-add-hub")


def _build_name(elem_id: str) -> gr.Textbox:
    return gr.Textbox(label="Name", placeholder="may stay empty", max_lines=1, elem_id=elem_id)


def _build_samples(samples: tuple[Sample, ...]) -> dict[str, gr.Button]:
    with gr.Column(scale=5, elem_classes="ls-card", min_width=300):
        html(fragments.heading("Or start with a sample", "Small sets that change a small model visibly."))
        return {sample.key: _build_sample(sample) for sample in samples}


def _build_sample(sample: Sample) -> gr.Button:
    with gr.Row(elem_classes="ls-sample"):
        html(fragments.sample(sample.title, sample.description))
        return gr.Button(f"Use {sample.key.replace('_', ' ')}", size="sm", elem_id=f"data-sample-{sample.key}")


def wire(bring: Bring, *, studio: Studio, library: Library, calm: gr.Timer, tabs: gr.Tabs) -> None:
    """Connect the ways to bring examples, and let the page follow what is brought."""
    bring.upload.upload(
        shown(functools.partial(add_files, studio)),
        inputs=[bring.upload, bring.taken, bring.started],
        outputs=[bring.started, bring.taken, bring.upload],
        trigger_mode="multiple",  # a file may be dropped while the one before is still on its way
        **ACTING,
    ).failure(lambda: (None, []), outputs=[bring.upload, bring.taken], **QUIET)
    bring.upload.change(forget_taken, inputs=[bring.upload], outputs=[bring.taken], **QUIET)
    ways: list[tuple[gr.Button, Callable[..., Any], list[Block]]] = [
        (bring.add_pasted, requests.add_pasted, [bring.pasted, bring.pasted_name]),
        (bring.add_rows, requests.add_typed, [bring.rows, bring.rows_name]),
        (bring.add_hub, requests.add_from_hub, [bring.hub_id, bring.hub_config, bring.hub_split]),
        *((button, functools.partial(_add_sample, key), []) for key, button in bring.samples.items()),
    ]
    for button, action, inputs in ways:
        button.click(
            shown(functools.partial(action, studio)),
            inputs=[*inputs, bring.started],
            outputs=[bring.started],
            js=scripts.call("readTypedRows") if button is bring.add_rows else None,
            **ACTING,
        )
    _wire_following(bring, studio=studio, library=library, calm=calm, tabs=tabs)


def _wire_following(bring: Bring, *, studio: Studio, library: Library, calm: gr.Timer, tabs: gr.Tabs) -> None:
    pickers = [library.family, library.version]
    gr.on(
        [bring.quick.tick, calm.tick, bring.started.change],
        shown(functools.partial(redraw, studio)),
        inputs=[bring.started, bring.done_with, bring.drawn],
        outputs=[bring.imports, bring.drawn, bring.quick, bring.done_with, *pickers, bring.pasted, bring.rows],
        **QUIET,
    )
    on_action(
        bring.imports,
        functools.partial(press_card, studio),
        inputs_kwargs={"done_with": bring.done_with},
        outputs=[bring.done_with, tabs],
        **ACTING,
    )


def add_files(studio: Studio, files: list[str] | None, taken: list[str], started: object) -> tuple[Any, Any, Any]:
    """Start to bring in what was dropped, and empty the drop zone for the next files.

    `taken` are the files that were in the zone: it still holds them when more are dropped at once. The same file may
    come again, under the same path.
    """
    dropped = list(files or ())
    if not dropped:
        return gr.skip(), gr.skip(), gr.skip()
    before = len(taken) if len(dropped) > len(taken) and dropped[: len(taken)] == taken else 0
    return requests.add_files(studio, dropped[before:], started), dropped, None


def forget_taken(files: list[str] | None) -> Any:
    """Once the drop zone is empty, it holds nothing that was taken before."""
    return gr.skip() if files else []


def _add_sample(key: str, studio: Studio, started: object) -> Any:
    return requests.add_sample(studio, key, started)


def redraw(studio: Studio, started: object, done_with: object, drawn: str) -> list[Any]:
    """Show how far everything is that is being brought, and select what has arrived."""
    now = data_imports.follow(studio, started, done_with)
    cards = str(now.cards)
    shown_now = [gr.skip()] * 3 if cards == drawn else [cards, cards, gr.Timer(active=now.working)]
    done: Any = data_imports.add_over(done_with, now.over) if now.over else gr.skip()
    if not now.dataset_id:
        return [*shown_now, done, *[gr.skip()] * 4]
    return [*shown_now, done, *data_library.show(studio, now.dataset_id), *_emptied(studio, now)]


def _emptied(studio: Studio, now: Followed) -> list[Any]:
    """Empty the field whose content has become a data set: until then it stays, so that nothing typed is lost.

    Rows that are not enough to learn from stay too: they are not finished.
    """
    source = now.made.source if now.made else ""
    if source == requests.TYPED and not studio.data.get(now.dataset_id).inspection.usable:
        source = ""
    return [
        "" if source == requests.PASTED else gr.skip(),
        typed_rows.emptied() if source == requests.TYPED else gr.skip(),
    ]


def press_card(studio: Studio, press: Action, *, done_with: object) -> tuple[Any, Any]:
    """Do what a button on an import's card says. Raises DataError when the import is not known any more."""
    if press.verb == "configure":
        return gr.skip(), gr.Tabs(selected="configure")
    if press.verb == "cancel":
        studio.imports.cancel(press.key)
    if press.verb == "dismiss":
        return data_imports.add_over(done_with, [press.key]), gr.skip()
    return gr.skip(), gr.skip()
