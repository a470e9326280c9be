"""The Compare tab: the same question to the base model and to the tuned one, side by side.

Knows how to show two conversations; `studio.ui.conversation` makes them.
"""

import functools
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from studio.data.examples import Message
from studio.runs.studio import Studio
from studio.ui import ideas, run_choices
from studio.ui.compare_parts import ChatPane, Sampling, build_pane, build_sampling, caption_line
from studio.ui.components import QUIET, html, picker
from studio.ui.conversation import (
    READING,
    WAKING,
    Answers,
    History,
    Wish,
    answers,
    as_bubbles,
    caption,
    settled,
    with_answer,
    with_system,
)
from studio.ui.errors import shown

_FRAME_SECONDS = 0.15


@dataclass(frozen=True)
class CompareTab:
    """The components of the tab. `said` holds both conversations, `suggestions` what the idea buttons fill in.

    `ticket` is this page's own: its Stop button ends no other page's answer.
    """

    run: gr.Dropdown
    base: ChatPane
    tuned: ChatPane
    prompt: gr.Textbox
    send: gr.Button
    stop: gr.Button
    clear: gr.Button
    ideas: tuple[gr.Button, ...]
    ideas_title: gr.HTML
    suggestions: gr.State
    said: gr.State
    ticket: gr.State
    sampling: Sampling


def build() -> CompareTab:
    """Lay the tab out."""
    with gr.Column(elem_classes="ls-card"):
        with gr.Row():
            with gr.Column(scale=2, min_width=260):
                run = picker(
                    label="Tuned run",
                    info="A run that is still training appears here when it ends.",
                    elem_id="compare-run",
                )
            with gr.Column(scale=3, min_width=260):
                prompt = gr.Textbox(
                    label="Your message",
                    info="Both get the same words. Shift+Enter starts a new line.",
                    placeholder="Ask both models the same thing. Enter sends.",
                    lines=1,
                    max_lines=6,
                    elem_id="compare-prompt",
                )
        ideas_title = html("", visible=False)
        with gr.Row(elem_classes="ls-ideas"):
            idea_buttons = tuple(
                gr.Button("", size="sm", visible=False, elem_id=f"compare-idea-{n}") for n in range(ideas.COUNT)
            )
        suggestions = gr.State([])
        with gr.Row(elem_classes="ls-actions"):
            send = gr.Button("Ask both", variant="primary", elem_id="compare-send")
            stop = gr.Button("Stop answering", variant="stop", visible=False, elem_id="compare-stop")
            clear = gr.Button("Clear both", elem_id="compare-clear")
        with gr.Accordion("How they answer", open=False, elem_classes="ls-inner"):
            sampling = build_sampling()
    with gr.Row():
        base = build_pane("Base model", "base", "The model as it was before your training answers here.")
        tuned = build_pane("Tuned model", "tuned", "The same model with what it learned answers here.")
    return CompareTab(
        run=run,
        base=base,
        tuned=tuned,
        prompt=prompt,
        send=send,
        stop=stop,
        clear=clear,
        ideas=idea_buttons,
        ideas_title=ideas_title,
        suggestions=suggestions,
        said=gr.State(((), ())),
        ticket=gr.State(""),
        sampling=sampling,
    )


def new_ticket() -> str:
    """Make what no other page has."""
    return uuid.uuid4().hex


