"""The Chat part of the Compare tab: lays its pieces out and connects them. What they do stands in other modules."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr
from gradio.events import Dependency

from studio.compare.conversations import Conversation
from studio.keeping import KeptFiles
from studio.studio import Studio
from studio.ui.compare import (
    bin_panel,
    blend,
    chat_actions,
    chat_html,
    history,
    sampling,
    self_test,
    suggested_prompts,
)
from studio.ui.compare.chat_actions import AGAIN, ASK, REPLAY, Asking
from studio.ui.compare.chat_state import PLACES, Chat
from studio.ui.compare.chat_view import PURPOSES
from studio.ui.compare.history import NOUN
from studio.ui.compare.model_choices import FEWEST_PANES
from studio.ui.kit import fragments, scripts
from studio.ui.kit.components import ACTING, DRAFT, QUIET, html, picker
from studio.ui.kit.panel import Panel


@dataclass(frozen=True)
class _History:
    """What the bar above the panes holds: the kept conversations, and what changes the open one."""

    kept: gr.Dropdown
    clear: gr.Button
    name: gr.Textbox
    rename: gr.Button
    markdown: gr.Button
    jsonl: gr.Button
    delete: gr.Button
    undo: gr.Button
    add: gr.Button
    away: gr.Button


@dataclass(frozen=True)
class _Message:
    """The message, and what is done with the last one."""

    prompt: gr.Textbox
    ideas: tuple[gr.Button, ...]
    send: gr.Button
    stop: gr.Button
    edit: gr.Button
    again: gr.Button
    replay: gr.Button
    marks: gr.Checkbox


def build(
    studio: Studio,
    kept: KeptFiles[Conversation],
    asking: Asking,
    *,
    timer: gr.HTML,
    opened: Callable[..., Any],
    wanted: gr.State,
) -> gr.Textbox:
    """Lay the part out, connect it, and return the field of the message.

    `wanted` takes the id of a run that another tab wants compared.
    """
    panel = Panel("compare", Chat())
    for name in ("panes", "said", "editing", "ticket", "pending", "suggested", "deleted"):
        panel.input(name, gr.State(getattr(Chat(), name)), redraws_on="")
    with gr.Column(elem_classes="ls-chat", elem_id="compare-chat"):
        past = _build_history(panel)
        panel.part("tabs", html("", elem_id="compare-tabs", on_load=scripts.on_load("chatLayout")))
        models = _build_panes(panel)
        message = _build_message(panel)
    with gr.Accordion("Check accuracy", open=False, elem_classes="ls-more", elem_id="compare-proof"):
        prove = self_test.build(panel)
    with gr.Accordion("Merge models", open=False, elem_classes="ls-more", elem_id="compare-blend"):
        blend.build(studio, timer=timer, opened=opened, models=models)
    back, emptying = bin_panel.build(panel, NOUN)

    asks = [message.send.click, message.prompt.submit, message.again.click, message.replay.click]
    asked = panel.on_pressed(asks, asking.stream, options={**ACTING, "concurrency_limit": 8})
    panel.on_failure(asked, partial(chat_actions.take_back, studio))
    panel.on_success(asked, partial(chat_actions.finish, studio))
    given = {"run_id": wanted}
    panel.on([opened], partial(history.refresh, studio, kept), given=given, options=QUIET)
    first = panel.on([timer.expand], partial(history.at_first, studio, kept), given=given, options=QUIET)
    panel.on_success(first, partial(suggested_prompts.suggest, studio))  # the choosers do not always tell of a change
    compared = panel.on(
        [wanted.change],
        partial(history.compare_run, studio, kept),
        given=given,
        options={**QUIET, "cancels": [asked]},
    )
    compared.then(lambda: "", outputs=[wanted], **QUIET)
    _wire_message(panel, studio, message, list(models.values()), asked)
    _wire_history(panel, studio, kept, past, asked)
    stopping = {**ACTING, "cancels": [asked]}
    panel.on([back.click], lambda chat: history.restore(studio, kept, chat, chat.picked), options=stopping)
    panel.on_action(partial(bin_panel.press, kept, NOUN), of=[emptying])
    test = panel.on([prove.click], partial(self_test.prove, studio), options={**ACTING, "concurrency_limit": 4})
    panel.on_success(test, self_test.finish)
    panel.on_failure(test, self_test.give_up)
    return message.prompt


def _build_history(panel: Panel[Chat]) -> _History:
    """Lay out the bar above the panes: the conversations, what can be done with the open one, and how to answer."""
    with gr.Row(elem_classes="ls-chat-bar"):
        chooser = picker(label="Conversation", info="", elem_id="compare-kept", show_label=False)
        kept = panel.part("kept", chooser)
        clear = gr.Button("New conversation", size="sm", elem_id="compare-clear")
        with gr.Accordion("This conversation", open=False, elem_classes="ls-popover", elem_id="compare-this"):
            with gr.Row(elem_classes="ls-kept"):
                name = panel.part("name", gr.Textbox(label="Name", max_lines=1, elem_id="compare-name"))
                rename = gr.Button("Rename", size="sm", elem_id="compare-rename")
            with gr.Row(elem_classes="ls-actions"):
                markdown = gr.Button("Download as Markdown", size="sm", elem_id="compare-markdown")
                jsonl = gr.Button("Download as JSONL", size="sm", elem_id="compare-jsonl")
                delete = gr.Button("Move to Trash", size="sm", variant="stop", elem_id="compare-delete")
        with gr.Accordion("Answer settings", open=False, elem_classes="ls-popover", elem_id="compare-settings"):
            sampling.build(panel, longest=160)
        add = panel.part("add", gr.Button("Add model", size="sm", interactive=False, elem_id="compare-add"))
        away = panel.part("away", gr.Button("Remove last model", size="sm", visible=False, elem_id="compare-away"))
    panel.part("said_of", html("", elem_id="compare-said"))
    undo = panel.part("restore", gr.Button("Restore", size="sm", visible=False, elem_id="compare-restore"))
    return _History(kept, clear, name, rename, markdown, jsonl, delete, undo, add, away)


def _build_message(panel: Panel[Chat]) -> _Message:
    """Lay out the message, questions to try, and what can be done with the last message."""
    with gr.Column(elem_classes="ls-composer", elem_id="compare-composer"):
        with panel.part("ideas", gr.Row(elem_classes="ls-ideas")):
            panel.part("ideas_title", html("", visible=False))
            ideas = tuple(
                panel.part(
                    f"idea_{n}",
                    gr.Button("", size="sm", visible=False, elem_id=f"compare-idea-{n}", elem_classes=fragments.OWN),
                )
                for n in range(suggested_prompts.COUNT)
            )
        panel.html("changing")
        with gr.Row(elem_classes="ls-send"):
            prompt = gr.Textbox(
                label="Message",
                show_label=False,
                placeholder="Message all models",
                lines=1,
                max_lines=5,
                elem_id="compare-prompt",
                elem_classes=DRAFT,
            )
            panel.input("prompt", prompt, redraws_on="")
            send = gr.Button("Send", variant="primary", interactive=False, elem_id=ASK)
            stop = gr.Button("Stop", variant="stop", visible=False, elem_id="compare-stop")
        with gr.Row(elem_classes="ls-send-more"):
            again = gr.Button("Regenerate", size="sm", visible=False, elem_id=AGAIN)
            edit = gr.Button("Edit last message", size="sm", visible=False, elem_id="compare-edit")
            replay = gr.Button("Replay with current models", size="sm", visible=False, elem_id=REPLAY)
            marks = gr.Checkbox(label="Highlight differences", elem_id="compare-marks")
            panel.html("marked")
    buttons = {"send": send, "stop": stop, "edit": edit, "again": again, "replay": replay}
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
                min_width=0,
                visible=place <= FEWEST_PANES,
                elem_id=f"compare-pane-{place}",
            )
            with panel.part(f"pane_{place}", pane):
                label = f"Model {place}"
                model = picker(label=label, info="", elem_id=f"compare-model-{place}", show_label=False)
                models[f"model_{place}"] = panel.input(f"model_{place}", model, redraws_on="")
                label, id = f"Strength of model {place}", f"compare-strength-{place}"
                strength = sampling.strength(label, elem_id=id, explained=False)
                panel.input(f"strength_{place}", strength, redraws_on="")
                panel.part(f"talk_{place}", chat_html.bubbles(f"compare-talk-{place}", PURPOSES[place - 1]))
                panel.html(f"caption_{place}")
    return models


def _wire_message(
    panel: Panel[Chat], studio: Studio, message: _Message, models: list[gr.Dropdown], asked: Dependency
) -> None:
    stopping = {**QUIET, "cancels": [asked]}
    panel.on([message.stop.click], partial(chat_actions.halt, studio), options=QUIET)
    panel.on([message.edit.click], chat_actions.edit, options=QUIET)
    panel.on([message.marks.input], partial(chat_actions.mark, studio), options=QUIET)
    panel.on([model.input for model in models], partial(chat_actions.choose, studio), options=stopping)
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
    for button, change in ((past.add, 1), (past.away, -1)):
        panel.on([button.click], partial(chat_actions.resize, studio, change), options={**QUIET, "cancels": [asked]})
