import pytest

from studio.data.examples import Example
from studio.data.splitting import split_examples
from studio.errors import DataError


def test_every_example_is_on_one_side(examples: tuple[Example, ...]) -> None:
    split = split_examples(examples, share=0.1, seed=1)
    assert (len(split.train), len(split.validation)) == (18, 2)
    assert {example.row for example in (*split.train, *split.validation)} == set(range(1, 21))


def test_the_seed_decides(examples: tuple[Example, ...]) -> None:
    assert split_examples(examples, share=0.2, seed=7) == split_examples(list(examples), share=0.2, seed=7)
    assert split_examples(examples, share=0.2, seed=7) != split_examples(examples, share=0.2, seed=8)


@pytest.mark.parametrize(
    ("size", "share", "held_out"),
    [(1, 0.5, 0), (3, 0.5, 0), (4, 0.01, 1), (4, 0.5, 2), (4, 1.0, 3), (20, 0.0, 0), (20, 0.01, 1), (20, 0.33, 7)],
)
def test_sizes(size: int, share: float, held_out: int, examples: tuple[Example, ...]) -> None:
    split = split_examples(examples[:size], share=share, seed=42)
    assert (len(split.train), len(split.validation)) == (size - held_out, held_out)


def test_nothing_to_split() -> None:
    with pytest.raises(DataError, match="no examples"):
        split_examples((), share=0.1, seed=1)
