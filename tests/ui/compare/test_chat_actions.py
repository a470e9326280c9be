import itertools
from dataclasses import fields, replace
from typing import Any

import gradio as gr
import pytest

from studio.compare.answering import GenerationSettings
from studio.compare.asking import NOTHING_CAME
from studio.compare.chat_protocol import BASE
from studio.compare.conversations import CUT, Conversation, open_conversations
from studio.compare.pane_models import first_pair
from studio.config import RunConfig
from studio.data.example_files import read_examples, write_examples
from studio.data.examples import Example, Message
from studio.errors import RunError
from studio.keeping import KeptFiles
from studio.runs.store import RunFolder
from studio.studio import Studio
from studio.ui.api import ask_once
from studio.ui.compare import chat_view
from studio.ui.compare.chat_actions import (
    AGAIN,
    ASK,
    REPLAY,
    Asking,
    choose,
    edit,
    finish,
    halt,
    mark,
    resize,
    take_back,
)
from studio.ui.compare.chat_state import Chat
from studio.ui.compare.chat_view import CUT_OFF
from studio.ui.compare.suggested_prompts import suggest, take
from studio.ui.compare.tab import new_ticket
from studio.ui.kit.drawn import Drawn
from studio.ui.kit.exchange import DRAWN, STATE, Exchange, Result
from tests.ui.fake_studio import FakeChat, finished_run

Page = dict[str, Any]


@pytest.fixture
def run(studio: Studio) -> RunFolder:
    return finished_run(studio, dataset_id=studio.data.add_sample("kettlewick_support").id)


@pytest.fixture
def kept(studio: Studio) -> KeptFiles[Conversation]:
    return open_conversations(studio.settings.home, studio.clock)


@pytest.fixture
def given(studio: Studio, run: RunFolder) -> Chat:
    return Chat(longest=64, seed=42, prompt="Hello there").with_panes(first_pair(studio))


@pytest.fixture
def chat(studio: Studio) -> FakeChat:
    assert isinstance(studio.chat, FakeChat)
    return studio.chat


def page(result: Result[Chat]) -> Page:
    """What a page shows and holds after a step."""
    return {**{each.name: getattr(result.state, each.name) for each in fields(Chat)}, **result.updates}


def ask_all(studio: Studio, given: Chat, how: str = ASK) -> list[Page]:
    ticks = itertools.count()
    kept = open_conversations(studio.settings.home, studio.clock)
    asking = Asking(studio, kept, clock=lambda: float(next(ticks)), make_ticket=lambda: "a-ticket")
    return [page(step) for step in asking.stream(given, how)]


def questions(chat: FakeChat, pane: int) -> list[str]:
    return [message.content.strip() for message in chat.asked[-1][1][pane].messages]


def test_both_panes_stream_from_one_question(studio: Studio, run: RunFolder, given: Chat) -> None:
    frames = ask_all(studio, given)
    assert len(frames) > 4
    last = frames[-1]
    assert "base: Hello there" in last["talk_1"]
    assert "tuned: Hello there" in last["talk_2"]
    assert "adapter off" in last["caption_1"]
    assert f"adapter on ({run.config.name})" in last["caption_2"]
    assert "seed 42, temperature 0 · 3 tokens, 6 a second" in last["caption_2"]
    assert "chat template: the model&#39;s own · fp32" in last["caption_2"]
    assert last["said"].questions == ("Hello there",)


def test_the_panes_ask_for_different_weights_in_one_question(
    studio: Studio, run: RunFolder, given: Chat, chat: FakeChat
) -> None:
    third = given.with_panes((*given.keys, given.keys[1]), (1.0, 0.5, 1.5))
    ask_all(studio, replace(third, system="Be brief."))
    (base, panes), *others = chat.asked
    assert others == [], "all panes are one question"
    assert (base.model, base.precision) == ("starter", "fp32"), "what the run's worker found, not the setting"
    assert [pane.adapter for pane in panes] == [BASE, str(run.result), str(run.result)]
    assert [pane.strength for pane in panes] == [1.0, 0.5, 1.5]
    assert panes[0].messages == (Message("system", "Be brief."), Message("user", "Hello there"))