def wire(
    tab: CompareTab,
    *,
    studio: Studio,
    clock: Callable[[], float] = time.monotonic,
    make_ticket: Callable[[], str] = new_ticket,
) -> None:
    """Connect the tab."""
    panes = [tab.base.chat, tab.tuned.chat, tab.base.caption, tab.tuned.caption]
    asked = gr.on(
        [tab.send.click, tab.prompt.submit],
        shown(functools.partial(ask, studio, clock, make_ticket)),
        inputs_kwargs={
            "run_id": tab.run,
            "prompt": tab.prompt,
            "said": tab.said,
            "ticket": tab.ticket,
            "system": tab.sampling.system,
            "temperature": tab.sampling.temperature,
            "longest": tab.sampling.longest,
            "seed": tab.sampling.seed,
        },
        outputs=[*panes, tab.said, tab.ticket, tab.prompt, tab.send, tab.stop],
        show_progress="hidden",
        concurrency_limit=8,
        api_visibility="private",
    )
    asked.failure(take_back, inputs=[tab.said], outputs=[tab.base.chat, tab.tuned.chat, tab.send, tab.stop], **QUIET)
    tab.stop.click(shown(functools.partial(halt, studio)), inputs=[tab.ticket], **QUIET)
    gr.on(
        [tab.clear.click, tab.run.input],
        lambda: ([], [], caption_line(""), caption_line(""), ((), ()), *buttons(answering=False)),
        outputs=[*panes, tab.said, tab.send, tab.stop],
        cancels=[asked],
        **QUIET,
    )
    tab.run.change(
        shown(functools.partial(ideas.suggest, studio)),
        inputs=[tab.run],
        outputs=[tab.suggestions, tab.ideas_title, *tab.ideas],
        **QUIET,
    )
    for number, button in enumerate(tab.ideas):
        button.click(
            shown(functools.partial(ideas.take, number)),
            inputs=[tab.suggestions, tab.sampling.system],
            outputs=[tab.prompt, tab.sampling.system],
            **QUIET,
        )


def refresh_runs(studio: Studio, chosen: str | None) -> Any:
    """Return the dropdown with the runs that can answer now; keep what is chosen."""
    choices = run_choices.runs_with_result(studio, also=chosen)
    return gr.update(choices=choices, value=run_choices.keep_or_first(chosen, choices))


def buttons(*, answering: bool) -> tuple[Any, Any]:
    """Return the states of the Send and Stop buttons."""
    return gr.update(interactive=not answering), gr.update(visible=answering)


def halt(studio: Studio, ticket: str) -> None:
    """Stop the answers to this page's question; without a ticket it has asked nothing yet."""
    if ticket:
        studio.chat.halt(ticket)


def take_back(said: tuple[History, History]) -> tuple[Any, ...]:
    """Remove a question that could not be answered."""
    return *(as_bubbles(settled(history)) for history in said), *buttons(answering=False)


def ask(
    studio: Studio,
    clock: Callable[[], float],
    make_ticket: Callable[[], str],
    *,
    run_id: str | None,
    prompt: str,
    said: tuple[History, History],
    ticket: str,
    system: str,
    temperature: float,
    longest: int,
    seed: int | None,
) -> Iterator[tuple[Any, ...]]:
    """Put the question to both models and stream both answers, at most a dozen frames a second."""
    if not run_id:
        raise gr.Error("There is no tuned run yet. Train one, then ask.", title="No run chosen", print_exception=False)
    if not prompt.strip():
        raise gr.Error("Write a message first.", title="Nothing to ask", print_exception=False)
    run = studio.runs.get(run_id)
    wish = Wish(system or "", temperature, int(longest), int(seed or 0))
    question = Message("user", prompt.strip())
    base, tuned = (*settled(said[0]), question), (*settled(said[1]), question)
    now, shown_at = Answers(waiting=READING if studio.chat.is_running else WAKING), clock()
    ticket = ticket or make_ticket()

    def frame() -> tuple[Any, ...]:
        return (
            as_bubbles(with_answer(base, now.base.text, now.waiting)),
            as_bubbles(with_answer(tuned, now.tuned.text, now.waiting)),
            caption_line(caption(run, now.base, wish, tuned=False)),
            caption_line(caption(run, now.tuned, wish, tuned=True)),
            (with_answer(base, now.base.text), with_answer(tuned, now.tuned.text)),
        )

    yield (*frame(), ticket, "", *buttons(answering=True))
    growing = answers(
        studio.chat,
        run,
        base=with_system(base, wish.system),
        tuned=with_system(tuned, wish.system),
        wish=wish,
        ticket=ticket,
    )
    for now in growing:
        if now.waiting or clock() - shown_at >= _FRAME_SECONDS:
            shown_at = clock()
            yield (*frame(), gr.skip(), gr.skip(), gr.skip(), gr.skip())
    now = Answers(now.base, now.tuned)
    yield (*frame(), gr.skip(), gr.skip(), *buttons(answering=False))
