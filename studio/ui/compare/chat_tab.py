"""The Chat part of the Compare tab: lays its pieces out and connects them. What they do stands in other modules."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency
from markupsafe import Markup

from studio.compare.conversations import Conversation
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import (
    bin_panel,
    blend,
    chat_actions,
    chat_html,
    chat_view,
    history,
    sampling,
    self_test,
    suggested_prompts,
)
from studio.ui.compare.chat_actions import AGAIN, ASK, REPLAY, Asking
from studio.ui.compare.chat_state import PLACES, Chat
from studio.ui.compare.chat_view import PURPOSES, caption_line
from studio.ui.compare.history import NOUN
from studio.ui.compare.model_choices import FEWEST_PANES
from studio.ui.kit.components import ACTING, QUIET, html, picker
from studio.ui.kit.panel import Panel

_REPLAY_HELP = (
    "Asking all of it again puts every message, in order, to the models that are chosen now, as a new conversation."
)


@dataclass(frozen=True)
class _History:
    """What the kept conversations are chosen and changed with."""

    kept: gr.Dropdown
    clear: gr.Button
    name: gr.Textbox
    rename: gr.Button
    replay: gr.Button
    markdown: gr.Button
    jsonl: gr.Button
    delete: gr.Button
    undo: gr.Button
    back: gr.Button
    emptying: gr.HTML


@dataclass(frozen=True)
class _Message:
    """The message, and what is done with it."""

    prompt: gr.Textbox
    ideas: tuple[gr.Button, ...]
    send: gr.Button
    stop: gr.Button
    edit: gr.Button
    again: gr.Button
    add: gr.Button
    away: gr.Button
    marks: gr.Checkbox


def build(
    studio: Studio,
    kept: KeptFiles[Conversation],
    asking: Asking,
    *,
    timer: gr.Timer,
    opened: Callable[..., Any],
    loaded: Callable[..., Any],
    wanted: gr.State,
) -> None:
    """Lay the part out and connect it. `wanted` takes the id of a run that another tab wants compared."""
    panel = Panel("compare", Chat())
    for name in ("panes", "said", "editing", "ticket", "pending", "suggested", "deleted"):
        panel.input(name, gr.State(getattr(Chat(), name)), redraws_on="")
    with gr.Column(elem_classes="ls-card"):
        past = _build_history(panel)
    with gr.Column(elem_classes="ls-card"):
        message = _build_message(panel)
        with gr.Accordion("How they answer", open=False, elem_classes="ls-inner"):
            sampling.build(panel, longest=160)
    models = _build_panes(panel)
    with gr.Accordion("Prove it", open=False, elem_classes="ls-more", elem_id="compare-proof"):
        prove = self_test.build(panel)
    with gr.Accordion("Blend adapters", open=False, elem_classes="ls-more", elem_id="compare-blend"):
        blend.build(studio, timer=timer, opened=opened, models=models)

    asks = [message.send.click, message.prompt.submit, message.again.click, past.replay.click]
    asked = panel.on_pressed(asks, asking.stream, options={**ACTING, "concurrency_limit": 8})
    panel.on_failure(asked, partial(chat_actions.take_back, studio))
    panel.on([opened], partial(history.refresh, studio, kept), options=QUIET)
    panel.on([loaded], partial(history.at_first, studio, kept), options=QUIET)
    compared = panel.on(
        [wanted.change],
        partial(history.compare_run, studio, kept),
        given={"run_id": wanted},
        options={**QUIET, "cancels": [asked]},
    )
    compared.then(lambda: "", outputs=[wanted], **QUIET)
    _wire_message(panel, studio, message, list(models.values()), asked)
    _wire_history(panel, studio, kept, past, asked)
    test = panel.on([prove.click], partial(self_test.prove, studio), options={**ACTING, "concurrency_limit": 4})
    panel.on_failure(test, self_test.give_up)


def _build_history(panel: Panel[Chat]) -> _History:
    """Lay out the list of kept conversations and what can be done with the one that is open."""
    with gr.Row(elem_classes="ls-kept"):
        info = "Every conversation is kept on this machine."
        kept = panel.part("kept", picker(label="Conversation", info=info, elem_id="compare-kept"))
        clear = gr.Button("New conversation", size="sm", elem_id="compare-clear")
    panel.part("said_of", html("", elem_id="compare-said"))
    with gr.Accordion("This conversation", open=False, elem_classes="ls-inner", elem_id="compare-this"):
        with gr.Row(elem_classes="ls-kept"):
            name = panel.part("name", gr.Textbox(label="Name", max_lines=1, elem_id="compare-name"))
            rename = gr.Button("Keep the name", size="sm", elem_id="compare-rename")
        with gr.Row(elem_classes="ls-actions"):
            replay = gr.Button("Ask all of it again", size="sm", interactive=False, elem_id=REPLAY)
            markdown = gr.Button("Download as Markdown", size="sm", elem_id="compare-markdown")
            jsonl = gr.Button("Download as JSONL", size="sm", elem_id="compare-jsonl")
            delete = gr.Button("Move to the bin", size="sm", variant="stop", elem_id="compare-delete")
            undo = gr.Button("Put it back", size="sm", visible=False, elem_id="compare-restore")
        panel.part("replay", replay)
        panel.part("restore", undo)
        html(Markup('<p class="ls-caption">{}</p>').format(_REPLAY_HELP))
    back, emptying = bin_panel.build(panel, NOUN)
    return _History(kept, clear, name, rename, replay, markdown, jsonl, delete, undo, back, emptying)


def _build_message(panel: Panel[Chat]) -> _Message:
    """Lay out the message, what can be asked, and what can be done with the panes."""
    prompt = gr.Textbox(
        label="Your message",
        info="All panes get the same words. Shift+Enter starts a new line.",
        placeholder="Ask all of them the same thing. Enter sends.",
        lines=1,
        max_lines=6,
        elem_id="compare-prompt",
    )
    panel.input("prompt", prompt, redraws_on="")
    panel.html("changing")
    panel.part("ideas_title", html("", visible=False))
    with gr.Row(elem_classes="ls-ideas"):
        ideas = tuple(
            panel.part(f"idea_{n}", gr.Button("", size="sm", visible=False, elem_id=f"compare-idea-{n}"))
            for n in range(suggested_prompts.COUNT)
        )
    with gr.Row(elem_classes="ls-actions"):
        send = gr.Button(chat_view.send_label(FEWEST_PANES), variant="primary", elem_id=ASK)
        stop = gr.Button("Stop answering", variant="stop", visible=False, elem_id="compare-stop")
        edit = gr.Button("Change the last message", interactive=False, elem_id="compare-edit")
        again = gr.Button("Answer again", interactive=False, elem_id=AGAIN)
    with gr.Row(elem_classes="ls-actions ls-panes-actions"):
        add = gr.Button("Add a pane", size="sm", elem_id="compare-add")
        away = gr.Button("Take away the last pane", size="sm", visible=False, elem_id="compare-away")
        marks = gr.Checkbox(label="Highlight what differs", elem_id="compare-marks")
    buttons = {"send": send, "stop": stop, "edit": edit, "again": again, "add": add, "away": away}
    for name, button in buttons.items():
        panel.part(name, button)
    panel.input("marks", marks, redraws_on="")
    return _Message(prompt, ideas, **buttons, marks=marks)


def _build_panes(panel: Panel[Chat]) -> dict[str, gr.Dropdown]:
    """Lay out the panes side by side, those beyond the first two hidden; return what chooses their models."""
    models = {}
    with gr.Row(elem_classes="ls-panes"):
        for place in PLACES:
            pane = gr.Column(
                elem_classes=["ls-card", "ls-pane"],
                min_width=280,
                visible=place <= FEWEST_PANES,
                elem_id=f"compare-pane-{place}",
            )
            with panel.part(f"pane_{place}", pane):
                model = picker(label=f"Model of pane {place}", info="", elem_id=f"compare-model-{place}")
                models[f"model_{place}"] = panel.input(f"model_{place}", model, redraws_on="")
                strength = sampling.strength(f"Adapter strength in pane {place}", elem_id=f"compare-strength-{place}")
                panel.input(f"strength_{place}", strength, redraws_on="")
                panel.part(f"talk_{place}", chat_html.bubbles(f"compare-talk-{place}", PURPOSES[place - 1]))
                panel.html(f"caption_{place}", caption_line(""))
    return models


def _wire_message(
    panel: Panel[Chat], studio: Studio, message: _Message, models: list[gr.Dropdown], asked: Dependency
) -> None:
    stopping = {**QUIET, "cancels": [asked]}
    panel.on([message.stop.click], partial(chat_actions.halt, studio), options=QUIET)
    panel.on([message.edit.click], chat_actions.edit, options=QUIET)
    panel.on([message.marks.input], partial(chat_actions.mark, studio), options=QUIET)
    panel.on([model.input for model in models], partial(chat_actions.choose, studio), options=stopping)
    panel.on([message.add.click], partial(chat_actions.resize, studio, 1), options=stopping)
    panel.on([message.away.click], partial(chat_actions.resize, studio, -1), options=stopping)
    panel.on(
        [model.change for model in models],
        partial(suggested_prompts.suggest, studio),
        options={**QUIET, "trigger_mode": "always_last"},
    )
    for number, idea in enumerate(message.ideas):
        panel.on([idea.click], partial(suggested_prompts.take, number), options=QUIET)


def _wire_history(
    panel: Panel[Chat], studio: Studio, kept: KeptFiles[Conversation], past: _History, asked: Dependency
) -> None:
    stopping = {**ACTING, "cancels": [asked]}
    panel.on([past.kept.input], partial(history.reopen, studio, kept), given={"id": past.kept}, options=stopping)
    panel.on([past.clear.click], partial(history.begin, studio, kept), options={**QUIET, "cancels": [asked]})
    panel.on([past.rename.click, past.name.submit], partial(history.rename, kept), given={"name": past.name})
    panel.download(past.markdown.click, partial(history.save, "md"), save="saveText")
    panel.download(past.jsonl.click, partial(history.save, "jsonl"), save="saveText")
    panel.on([past.delete.click], partial(history.delete, studio, kept), options=stopping)
    panel.on([past.undo.click], lambda chat: history.restore(studio, kept, chat, chat.deleted), options=stopping)
    panel.on([past.back.click], lambda chat: history.restore(studio, kept, chat, chat.picked), options=stopping)
    panel.on_action(partial(bin_panel.press, kept, NOUN), of=[past.emptying])