def test_each_pane_remembers_its_own_answer(studio: Studio, given: Chat, chat: FakeChat) -> None:
    said = ask_all(studio, replace(given, prompt="One"))[-1]["said"]
    ask_all(studio, replace(given, prompt="Two", said=said))
    assert questions(chat, 0) == ["One", "base: One", "Two"]
    assert questions(chat, 1) == ["One", "tuned: One", "Two"]


def test_what_a_model_writes_is_shown_as_it_is(studio: Studio, given: Chat) -> None:
    """The chat pane takes text for HTML: a tag in an answer disappeared."""
    last = ask_all(studio, replace(given, prompt="<i>now</i>"))[-1]
    assert "&lt;i&gt;now&lt;/i&gt;" in last["talk_1"]
    assert "<i>" not in last["talk_1"]
    assert last["said"].questions == ("<i>now</i>",)


def test_the_buttons_change_places_while_it_answers(studio: Studio, given: Chat) -> None:
    frames = ask_all(studio, given)
    assert (frames[0]["send"]["interactive"], frames[0]["stop"]["visible"]) == (False, True)
    assert frames[0]["prompt"] == ""
    assert all("send" not in frame for frame in frames[1:]), "the page drops a press as long as frames come"
    last = page(finish(studio, replace(given, said=frames[-1]["said"])))
    assert (last["send"]["interactive"], last["stop"]["visible"]) == (True, False)
    assert last["again"]["interactive"] is last["edit"]["interactive"] is True


def test_a_page_stops_only_its_own_answer(studio: Studio, given: Chat, chat: FakeChat) -> None:
    """Stop on one page ended the answer that another page was given."""
    halt(studio, given)
    assert chat.halted == []
    ticket = ask_all(studio, given)[0]["ticket"]
    ask_all(studio, replace(given, ticket=ticket))
    halt(studio, replace(given, ticket=ticket))
    assert (chat.tickets, chat.halted) == (["a-ticket", "a-ticket"], ["a-ticket"])
    assert new_ticket() != new_ticket()


def test_a_model_that_is_open_is_not_woken(studio: Studio, given: Chat, chat: FakeChat) -> None:
    """An open model says nothing before its first word, so "Waking the model" stood there until then."""
    assert "Waking the model" in ask_all(studio, given)[0]["talk_1"]
    chat.is_running = True
    assert "Reading your question" in ask_all(studio, given)[0]["talk_1"]


def test_what_was_answered_until_the_stop_is_kept(
    studio: Studio, given: Chat, chat: FakeChat, kept: KeptFiles[Conversation]
) -> None:
    chat.halt_after = 1
    last = ask_all(studio, given)[-1]
    assert "stopped by you" in last["caption_2"]
    assert kept.get(last["said"].id).talks[1].turns[0].answer.text == "tuned: "


def test_a_question_that_was_stopped_before_its_first_word_stays_in_the_field(
    studio: Studio, given: Chat, chat: FakeChat, kept: KeptFiles[Conversation]
) -> None:
    chat.is_silent = True
    frames = ask_all(studio, given)
    assert frames[0]["pending"] == "Hello there"
    assert (frames[-1]["prompt"], frames[-1]["said"].questions, kept.all()) == ("Hello there", (), ())


def test_a_conversation_is_kept_after_every_answer(studio: Studio, given: Chat, kept: KeptFiles[Conversation]) -> None:
    first = ask_all(studio, given)[-1]
    assert kept.all() == (first["said"],)
    assert first["kept"]["value"] == first["said"].id
    second = ask_all(studio, replace(given, prompt="Two", said=first["said"]))[-1]["said"]
    assert [each.id for each in kept.all()] == [second.id] == [first["said"].id]
    assert kept.get(second.id).questions == ("Hello there", "Two")


