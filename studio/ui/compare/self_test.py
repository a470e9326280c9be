"""The accuracy check on the Compare tab: do the panes answer as plain transformers and plain peft do?

Asks the worker, which holds both against each other, and says in a sentence what came of it.
"""

import contextlib
from collections.abc import Iterator

import gradio as gr

from studio.compare.asking import Chosen
from studio.compare.chat_protocol import Opened, Opening, Tested, Trouble
from studio.data.examples import Message
from studio.errors import RunError
from studio.studio import Studio
from studio.ui.compare import model_choices
from studio.ui.compare.chat_state import Chat
from studio.ui.kit import fragments
from studio.ui.kit.exchange import Result
from studio.ui.kit.panel import Panel

PURPOSE = (
    "Loads the base model a second time with plain transformers and peft, answers the last message, and compares that "
    "with the answers above, token by token. It takes about as long as loading the model."
)
_QUESTION = "What can you tell me about this?"


def build(panel: Panel[Chat]) -> gr.Button:
    """Lay the test out as parts of the chat's panel; return the button that runs it."""
    panel.html("proof_said", build_text())
    with gr.Row(elem_classes="ls-actions"):
        return panel.part("prove", gr.Button("Check accuracy", size="sm", elem_id="compare-prove"))


def build_text(text: str = PURPOSE) -> str:
    """Say what the test does."""
    return str(fragments.line("quiet", text))


def prove(studio: Studio, chat: Chat) -> Iterator[Result[Chat]]:
    """Run the self-test of the first pane that holds something learned; say what is going on, then what came of it.

    `finish` is for the end, as of `chat_actions.Asking.stream`.
    Raises gr.Error when no pane does, and RunError when the test cannot be made.
    """
    panes = model_choices.chosen(studio, chat.keys, chat.strengths)
    pane = next((each for each in panes if each.model.folder), None)
    if pane is None:
        raise gr.Error("Choose a trained model first.", title="Nothing to check")
    yield _saying(chat, _busy("Getting the models ready."))
    question = next(iter(chat.said.questions[-1:]), _QUESTION)
    system = (Message("system", chat.system.strip()),) if chat.system.strip() else ()
    said = studio.chat.self_test(
        pane.model.base, pane.model.folder, (*system, Message("user", question)), ticket=f"{chat.ticket} proof"
    )
    outcome = build_text("The check was stopped.")
    with contextlib.closing(said):
        for message in said:
            match message:
                case Opening(what):
                    yield _saying(chat, _busy(what))
                case Opened():
                    yield _saying(chat, _busy("Answering in both ways."))
                case Tested():
                    outcome = verdict(message, pane)
                case Trouble():
                    raise RunError(message.message, message.hint)
    yield _saying(chat, outcome)


def finish(chat: Chat) -> Result[Chat]:
    """Let another test be run."""
    return Result(chat, {"prove": gr.update(interactive=True)})


def give_up(chat: Chat) -> Result[Chat]:
    """Say what the test does, after it could not be made."""
    return Result(chat, {"proof_said": build_text(), **finish(chat).updates})


def _saying(chat: Chat, text: str) -> Result[Chat]:
    return Result(chat, {"proof_said": text, "prove": gr.update(interactive=False)})


def verdict(tested: Tested, pane: Chosen) -> str:
    """Say what the test found."""
    plain = "plain transformers" if pane.model.whole else "plain peft"
    name = pane.model.title
    if tested.off_same and tested.on_same:
        sentence = (
            f"Passed: the base model answers exactly as in plain transformers, and {name} exactly as in {plain}. "
            f"{tested.tokens:,} tokens compared, all the same."
        )
        return str(fragments.notice("good", sentence, tested.note))
    wrong = [
        *([] if tested.off_same else ["plain transformers gives another answer for the base model"]),
        *([] if tested.on_same else [f"{plain} gives another answer for {name}"]),
    ]
    return str(fragments.notice("bad", f"Failed: {' and '.join(wrong)}.", tested.note))


def _busy(what: str) -> str:
    return str(fragments.line("busy", what))
