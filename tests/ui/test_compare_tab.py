import itertools
from typing import Any

import gradio as gr
import pytest

from studio.config import RunConfig
from studio.data.examples import Message
from studio.runs.chat_protocol import BASE
from studio.runs.store import RunFolder
from studio.runs.studio import Studio
from studio.ui.compare_tab import ask, halt, new_ticket, take_back
from studio.ui.conversation import Wish
from studio.ui.ideas import suggest, take
from studio.ui.verbs import ask_once
from tests.ui.fake_studio import FakeChat, finished_run


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.datasets.add_sample("kettlewick_support").id)


def ask_both(studio: Studio, run_id: str | None, prompt: str, **values: Any) -> list[tuple[Any, ...]]:
    given = {"said": ((), ()), "ticket": "", "system": "", "temperature": 0.0, "longest": 64, "seed": 42, **values}
    ticks = itertools.count()
    return list(ask(studio, lambda: float(next(ticks)), lambda: "a-ticket", run_id=run_id, prompt=prompt, **given))


def test_both_panes_stream_from_one_question(studio: Studio, run: RunFolder) -> None:
    frames = ask_both(studio, run.id, "Hello there")
    assert len(frames) > 4
    base, tuned, base_caption, tuned_caption, said, *_ = frames[-1]
    assert base[-1]["content"].strip() == "base: Hello there"
    assert tuned[-1]["content"].strip() == "tuned: Hello there"
    assert "adapter off" in base_caption
    assert f"adapter on ({run.config.name})" in tuned_caption
    assert "seed 42, temperature 0 · 3 tokens, 6 a second" in tuned_caption
    assert said[0][0] == Message("user", "Hello there")


def test_the_captions_of_a_full_run_know_no_adapter(studio: Studio) -> None:
    config = RunConfig(method="full")
    run = finished_run(studio, dataset_id=studio.datasets.add_sample("order_slips").id, config=config)
    _, _, base_caption, tuned_caption, *_ = ask_both(studio, run.id, "Hello")[-1]
    assert "starter model, not trained · seed" in base_caption
    assert f"fully trained ({run.config.name})" in tuned_caption


def test_the_two_panes_ask_for_different_weights(studio: Studio, run: RunFolder) -> None:
    ask_both(studio, run.id, "Hello", system="Be brief.")
    chat = studio.chat
    assert isinstance(chat, FakeChat)
    base, panes = chat.asked[0]
    assert (base.model, base.precision) == ("starter", "fp32"), "what the run's worker found, not the setting"
    assert [pane.adapter for pane in panes] == [BASE, str(run.result)]
    assert panes[0].messages == (Message("system", "Be brief."), Message("user", "Hello"))


def test_each_pane_remembers_its_own_answer(studio: Studio, run: RunFolder) -> None:
    said = ask_both(studio, run.id, "One")[-1][4]
    ask_both(studio, run.id, "Two", said=said)
    chat = studio.chat
    assert isinstance(chat, FakeChat)
    panes = chat.asked[-1][1]
    assert [message.content.strip() for message in panes[0].messages] == ["One", "base: One", "Two"]
    assert [message.content.strip() for message in panes[1].messages] == ["One", "tuned: One", "Two"]


def test_what_a_model_writes_is_shown_as_it_is(studio: Studio, run: RunFolder) -> None:
    """The chat pane takes text for HTML: a tag in an answer disappeared."""
    last = ask_both(studio, run.id, "<i>now</i>")[-1]
    assert last[0][0]["content"] == "&lt;i&gt;now&lt;/i&gt;"
    assert last[4][0][0].content == "<i>now</i>"


def test_the_buttons_change_places_while_it_answers(studio: Studio, run: RunFolder) -> None:
    frames = ask_both(studio, run.id, "Hello")
    assert (frames[0][7]["interactive"], frames[0][8]["visible"]) == (False, True)
    assert (frames[-1][7]["interactive"], frames[-1][8]["visible"]) == (True, False)


def test_a_page_stops_only_its_own_answer(studio: Studio, run: RunFolder) -> None:
    """Stop on one page ended the answer that another page was given."""
    chat = studio.chat
    assert isinstance(chat, FakeChat)
    halt(studio, "")
    assert chat.halted == []
    ticket = ask_both(studio, run.id, "Hello")[0][5]
    ask_both(studio, run.id, "Again", ticket=ticket)
    halt(studio, ticket)
    assert (chat.tickets, chat.halted) == (["a-ticket", "a-ticket"], ["a-ticket"])
    assert new_ticket() != new_ticket()


def test_a_model_that_is_open_is_not_woken(studio: Studio, run: RunFolder) -> None:
    """An open model says nothing before its first word, so "Waking the model" stood there until then."""
    chat = studio.chat
    assert isinstance(chat, FakeChat)
    assert "Waking the model" in ask_both(studio, run.id, "Hello")[0][0][-1]["content"]
    chat.is_running = True
    assert "Reading your question" in ask_both(studio, run.id, "Hello")[0][0][-1]["content"]


def test_a_question_without_an_answer_is_taken_back() -> None:
    asked = (Message("user", "Hello"), Message("assistant", ""))
    base, tuned, send, stop = take_back((asked, asked))
    assert base == tuned == []
    assert (send["interactive"], stop["visible"]) == (True, False)


def test_nothing_to_ask_and_no_run_are_sentences(studio: Studio, run: RunFolder) -> None:
    with pytest.raises(gr.Error, match="Write a message"):
        ask_both(studio, run.id, "  ")
    with pytest.raises(gr.Error, match="no tuned run"):
        ask_both(studio, None, "Hello")


def test_held_out_rows_become_questions_to_try(studio: Studio, run: RunFolder) -> None:
    suggestions, title, *buttons = suggest(studio, run.id)
    assert len(suggestions) == 3
    assert title["visible"] is True
    assert all(button["visible"] for button in buttons)
    assert take(0, suggestions, "kept") == (suggestions[0][0], "kept")
    trained = run.train_path.read_text(encoding="utf-8")
    assert suggestions[0][0] not in trained
    assert suggest(studio, None)[1]["visible"] is False


def test_questions_to_try_leave_out_what_all_begin_with(studio: Studio) -> None:
    """The three buttons of a data set with one instruction all read alike."""
    run = finished_run(studio, dataset_id=studio.datasets.add_sample("order_slips").id)
    suggestions, _, *buttons = suggest(studio, run.id)
    assert all(question.startswith("Turn the customer's message") for question, _ in suggestions)
    labels = [button["value"] for button in buttons]
    assert len({label[:8] for label in labels}) == len(labels)
    assert all(label.startswith("…") and len(label) <= 45 for label in labels)


def test_programs_get_both_answers(studio: Studio, run: RunFolder) -> None:
    answers = ask_once(studio, run.id, "Hi", wish=Wish("", 0.0, 16, 1))
    assert {name: text.strip() for name, text in answers.items()} == {"base": "base: Hi", "tuned": "tuned: Hi"}