def test_a_question_without_an_answer_is_taken_back(studio: Studio, given: Chat, kept: KeptFiles[Conversation]) -> None:
    with pytest.raises(RunError, match="too long"):
        ask_all(studio, replace(given, prompt="trouble"))
    assert kept.all() == ()
    back = page(take_back(studio, replace(given, prompt="", pending="trouble")))
    assert (back["prompt"], back["pending"]) == ("trouble", ""), "nobody has to write it again"
    assert "trouble" not in back["talk_1"]
    assert (back["send"]["interactive"], back["stop"]["visible"]) == (True, False)


def test_the_last_message_is_changed_in_every_pane(studio: Studio, given: Chat, chat: FakeChat) -> None:
    said = ask_all(studio, replace(given, prompt="One"))[-1]["said"]
    said = ask_all(studio, replace(given, prompt="Tow", said=said))[-1]["said"]
    changing = page(edit(replace(given, said=said)))
    assert (changing["prompt"], changing["editing"], changing["edit"]["value"]) == ("Tow", True, "Cancel")
    last = ask_all(studio, replace(given, prompt="Two", said=said, editing=True))[-1]
    assert last["said"].questions == ("One", "Two")
    assert questions(chat, 1) == ["One", "tuned: One", "Two"]
    assert last["editing"] is False
    left = page(edit(replace(given, said=said, editing=True)))
    assert (left["prompt"], left["editing"], left["changing"]) == ("", False, "")


def test_answering_again_takes_the_last_answers_place(studio: Studio, given: Chat, chat: FakeChat) -> None:
    said = ask_all(studio, given)[-1]["said"]
    frames = ask_all(studio, replace(given, said=said, prompt="something typed meanwhile"), AGAIN)
    assert frames[-1]["said"].questions == ("Hello there",)
    assert frames[0]["seed"] == 42, "the likeliest words are the same with any seed"
    frames = ask_all(studio, replace(given, said=said, temperature=0.8), AGAIN)
    assert frames[0]["seed"] == 43
    assert chat.seeds[-1] == 43
    with pytest.raises(gr.Error, match="not sent a message"):
        ask_all(studio, given, AGAIN)


def test_all_of_a_conversation_is_asked_of_another_run(studio: Studio, given: Chat, run: RunFolder) -> None:
    said = ask_all(studio, replace(given, prompt="One"))[-1]["said"]
    said = ask_all(studio, replace(given, prompt="Two", said=said))[-1]["said"]
    other = finished_run(studio, dataset_id=run.origin.dataset_id, config=RunConfig(name="heron"))
    others = given.with_panes((given.keys[0], f"run:{other.id}"))
    fresh = ask_all(studio, replace(others, said=said), REPLAY)[-1]["said"]
    assert fresh.id != said.id
    assert (fresh.name, fresh.questions) == ("One, replayed", ("One", "Two"))
    assert fresh.talks[1].title == "heron"
    assert [turn.answer.text for turn in fresh.talks[1].turns] == ["tuned: One ", "tuned: Two "]


def test_a_conversation_can_be_asked_of_others_in_every_pane(studio: Studio, given: Chat) -> None:
    """With the last of the old models the questions were gone too."""
    said = ask_all(studio, replace(given, prompt="One"))[-1]["said"]
    turned = replace(given.with_panes(given.keys[::-1]), said=said)
    chosen = page(choose(studio, turned))
    assert "tuned" not in chosen["talk_1"]
    assert chosen["replay"]["interactive"] is True
    fresh = ask_all(studio, replace(turned, said=chosen["said"]), REPLAY)[-1]["said"]
    assert [talk.turns[0].answer.text for talk in fresh.talks] == ["tuned: One ", "base: One "]
    assert fresh.before == ()


def test_a_replay_that_is_stopped_asks_no_more(studio: Studio, given: Chat, chat: FakeChat) -> None:
    said = ask_all(studio, replace(given, prompt="One"))[-1]["said"]
    said = ask_all(studio, replace(given, prompt="Two", said=said))[-1]["said"]
    chat.halt_after = 1
    assert ask_all(studio, replace(given, said=said), REPLAY)[-1]["said"].questions == ("One",)


