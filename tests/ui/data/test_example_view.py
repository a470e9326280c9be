from studio.data.examples import TEXT, Example, Message, ToolCall
from studio.data.tokenizing.rendering import Piece
from studio.ui.data.example_view import adds_opening, bubbles, position, token_view, too_long

PIECES = (
    Piece("<|im_start|>", learned=False, special=True),
    Piece("Hi <b>", learned=False, special=False),
    Piece("So", learned=True, special=False),
    Piece("<|im_end|>", learned=True, special=True),
)


def test_learned_tokens_are_marked_and_everything_is_text() -> None:
    made = token_view(PIECES, "A doubt <i>", special=True)
    assert "<mark>So</mark><mark><code>&lt;|im_end|&gt;</code></mark>" in made
    assert "Hi &lt;b&gt;" in made
    assert "A doubt &lt;i&gt;" in made


def test_special_tokens_shrink_to_dots_and_stay_learned() -> None:
    made = token_view(PIECES, special=False)
    assert "<code>" not in made
    assert made.count('class="ls-dot"') == 2
    assert '<mark><i class="ls-dot" title="&lt;|im_end|&gt;">' in made


def test_what_becomes_of_a_long_example() -> None:
    assert too_long(512, max_length=512, overlong="leave-out") == ""
    assert "will not be learned: it has 513 tokens" in too_long(513, max_length=512, overlong="leave-out")
    assert "will be cut" in too_long(513, max_length=512, overlong="cut")


def test_a_conversation_with_tools_and_plain_text() -> None:
    call = Message("assistant", "", (ToolCall("look<up", '{"x": "<b>"}'),))
    example = Example((Message("user", "Hi"), call, Message("tool", "found", name="look")), tools='[{"name": "<t>"}]')
    made = bubbles(example, "wait")
    assert "look&lt;up({&#34;x&#34;: &#34;&lt;b&gt;&#34;})" in made
    assert "Tools on offer" in made
    assert "&lt;t&gt;" in made
    assert made.count("ls-learns") == 1
    assert 'class="ls-bubble ls-learns"><small>Text</small>' in bubbles(Example((Message(TEXT, "Once upon"),)), "wait")


def test_the_place_names_the_row_and_the_file() -> None:
    assert position(Example((), row=1204), place=3, total=5000) == "of 5,000 · row 1,204 of the file"
    assert position(Example((), row=4, file="a.csv"), place=3, total=5) == "of 5 · row 4 of a.csv"


def test_an_opening_line_of_the_template_s_own_is_named() -> None:
    """People wondered who had written "You are a helpful assistant" into their data."""

    def read(*texts: str) -> tuple[Piece, ...]:
        return tuple(Piece(text, learned=False, special=text.startswith("<|")) for text in texts)

    asked = Example((Message("user", "Hi there"), Message("assistant", "So")))
    opening = ("<|im_start|>", "system\nYou are a helpful assistant", "<|im_end|>")
    assert adds_opening(read(*opening, "<|im_start|>", "user\nHi there", "<|im_end|>"), asked)
    assert not adds_opening(read("<|im_start|>", "user\nHi there", "<|im_end|>"), asked)
    told = Example((Message("system", "You are a helpful assistant"), *asked.messages))
    assert not adds_opening(read(*opening, "<|im_start|>", "user\nHi there"), told)
    assert not adds_opening(read("Once upon a time"), Example((Message(TEXT, "Once upon a time"),)))
    assert "its own opening line" in token_view(PIECES, special=False, opening=True)
