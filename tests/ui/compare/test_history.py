import json
from dataclasses import fields, replace
from typing import Any

import gradio as gr
import pytest

from studio.compare.answering import GenerationSettings, Growing
from studio.compare.asking import Chosen, aligned, with_answers
from studio.compare.conversations import Conversation, open_conversations
from studio.compare.pane_models import first_pair, pane_model
from studio.config import RunConfig
from studio.errors import RunError
from studio.keeping import KeptFiles
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.compare import history, tab
from studio.ui.compare.chat_state import Chat
from studio.ui.kit.exchange import Result
from tests.ui.fake_studio import FakeChat, finished_run

Kept = KeptFiles[Conversation]
GENERATION = GenerationSettings("", 0.0, 64, 42)


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="otter"))


@pytest.fixture
def kept(studio: Studio) -> Kept:
    return open_conversations(studio.settings.home, studio.clock)


def page(result: Chat | Result[Chat]) -> dict[str, Any]:
    """What a page shows and holds after a step."""
    state, updates = (result.state, result.updates) if isinstance(result, Result) else (result, {})
    return {**{each.name: getattr(state, each.name) for each in fields(Chat)}, **updates}


def given(studio: Studio, said: Conversation | None = None, **values: Any) -> Chat:
    chosen = Chat(longest=64, seed=42).with_panes(first_pair(studio))
    return replace(chosen, said=said or Conversation(), **values)


def talked(studio: Studio, kept: Kept, *keys: str | None, strength: float = 1.0) -> Conversation:
    panes = [Chosen(pane_model(studio, key or ""), strength) for key in keys]
    grown = [Growing(f"{pane.model.title} says", 3, 0.5, "end") for pane in panes]
    start = aligned(Conversation(), [pane.model for pane in panes])
    return kept.save(with_answers(start, "How is bread made?", panes, grown, GENERATION))


def test_a_first_page_offers_the_base_and_the_newest_run(studio: Studio, run: RunFolder, kept: Kept) -> None:
    shown = page(history.at_first(studio, kept, Chat()))
    assert shown["model_1"]["value"].startswith("base:")
    assert shown["model_2"]["value"] == f"run:{run.id}"
    assert next(label for label, _ in shown["model_1"]["choices"]) == "Starter model, untrained"
    assert shown["strength_2"]["visible"] is True
    assert [shown[f"pane_{place}"]["visible"] for place in range(1, 5)] == [True, True, False, False]


def test_a_tab_that_was_opened_for_a_run_keeps_it(studio: Studio, run: RunFolder, kept: Kept) -> None:
    """Whichever comes first: what the tab shows of itself, or the run that another tab wants compared."""
    talked(studio, kept, *first_pair(studio))
    later = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    chosen = history.compare_run(studio, kept, Chat(), run_id=run.id)
    assert isinstance(chosen, Result)
    shown = history.at_first(studio, kept, chosen.state)
    assert shown.state == chosen.state
    assert not {"model_1", "model_2"} & shown.updates.keys()
    assert f"run:{later.id}" not in shown.state.keys


def test_what_opens_the_tab_shows_the_run_that_it_is_opened_for(studio: Studio, run: RunFolder, kept: Kept) -> None:
    """Three listeners are called at once, and any of them may end last."""
    talked(studio, kept, *first_pair(studio))
    finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    for listener in (history.at_first, history.refresh, history.compare_run):
        shown = page(listener(studio, kept, Chat(), run_id=run.id))
        assert shown["model_2"]["value"] == f"run:{run.id}"
        assert shown["said"].questions == ()


def test_a_page_without_a_run_has_no_model(studio: Studio, kept: Kept) -> None:
    shown = page(history.at_first(studio, kept, Chat()))
    assert shown["model_1"]["value"] == shown["model_2"]["value"] == ""
    later = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    empty = Chat(said=shown["said"])
    assert page(history.refresh(studio, kept, empty))["model_2"]["value"] == f"run:{later.id}"


def test_a_reload_brings_the_last_conversation_back(studio: Studio, run: RunFolder, kept: Kept) -> None:
    keys = first_pair(studio)
    said = talked(studio, kept, *keys, keys[1], strength=0.5)
    shown = page(history.at_first(studio, kept, Chat()))
    assert shown["said"] == said
    assert (shown["panes"], shown["model_3"]["value"], shown["strength_3"]["value"]) == (3, keys[1], 0.5)
    assert "otter says" in shown["talk_2"]
    assert "adapter on (otter), strength 0.5" in shown["caption_2"]
    assert shown["kept"]["value"] == said.id


def test_a_conversation_outlives_its_run(studio: Studio, run: RunFolder, kept: Kept) -> None:
    said = talked(studio, kept, *first_pair(studio))
    other = finished_run(studio, dataset_id=run.origin.dataset_id)
    studio.delete_run(run.id)
    shown = page(history.at_first(studio, kept, Chat()))
    assert shown["said"] == said
    assert shown["model_2"]["value"] is None
    assert "otter (no longer there)" in shown["caption_2"]
    assert "otter says" in shown["talk_2"]
    assert f"run:{other.id}" in [key for _, key in shown["model_2"]["choices"]]


