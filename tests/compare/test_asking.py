from dataclasses import replace

import pytest

from studio.compare.answering import GenerationSettings, Growing
from studio.compare.asking import Chosen, aligned, caption, made_of, plain_caption, requests, with_answers, without_last
from studio.compare.conversations import Answer, Conversation
from studio.compare.pane_models import PaneModel
from studio.data.examples import Message

GENERATION = GenerationSettings("", 0.0, 20, 7)
BASE = PaneModel("base:a", "Starter model, untrained", "a", "", "starter", 0, "fp32", False, None, "base")
OTTER = PaneModel("run:a", "otter", "a", "/runs/a/adapter", "starter", 0, "fp32", False, None, "run")
HERON = replace(OTTER, key="run:b", title="heron", run_id="b", folder="/runs/b/adapter")


def said(*questions: str, models: tuple[PaneModel, ...] = (BASE, OTTER)) -> Conversation:
    panes = [Chosen(model) for model in models]
    conversation = aligned(Conversation(id="kept", revision=3), models)
    for question in questions:
        grown = [Growing(f"{model.title}: {question}", 3, 0.5, "end", "the model's own", "fp32") for model in models]
        conversation = with_answers(conversation, question, panes, grown, GENERATION)
    return conversation


def test_each_pane_goes_on_from_its_own_answers() -> None:
    panes = (Chosen(BASE), Chosen(OTTER, 0.5))
    asked = requests(said("One"), "Two", panes, " Be brief. ")
    assert [request.adapter for request in asked] == ["", "/runs/a/adapter"]
    assert [request.strength for request in asked] == [1.0, 0.5], "a base has no strength"
    assert asked[1].messages == (
        Message("system", "Be brief."),
        Message("user", "One"),
        Message("assistant", "otter: One"),
        Message("user", "Two"),
    )


@pytest.mark.parametrize("models", [(BASE, HERON), (HERON, OTTER), (BASE, OTTER, HERON), (BASE, None)])
def test_another_model_in_a_pane_or_one_more_starts_all_panes_over(models: tuple[PaneModel | None, ...]) -> None:
    """One pane kept its turns and the other had none, so what stood side by side were unlike conversations."""
    after = aligned(said("One", "Two"), models)
    assert (after.id, after.revision) == ("", 0), "the kept one would be overwritten"
    assert [len(talk.turns) for talk in after.talks] == [0] * len(models)
    assert [talk.key for talk in after.talks] == [model.key if model else "" for model in models]
    assert after.questions == ("One", "Two"), "they can be replayed"
    assert aligned(after, models) == after


def test_without_a_pane_the_others_go_on() -> None:
    after = aligned(said("One"), (BASE,))
    assert (after.id, [len(talk.turns) for talk in after.talks]) == ("", [1])
    empty = aligned(Conversation(id="kept"), (BASE, OTTER))
    assert aligned(empty, (BASE,)).id == "kept", "an empty pane was taken away"


def test_a_question_that_could_not_be_answered_is_not_asked_again() -> None:
    panes = (Chosen(BASE), Chosen(OTTER))
    grown = [Growing("base: One", 3, 0.5, "end"), Growing(ended="failed", trouble="The adapter is damaged.")]
    conversation = with_answers(aligned(Conversation(), (BASE, OTTER)), "One", panes, grown, GENERATION)
    asked = requests(conversation, "Two", panes, "")
    assert [len(request.messages) for request in asked] == [3, 1]
    assert conversation.talks[1].turns[0].answer.trouble == "The adapter is damaged."
    assert "could not answer" in caption(OTTER, "otter", conversation.talks[1].turns[0].answer)


def test_a_base_named_after_another_run_is_the_same_base() -> None:
    after = aligned(said("One"), (replace(BASE, key="base:b", run_id="b"), OTTER))
    assert (after.id, len(after.talks[0].turns)) == ("kept", 1)


def test_the_last_question_is_taken_back_from_those_who_were_asked_it() -> None:
    conversation = said("One", "Two")
    late = replace(conversation, talks=(*conversation.talks, said("One", models=(HERON,)).talks[0]))
    assert [len(talk.turns) for talk in without_last(late).talks] == [1, 1, 1]
    assert without_last(Conversation()) == Conversation()


def test_a_conversation_is_named_after_its_first_question() -> None:
    assert said("How do I keep\nbread fresh?", "And now?").name == "How do I keep bread fresh?"


@pytest.mark.parametrize(
    ("model", "strength", "beside_whole", "text"),
    [
        (BASE, 1.0, False, "starter model, adapter off"),
        (BASE, 1.0, True, "starter model, not trained"),
        (OTTER, 1.0, False, "starter model, adapter on (otter)"),
        (OTTER, 0.8, False, "starter model, adapter on (otter), strength 0.8"),
        (replace(OTTER, model="org/llm"), 1.0, False, "org/llm, adapter on (otter)"),
        (
            replace(OTTER, whole=True),
            1.0,
            True,
            "starter model, fully trained (otter), a model of its own in memory beside the base",
        ),
    ],
)
def test_a_model_is_named_by_what_it_is_made_of(
    model: PaneModel, strength: float, beside_whole: bool, text: str
) -> None:
    assert made_of(model, strength, beside_whole=beside_whole) == text


def test_a_caption_says_what_made_an_answer() -> None:
    answer = said("One").talks[1].turns[0].answer
    assert caption(OTTER, "otter", answer) == (
        "starter model, adapter on (otter) · seed 7, temperature 0 · 3 tokens, 6 a second · "
        "chat template: the model's own · fp32"
    )
    stopped = replace(answer, ended="stopped", seconds=0.0)
    assert caption(OTTER, "otter", stopped).endswith(
        "3 tokens · chat template: the model's own · fp32 · stopped by you"
    )
    assert caption(None, "otter", replace(answer, ended="")) == "otter (no longer there) · seed 7, temperature 0"


def test_what_answered_is_said_in_plain_words() -> None:
    """Nobody understood "adapter off · seed 42, temperature 0 · chat template · bf16"."""
    answer = Answer(
        "Yes.", tokens=3, seconds=2.2, ended="stopped", seed=42, template="the model's own", precision="bf16"
    )
    plain = plain_caption(BASE, "starter", answer)
    assert plain == "The base model, without your training · answered in 2 s · stopped by you"
    strong = replace(answer, ended="end", strength=0.5)
    assert plain_caption(OTTER, "otter", strong) == "With what it learned: otter · strength 0.5 · answered in 2 s"
    assert plain_caption(None, "gone", Answer("")) == "With what it learned: gone"
