import pytest

from studio.data.checking.checks import Checker
from studio.data.checking.findings import Finding
from studio.data.examples import Example, Message


def found(kind: str, *answers: str) -> Finding | None:
    checker = Checker()
    for place, answer in enumerate(answers):
        checker.add(Example((Message("user", f"question {place}"), Message("assistant", answer))))
    return next((each for each in checker.findings() if each.kind == kind), None)


@pytest.mark.parametrize(
    "answer",
    ["I am {{name}}.", "I am {{ Author_Name }}.", "Dear ${customer},", "Yours, [Your Name]", "Hi <first name>!"],
)
def test_a_placeholder_that_was_not_filled_in_is_noticed(answer: str) -> None:
    """A model learned to introduce itself as "{{name}}" from a public demo file, and nothing doubtful was found."""
    finding = found("placeholders", "I am Ann.", answer)
    assert finding is not None
    assert (finding.level, finding.count, finding.places) == ("warning", 1, (1,))


@pytest.mark.parametrize(
    "answer",
    [
        "Use {{ name }} so:\n```\n{{ name }}\n```",
        "{% for x in y %}{{ x }}{% endfor %}",
        "x = {1: {2: 3}}",
        "[1] and [a b]",
    ],
)
def test_templates_and_code_are_no_placeholders(answer: str) -> None:
    assert found("placeholders", answer) is None


@pytest.mark.case("06-think-in-history")
def test_half_a_mark_of_reasoning_is_noticed() -> None:
    whole = "<think>\nhm\n</think>\n\n5"
    finding = found(
        "half-thoughts", whole, "hm\n</think>\n\n5", "<think>hm", "<think>a</think><thinking>b</think>", "3 < 5"
    )
    assert finding is not None
    assert (finding.count, finding.places) == (3, (1, 2, 3))
    assert found("half-thoughts", whole, "5") is None
