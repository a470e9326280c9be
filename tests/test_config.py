import dataclasses

import pytest

from studio.config import RunConfig, check, problems, setting_named, settings
from studio.errors import ConfigError


def test_the_defaults_have_no_fault() -> None:
    assert problems(RunConfig()) == ()
    check(RunConfig())


def test_every_setting_has_its_sentence() -> None:
    for setting in settings():
        assert setting.label
        assert setting.help.endswith(".")
    assert [setting.name for setting in settings()] == [field.name for field in dataclasses.fields(RunConfig)]


def test_every_fault_is_told_at_once() -> None:
    config = RunConfig(rank=0, dropout=2.0, learning_rate=float("nan"), schedule="sideways", model=" ")
    assert [problem.field for problem in problems(config)] == ["rank", "dropout", "learning_rate", "schedule", "model"]
    with pytest.raises(ConfigError, match=r"Rank must be between 1 and 512; found 0\..*must be one of cosine, linear"):
        check(config)


@pytest.mark.parametrize(("name", "value"), [("epochs", 1.5), ("epochs", True), ("rank", "16"), ("seed", float("inf"))])
def test_a_value_of_the_wrong_kind_is_a_fault(name: str, value: object) -> None:
    (problem,) = problems(dataclasses.replace(RunConfig(), **{name: value}))
    assert problem.field == name
    assert setting_named(name).label in problem.text


@pytest.mark.parametrize(
    ("name", "value"),
    [("rslora", "yes"), ("chosen_modules", (5,)), ("chosen_modules", "abc"), ("name", "x" * 301), ("name", "a\nb")],
)
def test_what_could_not_be_read_back_is_a_fault(name: str, value: object) -> None:
    """A program started a run with such values, and nobody could open it again."""
    assert name in {problem.field for problem in problems(dataclasses.replace(RunConfig(), **{name: value}))}


def test_chosen_modules_must_be_chosen() -> None:
    (problem,) = problems(RunConfig(targets="chosen"))
    assert problem.field == "chosen_modules"
    assert problems(RunConfig(targets="chosen", chosen_modules=("q_proj",))) == ()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("rank", None, "Rank is empty. Enter a whole number."),
        ("dropout", None, "Dropout is empty. Enter a number."),
        ("epochs", 1.5, "Epochs must be a whole number; found 1.5."),
        ("seed", 2**31, "Seed must be between 0 and 2147483647; found 2147483648."),
        ("learning_rate", 1, "Learning rate must be between 1e-07 and 0.1; found 1."),
    ],
)
def test_a_fault_is_told_in_plain_numbers(name: str, value: object, sentence: str) -> None:
    (problem,) = problems(dataclasses.replace(RunConfig(), **{name: value}))
    assert problem.text == sentence
