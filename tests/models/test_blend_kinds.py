import math

import pytest

from studio.errors import ConfigError
from studio.models.blend_kinds import DEFAULT_KIND, KINDS, check_weights, weights_for_peft

KIND = KINDS.values()


def test_each_way_is_known_by_the_name_that_peft_has_for_it() -> None:
    assert all(kind.name == name for name, kind in KINDS.items())
    assert DEFAULT_KIND in KINDS
    assert len({kind.label for kind in KIND}) == len(KINDS)


def test_what_adds_up_whole_changes_takes_the_weights_as_they_are() -> None:
    for name in ("svd", "cat", "dare_linear_svd"):
        assert weights_for_peft(KINDS[name], [0.5, -0.25]) == [0.5, -0.25]


def test_alike_adapters_come_out_as_the_sum_of_the_weights() -> None:
    """peft takes the root of a weight for either half, so two alike at 0.5 each came out twice as loud."""
    weights = [0.7, 0.2, 0.6]
    for kind in KIND:
        given = weights_for_peft(kind, weights)
        divisor = len(weights) if kind.takes_mean else 1
        if kind.on_halves:
            louder = (sum(math.sqrt(weight) for weight in given) / divisor) ** 2
        else:
            louder = sum(given) / divisor
        assert louder == pytest.approx(1.5), kind.name


@pytest.mark.parametrize(
    ("name", "weights", "says"),
    [
        ("svd", [1.0, 5.0], "beyond 4"),
        ("svd", [1.0, float("nan")], "beyond 4"),
        ("cat", [0.0, 0.0], "All the weights are 0"),
        ("linear", [1.0, -0.5], "Linear needs weights above 0"),
        ("ties_svd", [1.0, 0.0], "TIES needs weights above 0"),
    ],
)
def test_weights_that_cannot_be_are_refused(name: str, weights: list[float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        check_weights(KINDS[name], weights)


def test_a_weight_below_zero_subtracts_where_changes_are_added_up() -> None:
    check_weights(KINDS["svd"], [1.0, -1.0])
    check_weights(KINDS["dare_linear_svd"], [1.0, -1.0])