def test_another_model_in_a_pane_leaves_the_kept_conversation_as_it_is(
    studio: Studio, given: Chat, run: RunFolder, kept: KeptFiles[Conversation]
) -> None:
    said = ask_all(studio, given)[-1]["said"]
    other = finished_run(studio, dataset_id=run.origin.dataset_id, config=RunConfig(name="heron"))
    given = replace(given.with_panes((given.keys[0], f"run:{other.id}")), said=said)
    chosen = page(choose(studio, given))
    assert "tuned" not in chosen["talk_2"]
    assert "base: Hello" not in chosen["talk_1"], "one pane with answers beside one without was left unmarked"
    assert "Hello there” is kept under Conversation" in chosen["said_of"]
    assert chosen["strength_2"]["visible"] is True
    assert chosen["strength_1"]["visible"] is False, "a base has no adapter"
    ask_all(studio, replace(given, said=chosen["said"], prompt="Two"))
    assert kept.get(said.id) == said
    assert len(kept.all()) == 2


def test_a_model_of_another_base_is_refused_in_a_sentence(studio: Studio, given: Chat, run: RunFolder) -> None:
    other = finished_run(studio, dataset_id=run.origin.dataset_id, config=RunConfig(name="heron", method="qlora"))
    given = given.with_panes((given.keys[0], f"run:{other.id}"))
    assert "another base model" in page(choose(studio, given))["caption_2"]
    with pytest.raises(RunError, match=r"Model 2 \(heron\) comes from another base model"):
        ask_all(studio, given)


def test_panes_are_added_and_taken_away(studio: Studio, given: Chat, run: RunFolder) -> None:
    other = finished_run(studio, dataset_id=run.origin.dataset_id, config=RunConfig(name="heron"))
    said = ask_all(studio, given)[-1]["said"]
    three = page(resize(studio, 1, replace(given, said=said)))
    assert three["panes"] == 3
    assert three["pane_3"]["visible"] is True
    assert three["model_3"]["value"] == f"run:{other.id}", "the first that no other pane has"
    assert (three["said"].id, three["said"].questions) == ("", said.questions)
    assert "base: Hello" not in three["talk_1"], "the new pane was asked nothing, so nothing stands beside it"
    assert "all of them start over" in three["said_of"]
    assert three["replay"]["visible"] is True
    two = page(resize(studio, -1, given.with_panes((*given.keys, f"run:{other.id}"))))
    assert (two["panes"], two["pane_3"]["visible"], two["away"]["visible"]) == (2, False, False)
    four = given.with_panes((*given.keys, None, None))
    assert page(resize(studio, 1, four))["panes"] == 4


def test_nothing_is_sent_without_a_model(studio: Studio, given: Chat) -> None:
    """The button that sends could be pressed in a studio without a run."""
    empty = page(choose(studio, given.with_panes((None, None))))
    assert (empty["send"]["interactive"], empty["add"]["interactive"]) == (False, False)
    assert page(choose(studio, given))["send"]["interactive"] is True


def test_a_pane_that_fails_does_not_end_the_question_for_the_others(
    studio: Studio, given: Chat, chat: FakeChat
) -> None:
    chat.failing = {1: "The adapter is damaged."}
    last = ask_all(studio, given)[-1]
    assert "base: Hello there" in last["talk_1"]
    assert "The adapter is damaged." in last["talk_2"]
    assert "could not answer" in last["caption_2"]
    assert last["said"].talks[1].turns[0].answer.trouble == "The adapter is damaged."


