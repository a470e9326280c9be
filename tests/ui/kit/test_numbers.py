import pytest

from studio.ui.kit.numbers import parameters, share, tiny


@pytest.mark.parametrize(
    ("number", "text"), [(9216, "9,216"), (4_884_480, "4.9 million"), (7_615_616_512, "7.6 billion")]
)
def test_parameters(number: int, text: str) -> None:
    assert parameters(number) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"), [(1, 2, "50 %"), (35, 1000, "3.5 %"), (1, 9000, "0.011 %"), (1, 0, "0 %")]
)
def test_share(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text


@pytest.mark.parametrize(("number", "text"), [(2.1e-6, "2.1e-6"), (1e-4, "1e-4"), (0.0, "0")])
def test_tiny(number: float, text: str) -> None:
    assert tiny(number) == text
