"""The samples that come with the studio: whole, varied, told honestly, and each of the kind that its title says."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.data.inspection import inspect_files
from studio.data.samples import Sample, samples
from studio.data.scoring.tasks import task_of

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "samples"
KEYS = ("home", "street", "bedrooms", "rent", "from")
CLOSING = "With thanks, Fernwhistle Windows."
MOST_WORDS = 10
SENTENCE_END = re.compile(r"(?<=[.?])(?<!p\.m\.) ")


@pytest.fixture(scope="module", params=[sample.key for sample in samples(FOLDER)])
def sample(request: pytest.FixtureRequest) -> Sample:
    return next(each for each in samples(FOLDER) if each.key == request.param)


def examples_of(file: Path, into: Path) -> Sequence[Example]:
    inspect_files([file], into=into)
    return list(ExampleFile(into))


def answers_of(name: str, into: Path) -> list[str]:
    return [example.messages[-1].content for example in examples_of(FOLDER / name, into)]


def test_every_file_of_the_folder_is_a_sample() -> None:
    assert {each.file.name for each in samples(FOLDER)} == {file.name for file in FOLDER.iterdir()}


def test_the_samples_show_which_files_are_read() -> None:
    assert {each.file.suffix for each in samples(FOLDER)} == {".csv", ".tsv", ".xlsx", ".json", ".jsonl"}


def test_a_description_says_what_is_learned_and_what_is_not(sample: Sample) -> None:
    learned, _, not_learned = sample.description.partition(". ")
    assert learned.startswith("It learns ")
    assert not_learned.endswith(".")
    assert len(sample.description) <= 180


def test_a_question_is_asked_once(sample: Sample, tmp_path: Path) -> None:
    """The same question on both sides of the split would be scored as if it had never been seen."""
    asked = Counter(example.messages[0].content.casefold() for example in examples_of(sample.file, tmp_path / "found"))
    assert [text for text, count in asked.items() if count > 1] == []


def test_labels_are_balanced(tmp_path: Path) -> None:
    answers = answers_of("library_desk.tsv", tmp_path / "found")
    assert task_of(answers).kind == "labels"
    assert set(Counter(answers).values()) == {30}
    assert len(set(answers)) == 6


def test_json_has_the_same_keys_and_its_values_stand_in_the_notice(tmp_path: Path) -> None:
    found = examples_of(FOLDER / "letting_notices.jsonl", tmp_path / "found")
    assert task_of([example.messages[-1].content for example in found]).kind == "json"
    for example in found:
        notice, fields = example.messages[0].content.casefold(), json.loads(example.messages[-1].content)
        assert tuple(fields) == KEYS
        for key in ("home", "street"):
            assert fields[key].casefold() in notice
        assert fields["rent"] is None or str(fields["rent"]) in notice.replace(",", "")
        assert fields["from"] is None or fields["from"].casefold() in notice.replace("1st of", "1")
    assert 5 <= sum(json.loads(example.messages[-1].content)["from"] is None for example in found) <= 20


def test_the_house_style_keeps_its_own_rules(tmp_path: Path) -> None:
    for answer in answers_of("house_style.xlsx", tmp_path / "found"):
        assert answer.endswith(f" {CLOSING}")
        assert all(len(sentence.split()) <= MOST_WORDS for sentence in SENTENCE_END.split(answer)), answer
        assert not re.search(r"n't|'ll|!|\d(st|nd|rd|th)\b|^(Hello|Dear|Hi)\b", answer), answer