def test_a_pane_that_was_asked_less_says_so(studio: Studio, given: Chat) -> None:
    """Conversations of older versions hold panes that joined later."""
    said = ask_all(studio, replace(given, prompt="One"))[-1]["said"]
    said = ask_all(studio, replace(given, prompt="Two", said=said))[-1]["said"]
    late = replace(said, talks=(said.talks[0], replace(said.talks[1], turns=said.talks[1].turns[1:])))
    shown = page(mark(studio, replace(given, said=late)))
    assert "This model was not asked the first message." in shown["talk_2"]
    assert "was not asked" not in shown["talk_1"]


def test_the_tabs_of_a_narrow_screen_name_the_models(studio: Studio, given: Chat, run: RunFolder) -> None:
    shown = page(choose(studio, given))
    assert shown["tabs"].count('role="tab"') == 2
    assert f">{run.config.name}</button>" in shown["tabs"]


def test_what_differs_is_marked_only_when_wanted(studio: Studio, given: Chat) -> None:
    plain = ask_all(studio, given)[-1]
    assert "<mark>" not in plain["talk_2"]
    shown = page(mark(studio, replace(given, said=plain["said"], marks=True)))
    assert "<mark>tuned:</mark> Hello there" in shown["talk_2"]
    assert "<mark>base:</mark> Hello there" in shown["talk_1"]
    assert "not in the other model" in shown["marked"]
    assert not page(mark(studio, replace(given, said=plain["said"])))["marked"]


def test_marks_that_are_ticked_while_it_answers_wait_for_the_end(studio: Studio, given: Chat) -> None:
    """They drew the conversation without the message that was being answered, and none were there at its end."""
    answering = replace(given, pending="Hello", marks=True)
    assert mark(studio, answering).updates == {}
    shown = page(mark(studio, replace(answering, pending="", said=ask_all(studio, given)[-1]["said"])))
    assert "<mark>" in shown["talk_2"]


def test_suggestions_stay_at_hand_after_the_first_message(studio: Studio, given: Chat) -> None:
    first, *_, last = ask_all(studio, given)
    assert first["ideas"]["elem_classes"] == ["ls-ideas"]
    ended = page(finish(studio, replace(given, said=last["said"])))
    assert ended["ideas"]["elem_classes"] == ["ls-ideas", "ls-ideas-small"]


def test_the_captions_of_a_full_run_know_no_adapter(studio: Studio) -> None:
    config = RunConfig(method="full", name="otter")
    finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=config)
    given = Chat(longest=64, seed=42, prompt="Hello").with_panes(first_pair(studio), (1.0, 0.3))
    last = ask_all(studio, given)[-1]
    assert "starter model, not trained · seed" in last["caption_1"]
    assert "fully trained (otter), a model of its own in memory beside the base" in last["caption_2"]
    assert page(choose(studio, given))["strength_2"]["visible"] is False


def test_nothing_to_ask_and_no_run_are_sentences(studio: Studio, given: Chat, run: RunFolder) -> None:
    with pytest.raises(gr.Error, match="Write a message"):
        ask_all(studio, replace(given, prompt=""))
    with pytest.raises(gr.Error, match="no finished run"):
        ask_all(studio, given.with_panes((None, None)))
    with pytest.raises(gr.Error, match="Model 2 is not chosen"):
        ask_all(studio, given.with_panes((given.keys[0], None)))
    studio.delete_run(run.id)
    with pytest.raises(RunError, match="is gone"):
        ask_all(studio, given)


def test_what_is_typed_while_it_answers_stays_in_the_field(studio: Studio, given: Chat) -> None:
    """Nor is a model or a strength sent that the page holds already: another listener may be changing it."""
    ticks = itertools.count()
    kept = open_conversations(studio.settings.home, studio.clock)
    asking = Asking(studio, kept, clock=lambda: float(next(ticks)), make_ticket=lambda: "a-ticket")
    exchange = Exchange(Chat())
    names = [each.name for each in fields(Chat)]
    held = {name: getattr(given, name) for name in names}
    asked = exchange.take_in({**held, STATE: Chat(), DRAWN: Drawn()}, names)
    first, *others = exchange.answers(asked, asking.stream(asked.now, ASK))
    assert first["prompt"] == ""
    assert not any({"prompt", "model_1", "strength_1", "system", "marks"} & each.keys() for each in others)
    assert ["said" in each for each in others] == [*[False] * (len(others) - 1), True]


