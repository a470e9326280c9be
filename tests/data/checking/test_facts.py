from pathlib import Path

import pytest

from studio.data.checking.facts import FactsInAnswers
from studio.data.checking.findings import Finding
from studio.data.examples import TEXT, Example, Message
from studio.data.library import DatasetLibrary

SAMPLES = Path(__file__).parents[3] / "assets" / "samples"


def found(*pairs: tuple[str, str]) -> tuple[Finding, ...]:
    facts = FactsInAnswers()
    for place, (question, answer) in enumerate(pairs):
        facts.add(place, Example((Message("user", question), Message("assistant", answer))))
    return tuple(facts.findings())


def test_prices_and_names_are_told_with_examples() -> None:
    makers = ["Hartley", "Bruno", "Selma", "Otis", "Irving"]
    (finding,) = found(
        *((f"What about the lamp {word}?", f"It costs £{n}9.50 and is made by {makers[n // 4]}.") for n, word in WORDS)
    )
    assert (finding.kind, finding.level, finding.count, finding.fixes) == ("facts", "warning", 20, ())
    assert finding.places == tuple(range(20))
    assert "20 of 20 answers" in finding.text
    assert "“£09.50”" in finding.text
    assert "a manner, not facts" in finding.text


WORDS = [(n, f"{chr(97 + n)}{chr(97 + n)}a") for n in range(20)]


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("{word}?", "Aye, that is how it is, friend. Keep your lamp lit."),
        ("Order {n}4 lamps for £{n}9.50, says Ms {word} Brown.", "Lamps: {n}4\nPrice: {n}9.50\nBy: {word} Brown"),
        ("How do I clean {word}?", "1. Take it out.\n2. Wash it, 3 times.\n3. Dry it."),
        ("{word}?", "Please ask the desk of Kettlewick, it costs £49 as all of them do."),
        ("{word}?", "Das hat der Mann im Haus mit der Katze auf dem {cap} am Fenster gesehen, sagt die Frau."),
    ],
)
def test_a_manner_and_what_the_question_holds_are_no_facts(question: str, answer: str) -> None:
    pairs = [(word, question, answer) for _, word in WORDS]
    texts = [
        tuple(text.format(n=n, word=word, cap=word.title()) for text in (question, answer))
        for n, (word, question, answer) in enumerate(pairs)
    ]
    assert found(*((one, other) for one, other in texts)) == ()


def test_few_answers_and_plain_text_say_nothing() -> None:
    assert found(*((f"{word}?", f"It costs £{n}9.") for n, word in WORDS[:4])) == ()
    facts = FactsInAnswers()
    for n in range(30):
        facts.add(n, Example((Message(TEXT, f"It costs £{n}9."),)))
    assert tuple(facts.findings()) == ()


def test_of_the_samples_only_the_support_desk_holds_facts(tmp_path: Path) -> None:
    library = DatasetLibrary(tmp_path, samples_folder=SAMPLES)
    told = [
        sample.key
        for sample in library.samples()
        if any(each.kind == "facts" for each in library.add_sample(sample.key).inspection.findings)
    ]
    assert told == ["kettlewick_support"]
