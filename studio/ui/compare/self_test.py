"""The self-test on the Compare tab: does "off" say what plain transformers says, and "on" what plain peft says?

Asks the worker, which holds both against each other, and says in a sentence what came of it.
"""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.blocks import Block

from studio.compare.asking import Chosen
from studio.compare.chat_protocol import Opened, Opening, Tested, Trouble
from studio.data.examples import Message
from studio.errors import RunError
from studio.studio import Studio
from studio.ui.compare import chat_actions, model_choices
from studio.ui.compare.chat_actions import Given
from studio.ui.kit import fragments
from studio.ui.kit.components import QUIET, html
from studio.ui.kit.errors import shown

PURPOSE = (
    "Loads the base model once more with plain transformers and plain peft, lets it answer the last message greedily, "
    "and compares token for token with what the panes do. Takes as long as loading the model."
)
_QUESTION = "What can you tell me about this?"


@dataclass(frozen=True)
class Proof:
    """The button that runs the test, and what is said of it."""

    start: gr.Button
    said: gr.HTML


def build() -> Proof:
    """Lay the test out."""
    said = html(build_text(), elem_id="compare-proof-said")
    with gr.Row(elem_classes="ls-actions"):
        start = gr.Button("Test the panes against plain peft", elem_id="compare-prove")
    return Proof(start=start, said=said)


def wire(proof: Proof, *, studio: Studio, inputs: Mapping[str, Block]) -> None:
    """Connect the test. `inputs` are what `chat_actions.read` reads."""

    def run(**values: Any) -> Iterator[tuple[str, Any]]:
        given = chat_actions.read(**values)
        yield from prove(studio, given, f"{given.ticket} proof")

    proof.start.click(
        shown(run),
        inputs_kwargs=dict(inputs),
        outputs=[proof.said, proof.start],
        show_progress="hidden",
        show_progress_on=[],
        concurrency_limit=4,
        api_visibility="private",
    ).failure(lambda: (build_text(), gr.update(interactive=True)), outputs=[proof.said, proof.start], **QUIET)


def build_text(text: str = PURPOSE) -> str:
    """Say what the test does."""
    return str(fragments.line("quiet", text))


def prove(studio: Studio, given: Given, ticket: str) -> Iterator[tuple[str, Any]]:
    """Run the self-test of the first pane that holds something learned; yield what is going on, then what came of it.

    Raises gr.Error when no pane does, and RunError when the test cannot be made.
    """
    panes = model_choices.chosen(studio, given.keys, given.strengths)
    pane = next((each for each in panes if each.model.folder), None)
    if pane is None:
        raise gr.Error("Choose a tuned model for one of the panes first.", title="Nothing to test")
    yield _busy("Getting the models ready."), gr.update(interactive=False)
    question = next(iter(given.said.questions[-1:]), _QUESTION)
    system = (Message("system", given.generation.system.strip()),) if given.generation.system.strip() else ()
    said = studio.chat.self_test(
        pane.model.base, pane.model.folder, (*system, Message("user", question)), ticket=ticket
    )
    outcome = build_text("The test was stopped.")
    with contextlib.closing(said):
        for message in said:
            match message:
                case Opening(what):
                    yield _busy(what), gr.skip()
                case Opened():
                    yield _busy("Answering in both ways."), gr.skip()
                case Tested():
                    outcome = verdict(message, pane)
                case Trouble():
                    raise RunError(message.message, message.hint)
    yield outcome, gr.update(interactive=True)


def verdict(tested: Tested, pane: Chosen) -> str:
    """Say what the test found."""
    plain = "plain transformers" if pane.model.whole else "plain peft"
    name = pane.model.title
    if tested.off_same and tested.on_same:
        sentence = (
            f"Proved: switched off, the model answers exactly as plain transformers does on the base; with {name} on, "
            f"exactly as {plain} does. {tested.tokens:,} tokens compared, every one the same."
        )
        return str(fragments.notice("good", sentence, tested.note))
    wrong = [
        *([] if tested.off_same else ["switched off, plain transformers on the base answers otherwise"]),
        *([] if tested.on_same else [f"with {name} on, {plain} answers otherwise"]),
    ]
    return str(fragments.notice("bad", f"Not the same: {' and '.join(wrong)}.", tested.note))


def _busy(what: str) -> str:
    return str(fragments.line("busy", what))
