from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.splitting import split
from studio.errors import DataError


def test_holds_out_a_share() -> None:
    found = split([5] * 20, share=0.1, seed=1)
    assert (len(found.train), len(found.validation)) == (18, 2)
    assert sorted((*found.train, *found.validation)) == list(range(20))
    assert found.train != tuple(sorted(found.train))


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
