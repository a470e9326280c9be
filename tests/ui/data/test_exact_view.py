import pytest

from studio.data.examples import TEXT, Example, Message
from studio.data.tokenizing.rendering import Piece
from studio.ui.data.exact_view import OWN, exact, named

PIECES = (
    Piece("<|im_start|>", learned=False, special=True),
    Piece("Hi <b>", learned=False, special=False),
    Piece("So", learned=True, special=False),
    Piece("<|im_end|>", learned=True, special=True),
)
ASKED = Example((Message("user", "Hi <b>"), Message("assistant", "So")))


def read(*texts: str) -> tuple[Piece, ...]:
    return tuple(Piece(text, learned=False, special=text.startswith(("<|", "[", "<s", "</s"))) for text in texts)


def parts(pieces: tuple[Piece, ...], example: Example) -> list[tuple[str, str]]:
    found = named(pieces, example)
    whole = "".join(piece.text for piece in pieces)
    ends = [*(part.start for part in found[1:]), len(whole)]
    return [(part.name, whole[part.start : end]) for part, end in zip(found, ends, strict=True)]


def test_learned_tokens_are_marked_and_everything_is_text() -> None:
    made = exact(PIECES, ASKED, special=True)
    assert "<mark>So</mark><mark><code>&lt;|im_end|&gt;</code></mark>" in made
    assert "Hi &lt;b&gt;" in made


def test_special_tokens_shrink_to_dots_and_stay_learned() -> None:
    made = exact(PIECES, ASKED, special=False)
    assert "<code>" not in made
    assert made.count('class="ls-dot"') == 2
    assert '<mark><i class="ls-dot" title="&lt;|im_end|&gt;">' in made


def test_what_the_template_adds_is_told_from_the_question_and_the_answer() -> None:
    """People wondered who had written "You are a helpful assistant" into their data."""
    opening = ("<|im_start|>", "system\nYou are a helpful assistant", "<|im_end|>", "\n")
    turns = ("<|im_start|>", "user\nHi there", "<|im_end|>", "\n", "<|im_start|>", "assistant\nSo", "<|im_end|>")
    asked = Example((Message("user", "Hi there"), Message("assistant", "So")))
    question = ("Question", "<|im_start|>user\nHi there<|im_end|>\n")
    answer = ("Answer", "<|im_start|>assistant\nSo<|im_end|>")
    assert parts(read(*opening, *turns), asked) == [(OWN, "".join(opening)), question, answer]
    assert parts(read(*turns), asked) == [question, answer]
    told = Example((Message("system", "You are a helpful assistant"), *asked.messages))
    assert parts(read(*opening, *turns), told) == [("System message", "".join(opening)), question, answer]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            ("<s>", "[INST]", " Hi there ", "[/INST]", " So ", "</s>"),
            [("Question", "<s>[INST] Hi there "), ("Answer", "[/INST] So </s>")],
        ),
        (
            ("Below is an instruction.\n\n### Instruction:\nHi there\n\n### Response:\nSo",),
            [
                (OWN, "Below is an instruction.\n\n"),
                ("Question", "### Instruction:\nHi there\n\n"),
                ("Answer", "### Response:\nSo"),
            ],
        ),
        (
            ("<|begin|>", "<|header|>", "system", "<|header|>", "\nThe date is today", "<|end|>", "<|header|>", "user",
             "<|header|>", "\nHi there", "<|end|>", "<|header|>", "assistant", "<|header|>", "\nSo", "<|end|>"),
            [
                (OWN, "<|begin|><|header|>system<|header|>\nThe date is today<|end|>"),
                ("Question", "<|header|>user<|header|>\nHi there<|end|>"),
                ("Answer", "<|header|>assistant<|header|>\nSo<|end|>"),
            ],
        ),
        (("HI THERE", "SO"), [("Text", "HI THERESO")]),
    ],
)  # fmt: skip
def test_templates_of_other_families_are_cut_too(texts: tuple[str, ...], expected: list[tuple[str, str]]) -> None:
    asked = Example((Message("user", "Hi there"), Message("assistant", "So")))
    assert parts(read(*texts), asked) == expected


def test_plain_text_and_tools_have_their_names() -> None:
    assert parts(read("Once upon a time"), Example((Message(TEXT, "Once upon a time"),))) == [
        ("Text", "Once upon a time")
    ]
    asked = Example((Message("user", "Hi there"), Message("assistant", "So")), tools="[]")
    names = [
        name for name, _ in parts(read("<|im_start|>", "You may call these tools", "<|im_end|>", "Hi there"), asked)
    ]
    assert names == ["Available tools", "Question"]