def test_what_the_page_holds_is_read(studio: Studio) -> None:
    given = Chat(system="", temperature=0.5, longest=64.0).with_panes([f"run:{place}" for place in range(1, 4)])
    assert (given.keys, given.strengths) == (("run:1", "run:2", "run:3"), (1.0, 1.0, 1.0))
    assert given.generation == GenerationSettings("", 0.5, 64, 0)


def test_held_out_rows_become_questions_to_try(studio: Studio, run: RunFolder, given: Chat) -> None:
    shown = page(suggest(studio, given))
    suggestions = shown["suggested"]
    assert len(suggestions) == 3
    assert shown["ideas_title"]["visible"] is True
    assert all(shown[f"idea_{number}"]["visible"] for number in range(3))
    taken = take(0, replace(given, suggested=suggestions, system="kept"))
    assert (taken.prompt, taken.system) == (suggestions[0][0], "kept")
    trained = run.train_path.read_text(encoding="utf-8")
    assert suggestions[0][0] not in trained
    for keys in ((given.keys[0], None), ("run:gone",)):
        shown = page(suggest(studio, given.with_panes(keys)))
        assert (shown["ideas_title"]["visible"], shown["suggested"]) == (False, ()), "a base has no rows"


def test_questions_that_the_training_has_too_come_last_and_are_counted(studio: Studio, run: RunFolder) -> None:
    """ "Questions it has never seen" stood above one that was trained on."""
    held_out, trained = read_examples(run.validation_path), read_examples(run.train_path)
    write_examples(run.validation_path, [*trained[:3], held_out[0]])
    shown = page(suggest(studio, Chat().with_panes([f"run:{run.id}@5"])))
    assert shown["suggested"][0][0] == held_out[0].messages[-2].content
    assert "Held out of the training; 2 of these 3 questions also stand in it:" in shown["ideas_title"]["value"]


def test_questions_to_try_leave_out_what_all_begin_with(studio: Studio) -> None:
    """The three buttons of a data set with one instruction all read alike."""
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id)
    shown = page(suggest(studio, Chat().with_panes([f"run:{run.id}@5"])))
    assert all(question.startswith("Turn the customer's message") for question, _ in shown["suggested"])
    labels = [shown[f"idea_{number}"]["value"] for number in range(3)]
    assert len({label[:8] for label in labels}) == len(labels)
    assert all(label.startswith("…") and len(label) <= 45 for label in labels)


def test_programs_get_both_answers(studio: Studio, run: RunFolder) -> None:
    answers = ask_once(studio, run.id, "Hi", generation=GenerationSettings("", 0.0, 16, 1))
    assert {name: text.strip() for name, text in answers.items()} == {"base": "base: Hi", "tuned": "tuned: Hi"}


def ask_and_leave(studio: Studio, given: Chat, how: str = ASK, *, frames: int) -> None:
    """Read some frames of an answer, then close the page, as Gradio does it."""
    ticks = itertools.count()
    kept = open_conversations(studio.settings.home, studio.clock)
    asking = Asking(studio, kept, clock=lambda: float(next(ticks)), make_ticket=lambda: "a-ticket")
    stream = asking.stream(given, how)
    for _ in range(frames):
        next(stream)
    stream.close()  # type: ignore[attr-defined]


def test_a_question_outlives_a_page_that_was_closed_while_it_was_answered(
    studio: Studio, given: Chat, kept: KeptFiles[Conversation], chat: FakeChat
) -> None:
    """A reload lost the question and what was answered of it without a word."""
    ask_and_leave(studio, given, frames=4)
    (cut,) = kept.all()
    assert cut.questions == ("Hello there",)
    answers = [talk.turns[-1].answer for talk in cut.talks]
    assert any(answer.text and answer.ended == CUT for answer in answers)
    shown = page(chat_view.opened(studio, kept, given, cut))
    said = shown["talk_1"] + shown["talk_2"]
    assert CUT_OFF in said
    assert "cut off" in shown["caption_1"] + shown["caption_2"]
    ask_all(studio, replace(given, prompt="Go on", said=cut))
    assert len(kept.all()) == 1, "it goes on in the same conversation"


