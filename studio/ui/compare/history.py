"""The kept conversations on the Compare tab: opened again, renamed, downloaded, deleted, restored."""

from dataclasses import replace
from typing import Any

import gradio as gr

from studio.compare.conversations import Conversation, as_jsonl, as_markdown
from studio.compare.pane_models import first_pair, keys_still_offered
from studio.keeping import KeptFiles
from studio.runs.names import slug
from studio.studio import Studio
from studio.ui.compare import bin_panel, chat_view, model_choices
from studio.ui.compare.chat_state import PLACES, Chat
from studio.ui.kit import fragments
from studio.ui.kit.downloads import text_file
from studio.ui.kit.exchange import Result
from studio.wording import Tone

Kept = KeptFiles[Conversation]

NOUN = "conversation"


def at_first(studio: Studio, kept: Kept, chat: Chat, *, run_id: str = "") -> Result[Chat]:
    """Show the conversation that was had last, else the base model and the newest finished run.

    Where the tab is opened for a run, that is shown: this and `compare_run` are called at once, and either ends last.
    """
    if run_id:
        return _with_bin(kept, _with_run(studio, kept, chat, run_id))
    if chat.is_opened:
        return _with_bin(kept, Result(chat))
    chat = replace(chat, is_opened=True)
    found = kept.all()
    if found:
        return _with_bin(kept, chat_view.opened(studio, kept, chat, found[0]))
    return _with_bin(kept, chat_view.fresh(studio, kept, chat, first_pair(studio)))


def refresh(studio: Studio, kept: Kept, chat: Chat, *, run_id: str = "") -> Result[Chat]:
    """List the models and the conversations that are there now; keep what is chosen. With a run as in `at_first`."""
    if run_id:
        return _with_bin(kept, _with_run(studio, kept, chat, run_id))
    if not any(chat.keys) and not any(talk.key for talk in chat.said.talks):
        keys = [*first_pair(studio), None, None][: chat.panes]
        return _with_bin(kept, chat_view.fresh(studio, kept, chat, keys))
    choices = gr.update(choices=model_choices.offered(studio, chat.keys))
    updates = {f"model_{place}": choices for place in PLACES} | {
        "kept": gr.update(choices=chat_view.kept_choices(kept))
    }
    # What is chosen already is left alone: a person may choose another while this is on its way to the page.
    now = zip(PLACES, chat.keys, keys_still_offered(studio, chat.keys), strict=False)
    others: dict[str, Any] = {f"model_{place}": key for place, before, key in now if key != before}
    updates |= {name: {**choices, "value": key} for name, key in others.items()}
    return _with_bin(kept, Result(replace(chat, **others), updates))


def _with_bin(kept: Kept, result: Result[Chat]) -> Result[Chat]:
    return Result(result.state, {**result.updates, **bin_panel.look(kept, NOUN, result.state.picked)})


def begin(studio: Studio, kept: Kept, chat: Chat) -> Result[Chat]:
    """Begin a new conversation with the models that are chosen."""
    return chat_view.fresh(studio, kept, chat, chat.keys, chat.strengths)


def compare_run(studio: Studio, kept: Kept, chat: Chat, *, run_id: str) -> Chat | Result[Chat]:
    """Begin a new conversation with a run that another tab wants compared, and its base."""
    return _with_run(studio, kept, chat, run_id) if run_id else chat


def _with_run(studio: Studio, kept: Kept, chat: Chat, run_id: str) -> Result[Chat]:
    return chat_view.fresh(studio, kept, replace(chat, is_opened=True), first_pair(studio, run_id))


def reopen(studio: Studio, kept: Kept, chat: Chat, *, id: str | None) -> Result[Chat]:
    """Open a kept conversation, or begin a new one."""
    return chat_view.opened(studio, kept, chat, kept.get(id)) if id else begin(studio, kept, chat)


def rename(kept: Kept, chat: Chat, *, name: str | None) -> Result[Chat]:
    """Give the conversation that is open another name. Raises RunError when it has none."""
    if not chat.said.id:
        return Result(chat, _line("quiet", "A conversation gets its name with its first message."))
    said = kept.rename(chat.said.id, name or "")
    updates = {**chat_view.listed(kept, said), **_line("good", f"Renamed to {said.name}.")}
    return Result(replace(chat, said=said), updates)


def delete(studio: Studio, kept: Kept, chat: Chat) -> Result[Chat]:
    """Put the conversation that is open into the bin."""
    if not chat.said.id:
        return Result(chat, _line("quiet", "There is nothing to delete: this conversation is empty."))
    kept.delete(chat.said.id)
    begun = _with_bin(kept, chat_view.fresh(studio, kept, replace(chat, deleted=chat.said.id), chat.keys))
    said = _line("quiet", f"{chat.said.name} is in the Trash.")
    return Result(begun.state, {**begun.updates, **said, "restore": gr.update(visible=True)})


def restore(studio: Studio, kept: Kept, chat: Chat, id: str | None) -> Chat | Result[Chat]:
    """Take a conversation back out of the bin, and open it. Raises RunError when it is not there."""
    return _with_bin(kept, chat_view.opened(studio, kept, chat, kept.restore(id))) if id else chat


def save(kind: str, chat: Chat) -> str:
    """Prepare the conversation that is open as a file, "md" or "jsonl". Raises gr.Error when nothing was said."""
    if not chat.said.questions:
        raise gr.Error("This conversation is empty.", title="Nothing to download", print_exception=False)
    text = as_markdown(chat.said) if kind == "md" else as_jsonl(chat.said)
    return text_file(f"{slug(chat.said.name)}.{kind}", text)


def _line(kind: Tone, sentence: str) -> dict[str, Any]:
    return {"said_of": str(fragments.line(kind, sentence))}
