"""The kept conversations on the Compare tab: opened again, named, taken along as a file, deleted, put back."""

from typing import Any

import gradio as gr

from studio.compare.conversations import Conversation, as_jsonl, as_markdown
from studio.compare.pane_models import first_pair, keys_still_offered
from studio.keeping import KeptFiles
from studio.runs.names import slug
from studio.studio import Studio
from studio.ui.compare import chat_view, model_choices
from studio.ui.compare.chat_actions import Given
from studio.ui.compare.chat_parts import PLACES
from studio.ui.compare.chat_view import update
from studio.ui.compare.model_choices import FEWEST_PANES
from studio.ui.kit import fragments
from studio.ui.kit.downloads import text_file
from studio.ui.kit.run_choices import Choices

Kept = KeptFiles[Conversation]


def at_first(studio: Studio, kept: Kept, *, marks: bool) -> list[Any]:
    """Show the conversation that was had last, else the base model and the newest finished run."""
    found = kept.all()
    if found:
        return update(chat_view.opened(studio, kept, found[0], marks=marks))
    return update(chat_view.fresh(studio, kept, first_pair(studio), count=FEWEST_PANES))


def refresh(studio: Studio, kept: Kept, given: Given) -> list[Any]:
    """List the models and the conversations that are there now; keep what is chosen."""
    if not any(given.keys) and not any(talk.key for talk in given.said.talks):
        return update(chat_view.fresh(studio, kept, first_pair(studio), count=given.count))
    offered = model_choices.offered(studio, given.keys)
    parts: dict[str, Any] = {"kept": gr.update(choices=chat_view.kept_choices(kept))}
    keys = keys_still_offered(studio, given.keys)
    for place in PLACES:
        before, now = (each[place - 1] if place <= given.count else None for each in (given.keys, keys))
        # What is chosen already is left alone: another listener may be choosing at the same moment.
        parts[f"model_{place}"] = _choices(offered, before, now)
    return update(parts)


def _choices(offered: Choices, before: str | None, now: str | None) -> Any:
    return gr.update(choices=offered) if before == now else gr.update(choices=offered, value=now)


def begin(studio: Studio, kept: Kept, given: Given) -> list[Any]:
    """Begin a new conversation with the models that are chosen."""
    parts = chat_view.fresh(studio, kept, given.keys, count=given.count)
    for place, strength in enumerate(given.strengths, start=1):
        parts[f"strength_{place}"] = gr.update(visible=parts[f"strength_{place}"]["visible"], value=strength)
    return update(parts)


def compare_run(studio: Studio, kept: Kept, run_id: str) -> list[Any]:
    """Begin a new conversation with a run that another tab wants compared, and its base."""
    if not run_id:
        return update({})
    keys = first_pair(studio, run_id)
    return update(chat_view.fresh(studio, kept, keys, count=FEWEST_PANES))


def reopen(studio: Studio, kept: Kept, given: Given, id: str | None) -> list[Any]:
    """Open a kept conversation, or begin a new one."""
    if not id:
        return begin(studio, kept, given)
    return update(chat_view.opened(studio, kept, kept.get(id), marks=given.marks))


def rename(kept: Kept, given: Given, name: str | None) -> list[Any]:
    """Give the conversation that is open another name. Raises RunError when it has none."""
    if not given.said.id:
        return _saying("quiet", "A conversation gets its name with its first question.")
    said = kept.rename(given.said.id, name or "")
    return update({**chat_view.listed(kept, said), "said": said, **_line("good", f"It is called {said.name} now.")})


def delete(studio: Studio, kept: Kept, given: Given) -> tuple[list[Any], str]:
    """Put the conversation that is open into the bin; return the updates, and its id to put it back by."""
    if not given.said.id:
        return _saying("quiet", "There is nothing to delete: this conversation is not kept yet."), ""
    kept.delete(given.said.id)
    parts = chat_view.fresh(studio, kept, given.keys, count=given.count)
    sentence = f"{given.said.name} is in the bin."
    return update({**parts, **_line("quiet", sentence), "restore": gr.update(visible=True)}), given.said.id


def restore(studio: Studio, kept: Kept, given: Given, id: str | None) -> list[Any]:
    """Take a conversation back out of the bin, and open it. Raises RunError when it is not there."""
    if not id:
        return update({})
    said = kept.restore(id)
    return update(chat_view.opened(studio, kept, said, marks=given.marks))


def save(given: Given, kind: str) -> str:
    """Prepare the conversation that is open as a file, "md" or "jsonl". Raises gr.Error when nothing was said."""
    if not given.said.questions:
        raise gr.Error("Nothing was said in this conversation yet.", title="Nothing to save", print_exception=False)
    text = as_markdown(given.said) if kind == "md" else as_jsonl(given.said)
    return text_file(f"{slug(given.said.name)}.{kind}", text)


def _saying(kind: str, sentence: str) -> list[Any]:
    return update(_line(kind, sentence))


def _line(kind: str, sentence: str) -> dict[str, Any]:
    return {"said_of": str(fragments.line(kind, sentence))}
