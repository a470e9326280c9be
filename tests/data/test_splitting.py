from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.example_files import ExampleFile, write_examples
from studio.data.examples import Example, Message
from studio.data.splitting import Split, split, split_examples
from studio.errors import DataError


def test_holds_out_a_share() -> None:
    found = split([5] * 20, share=0.1, seed=1)
    assert (len(found.train), len(found.validation)) == (18, 2)
    assert sorted((*found.train, *found.validation)) == list(range(20))
    assert list(found.train) != sorted(found.train)


@pytest.mark.parametrize("stratify", [False, True])
def test_the_seed_decides(stratify: bool) -> None:
    lengths = list(range(40))
    first = split(lengths, share=0.2, seed=7, stratify=stratify)
    assert first == split(lengths, share=0.2, seed=7, stratify=stratify)
    assert first != split(lengths, share=0.2, seed=8, stratify=stratify)


@pytest.mark.parametrize(
    ("size", "share", "held_out"),
    [(1, 0.5, 0), (3, 0.5, 0), (4, 0.01, 1), (10, 0.0, 0), (10, 0.5, 5), (10, 1.0, 9)],
)
def test_small_sets(size: int, share: float, held_out: int) -> None:
    for stratify in (False, True):
        found = split(list(range(size)), share=share, seed=42, stratify=stratify)
        assert (len(found.train), len(found.validation)) == (size - held_out, held_out)


def as_tuples(found: Split) -> tuple[tuple[int, ...], tuple[int, ...]]:
    return tuple(found.train), tuple(found.validation)


def test_where_no_question_repeats_the_split_is_that_of_older_studios() -> None:
    """The numbers are those of the studio before questions were looked at: runs of then and now can be compared."""
    numbers = list(range(100, 112))
    drawn = split([5] * 12, share=0.25, seed=1, questions=numbers)
    assert as_tuples(drawn) == ((8, 5, 6, 3, 10, 4, 1, 9, 2), (7, 11, 0))
    stratified = split(list(range(12)), share=0.25, seed=1, stratify=True, questions=numbers)
    assert as_tuples(stratified) == ((7, 0, 8, 5, 6, 10, 1, 9, 2), (3, 4, 11))


@given(
    st.lists(st.integers(0, 30), min_size=4, max_size=120),
    st.floats(0.01, 0.6),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)
def test_a_question_stands_on_one_side(questions: list[int], share: float, seed: int, stratify: bool) -> None:
    """ "Questions it has never seen" were among those that were learned."""
    lengths = [len(questions) - place for place in range(len(questions))]
    found = split(lengths, share=share, seed=seed, stratify=stratify, questions=questions)
    assert sorted((*found.train, *found.validation)) == list(range(len(questions)))
    assert found.train
    assert found.validation
    sides = [{questions[place] for place in side} for side in (found.train, found.validation)]
    assert found.is_shared == bool(sides[0] & sides[1])
    if found.is_shared:
        fewest = min(questions.count(each) for each in questions)
        assert fewest > 2 * len(found.validation) or fewest == len(questions), "no question could be held out whole"


def test_many_that_ask_the_same_do_not_push_all_others_out_of_training() -> None:
    questions = [0] * 900 + list(range(1, 101))
    for stratify in (False, True):
        found = split(list(range(1000)), share=0.1, seed=3, stratify=stratify, questions=questions)
        assert (found.repeated, found.is_shared) == (1, False)
        assert 1 <= len(found.validation) <= 30


def test_one_question_for_all_is_drawn_from_and_told() -> None:
    found = split([1] * 40, share=0.1, seed=3, questions=[7] * 40)
    assert (len(found.train), len(found.validation), found.repeated, found.is_shared) == (36, 4, 1, True)
    assert split([1] * 40, share=0.0, seed=3, questions=[7] * 40).is_shared is False


def test_no_examples() -> None:
    with pytest.raises(DataError, match="There are no examples"):
        split([], share=0.1, seed=1)


def test_every_stretch_of_lengths_is_held_out_from() -> None:
    lengths = [length * 10 for length in range(100)]
    for seed in range(20):
        drawn = sorted(lengths[place] for place in split(lengths, share=0.1, seed=seed, stratify=True).validation)
        assert all(100 * stretch <= each < 100 * (stretch + 1) for stretch, each in enumerate(drawn))


@given(
    st.lists(st.integers(0, 10_000), min_size=1, max_size=200),
    st.floats(0, 1),
    st.integers(0, 2**31 - 1),
    st.booleans(),
)
def test_every_example_is_in_one_part(lengths: list[int], share: float, seed: int, stratify: bool) -> None:
    found = split(lengths, share=share, seed=seed, stratify=stratify)
    assert sorted((*found.train, *found.validation)) == list(range(len(lengths)))
    assert found.train
    assert all(a != b for a, b in pairwise(sorted(found.validation)))


def test_stored_examples_are_split_by_what_they_ask(tmp_path: Path) -> None:
    path = tmp_path / "examples.jsonl"
    asked = [Message("user", f"Why {place % 10}?") for place in range(20)]
    write_examples(path, [Example((each, Message("assistant", f"{n}")), row=n) for n, each in enumerate(asked)])
    found = split_examples(ExampleFile(path), share=0.2, seed=5, stratify=False)
    assert (len(found.validation), found.repeated) == (4, 10)
    assert not {place % 10 for place in found.train} & {place % 10 for place in found.validation}