def test_a_question_without_a_word_of_an_answer_is_kept_and_no_model_hears_of_it(
    studio: Studio, given: Chat, kept: KeptFiles[Conversation], chat: FakeChat
) -> None:
    ask_and_leave(studio, given, frames=1)
    (cut,) = kept.all()
    assert [talk.turns[-1].answer.trouble for talk in cut.talks] == [NOTHING_CAME] * 2
    ask_all(studio, replace(given, prompt="Go on", said=cut))
    assert questions(chat, 0) == ["Go on"]


def test_half_an_answer_takes_the_place_of_no_whole_one(
    studio: Studio, given: Chat, kept: KeptFiles[Conversation]
) -> None:
    said = ask_all(studio, given)[-1]["said"]
    ask_and_leave(studio, replace(given, said=said, prompt=""), AGAIN, frames=3)
    assert kept.all() == (said,)
    ask_and_leave(studio, replace(given, said=said, prompt="Hello here", editing=True), frames=3)
    questions_kept = {each.questions for each in kept.all()}
    assert questions_kept == {("Hello there",), ("Hello here",)}


def test_a_conversation_that_was_deleted_while_it_was_answered_stays_deleted(
    studio: Studio, given: Chat, kept: KeptFiles[Conversation]
) -> None:
    said = ask_all(studio, given)[-1]["said"]
    kept.delete(said.id)
    ask_and_leave(studio, replace(given, said=said, prompt="And now?"), frames=3)
    assert kept.all() == ()


@pytest.mark.parametrize(
    ("question", "temperature", "said"),
    [
        ("Which year, 2031 or 2032?", 0.0, ""),
        ("aye and " * 20, 0.0, chat_view.LOOPS_WHEN_GREEDY),
        ("aye and " * 20, 0.7, chat_view.LOOPS),
    ],
)
def test_what_is_doubtful_in_an_answer_stands_below_it(
    studio: Studio, given: Chat, question: str, temperature: float, said: str
) -> None:
    last = ask_all(studio, replace(given, prompt=question, temperature=temperature))[-1]
    assert ("repeats itself" in last["talk_2"]) == bool(said)
    assert said in last["talk_2"]
    assert "made this up" not in last["talk_2"], "the question named the number"


def test_a_number_that_neither_examples_nor_question_hold_is_named(studio: Studio, given: Chat) -> None:
    said = ask_all(studio, replace(given, prompt="When?"))[-1]["said"]
    tuned = replace(said.talks[1].turns[0].answer, text="In 98765, for 4321 €.")
    talks = tuple(replace(each, turns=(replace(each.turns[0], answer=tuned),)) for each in said.talks)
    shown = mark(studio, replace(given, said=replace(said, talks=talks))).updates
    assert "98765, 4321 €. The model may have made this up." in shown["talk_2"]
    assert chat_view.MIXES_UP not in shown["talk_2"]
    assert "made this up" not in shown["talk_1"], "the base learned from none of these examples"


def test_numbers_that_were_learned_are_still_to_be_checked(studio: Studio, run: RunFolder, given: Chat) -> None:
    write_examples(run.train_path, [Example((Message("user", "A tube?"), Message("assistant", "It is 15 €.")))])
    said = ask_all(studio, replace(given, prompt="A wheel?"))[-1]["said"]
    tuned = replace(said.talks[1].turns[0].answer, text="It is 15 €.")
    talks = (said.talks[0], replace(said.talks[1], turns=(replace(said.talks[1].turns[0], answer=tuned),)))
    assert chat_view.MIXES_UP in mark(studio, replace(given, said=replace(said, talks=talks))).updates["talk_2"]
