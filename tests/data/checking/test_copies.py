from studio.data.checking.copies import Hashes, answer_hash, conflicts, copies, prompt_hash, shared
from studio.data.examples import TEXT, Example, Message


def ask(question: str, answer: str, *, system: str = "", tools: str = "", row: int = 0) -> Example:
    first = (Message("system", system),) if system else ()
    return Example((*first, Message("user", question), Message("assistant", answer)), row=row, tools=tools)


def hashed(*examples: Example) -> Hashes:
    hashes = Hashes()
    for example in examples:
        hashes.add(example)
    return hashes


def test_finds_copies() -> None:
    a, b = ask("a", "1"), ask("b", "2")
    assert copies(hashed(a, b, ask("a", "1", row=9), b, a).examples).tolist() == [2, 3, 4]
    assert copies(hashed().examples).tolist() == []


def test_finds_questions_with_several_answers() -> None:
    places, questions = conflicts(hashed(ask("a", "1"), ask("b", "2"), ask("a", "3"), ask("b", "2"), ask("a", "1")))
    assert (places.tolist(), questions) == ([0, 2, 4], 1)
    assert conflicts(hashed())[1] == 0


def test_another_system_message_or_other_tools_are_another_question() -> None:
    hashes = hashed(ask("a", "1"), ask("a", "2", system="Be brief."), ask("a", "3", tools="[]"))
    assert conflicts(hashes)[1] == 0


def test_space_around_does_not_count() -> None:
    assert prompt_hash(ask("a ", "1")) == prompt_hash(ask("a", "2"))
    assert answer_hash(ask("a ", "1\n")) == answer_hash(ask("a", "1"))


def test_plain_texts_ask_nothing() -> None:
    assert conflicts(hashed(Example((Message(TEXT, "a"),)), Example((Message(TEXT, "b"),))))[1] == 0


def test_finds_what_two_sets_share() -> None:
    train = [ask("a", "1"), ask("b", "2")]
    whole, asked = shared(train, [ask("c", "3"), ask("a", "1"), ask("b", "9")])
    assert (whole.tolist(), asked.tolist()) == ([1], [2])
    assert [found.tolist() for found in shared([], train)] == [[], []]
    assert [found.tolist() for found in shared(train, [])] == [[], []]