def test_a_base_is_one_choice_whichever_run_it_was_named_after(studio: Studio, run: RunFolder, kept: Kept) -> None:
    talked(studio, kept, f"base:{run.id}", f"run:{run.id}")
    newer = finished_run(studio, dataset_id=run.origin.dataset_id)
    shown = page(history.at_first(studio, kept, Chat()))
    assert shown["model_1"]["value"] == f"base:{newer.id}"
    keys = [key for _, key in shown["model_1"]["choices"]]
    assert keys == [f"base:{newer.id}", *[f"run:{each.id}" for each in studio.runs.all()]]


def test_a_new_run_is_offered_and_what_is_chosen_stays(studio: Studio, run: RunFolder, kept: Kept) -> None:
    before = given(studio)
    newer = finished_run(studio, dataset_id=run.origin.dataset_id)
    shown = page(history.refresh(studio, kept, before))
    assert f"run:{newer.id}" in [key for _, key in shown["model_2"]["choices"]]
    assert "value" not in shown["model_2"], "another listener may be choosing at the same moment"
    assert shown["said"] == before.said


def test_another_tab_asks_for_a_run(studio: Studio, run: RunFolder, kept: Kept) -> None:
    finished_run(studio, dataset_id=run.origin.dataset_id)
    wanted = tab.show_run(studio, run.id)
    shown = page(history.compare_run(studio, kept, Chat(), run_id=wanted))
    assert shown["model_2"]["value"] == f"run:{run.id}"
    assert shown["said"].questions == ()
    assert history.compare_run(studio, kept, Chat(), run_id="") == Chat()
    with pytest.raises(RunError, match="no run"):
        tab.show_run(studio, "nobody")
    assert tab.show_run(studio, None) == ""


def test_a_new_conversation_keeps_models_and_strengths(studio: Studio, run: RunFolder, kept: Kept) -> None:
    said = talked(studio, kept, *first_pair(studio))
    shown = page(history.begin(studio, kept, given(studio, said, strength_2=0.7)))
    assert shown["model_2"]["value"] == f"run:{run.id}"
    assert shown["strength_2"]["value"] == 0.7
    assert (shown["said"].id, shown["kept"]["value"]) == ("", "")
    again = page(history.reopen(studio, kept, given(studio), id=said.id))
    assert again["said"] == said
    assert page(history.reopen(studio, kept, given(studio, said), id=None))["said"].id == ""


def test_a_conversation_is_named_deleted_and_put_back(studio: Studio, run: RunFolder, kept: Kept) -> None:
    said = talked(studio, kept, *first_pair(studio))
    named = page(history.rename(kept, given(studio, said), name="Bread"))
    assert named["said"] == kept.get(said.id)
    assert "Renamed to Bread." in named["said_of"]
    deleted = page(history.delete(studio, kept, given(studio, named["said"])))
    assert (deleted["deleted"], kept.all(), deleted["restore"]["visible"]) == (said.id, (), True)
    assert deleted["bin"]["visible"] is True
    assert "Bread is in the Trash." in deleted["said_of"]
    back = page(history.restore(studio, kept, given(studio), said.id))
    assert (back["said"].name, back["restore"]["visible"]) == ("Bread", False)
    assert back["bin"]["visible"] is False


def test_what_is_not_kept_yet_has_no_name_and_no_file(studio: Studio, run: RunFolder, kept: Kept) -> None:
    assert "with its first message" in page(history.rename(kept, given(studio), name="Bread"))["said_of"]
    assert page(history.delete(studio, kept, given(studio)))["deleted"] == ""
    with pytest.raises(gr.Error, match="is empty"):
        history.save("md", given(studio))


def test_a_conversation_is_taken_along_as_a_file(studio: Studio, run: RunFolder, kept: Kept) -> None:
    said = talked(studio, kept, *first_pair(studio))
    markdown, jsonl = (json.loads(history.save(kind, given(studio, said))) for kind in ("md", "jsonl"))
    assert (markdown["name"], jsonl["name"]) == ("how-is-bread-made.md", "how-is-bread-made.jsonl")
    assert "### otter" in markdown["text"]
    assert len(jsonl["text"].splitlines()) == 2


def test_the_page_says_that_there_is_nothing_to_compare_yet(studio: Studio) -> None:
    assert "Train a run on the Configure tab first" in tab.room(studio)


def test_the_page_does_not_ask_for_a_run_while_the_first_one_trains(studio: Studio) -> None:
    """Somebody whose first run was at work was told to train one."""
    studio.start_run(RunConfig(), studio.data.add_sample("order_slips").id)
    studio.summaries.look(fresh=True)
    assert "Your run is not done yet." in tab.room(studio)


def test_the_page_says_that_the_chat_made_room_while_the_run_is_at_work(studio: Studio, run: RunFolder) -> None:
    """The notice stayed long after that run had ended."""
    assert tab.room(studio) == ""
    chat = studio.chat
    assert isinstance(chat, FakeChat)
    chat.made_room = True
    assert tab.room(studio) == ""
    studio.start_run(RunConfig(), run.origin.dataset_id)
    studio.summaries.look(fresh=True)
    assert "unloaded to free memory for the run that is training" in tab.room(studio)


def test_a_pane_without_a_model_starts_the_others_over_and_keeps_what_was_said(
    studio: Studio, run: RunFolder, kept: Kept
) -> None:
    said = talked(studio, kept, *first_pair(studio))
    models = [pane_model(studio, given(studio).keys[0] or ""), None]
    after = aligned(said, models)
    assert [len(talk.turns) for talk in after.talks] == [0, 0]
    assert after.questions == said.questions, "they can be replayed"
    assert kept.get(said.id) == said
