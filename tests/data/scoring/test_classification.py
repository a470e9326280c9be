import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix, f1_score, recall_score

from studio.data.scoring.classification import balanced_accuracy, confusion, macro_f1

LABELS = 4


def drawn(seed: int, rows: int, *, labels: int = LABELS) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Expected labels of which the first is frequent, and answers that are right about half of the time."""
    rng = np.random.default_rng(seed)
    expected = np.minimum(rng.geometric(0.5, rows) - 1, labels - 1)
    return expected, np.where(rng.random(rows) < 0.5, expected, rng.integers(0, labels + 1, rows))


@pytest.mark.parametrize(("seed", "rows"), [(1, 200), (2, 50), (3, 7), (4, 3), (5, 1)])
def test_agrees_with_scikit_learn(seed: int, rows: int) -> None:
    """Seven rows and fewer leave labels out, of what was expected, of what was answered or of both."""
    expected, answered = drawn(seed, rows)
    wanted, seen = np.unique(expected), np.union1d(expected, answered[answered < LABELS])
    table = confusion(expected, answered, LABELS)
    assert table.tolist() == confusion_matrix(expected, answered, labels=range(LABELS + 1))[:LABELS].tolist()
    recall = recall_score(expected, answered, labels=wanted, average="macro", zero_division=0)
    assert balanced_accuracy(expected, answered, LABELS) == pytest.approx(recall)
    f1 = f1_score(expected, answered, labels=seen, average="macro", zero_division=0)
    assert macro_f1(expected, answered, LABELS) == pytest.approx(f1)


def test_by_hand() -> None:
    expected, answered = [0, 0, 0, 1], [0, 0, 3, 2]
    assert confusion(expected, answered, 3).tolist() == [[2, 0, 0, 1], [0, 0, 1, 0], [0, 0, 0, 0]]
    assert balanced_accuracy(expected, answered, 3) == pytest.approx((2 / 3 + 0) / 2)
    assert macro_f1(expected, answered, 3) == pytest.approx((4 / 5 + 0 + 0) / 3)


def test_many_draws_at_once_are_the_same_as_one_by_one() -> None:
    expected, answered = drawn(6, 30)
    picks = np.random.default_rng(7).integers(0, 30, (5, 30))
    for score in (confusion, balanced_accuracy, macro_f1):
        together = score(expected[picks], answered[picks], LABELS)
        for draw, pick in enumerate(picks):
            assert together[draw].tolist() == score(expected[pick], answered[pick], LABELS).tolist()


def test_one_expected_row_of_places_serves_many_draws_of_answers() -> None:
    expected, answered = drawn(8, 20)
    both = np.stack([answered, expected])
    assert macro_f1(expected, both, LABELS).tolist() == [macro_f1(expected, answered, LABELS).item(), 1.0]


@pytest.mark.parametrize(("expected", "answered"), [([], []), ([2], [0]), ([-1], [0]), ([0], [3]), ([0], [-1])])
def test_refuses_what_is_no_place(expected: list[int], answered: list[int]) -> None:
    with pytest.raises(ValueError, match=r"There is no row to score|not among 2 labels"):
        confusion(np.array(expected, dtype=int), np.array(answered, dtype=int), 2)
