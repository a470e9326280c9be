from studio.data.examples import TEXT, Example, Message, ToolCall
from studio.ui.data.example_view import conversation, position, too_long


def test_a_telephone_number_in_a_question_is_underlined() -> None:
    """The check found it, and nothing showed where it stood."""
    example = Example((Message("user", "Call 01225 555 143 <b>"), Message("assistant", "I will.")))
    made = conversation(example)
    found = '<u class="ls-personal" title="Looks like a telephone number">01225 555 143</u>'
    assert f"Call {found} &lt;b&gt;" in made
    assert "personal data or a key" in made
    assert "personal data" not in conversation(
        Example((Message("user", "Where is it?"), Message("assistant", "Here.")))
    )


def test_what_is_doubtful_stands_with_the_conversation() -> None:
    example = Example((Message("user", "Hi"), Message("assistant", "So")))
    made = conversation(example, warning="Too long <i>", doubt="A doubt <i>")
    assert "Too long &lt;i&gt;" in made
    assert "A doubt &lt;i&gt;" in made


def test_what_becomes_of_a_long_example() -> None:
    assert too_long(512, max_length=512, overlong="leave-out") == ""
    assert "will be skipped: it has 513 tokens" in too_long(513, max_length=512, overlong="leave-out")
    assert "will be shortened" in too_long(513, max_length=512, overlong="cut")


def test_a_conversation_with_tools_and_plain_text() -> None:
    call = Message("assistant", "", (ToolCall("look<up", '{"x": "<b>"}'),))
    example = Example((Message("user", "Hi"), call, Message("tool", "found", name="look")), tools='[{"name": "<t>"}]')
    made = conversation(example)
    assert "look&lt;up({&#34;x&#34;: &#34;&lt;b&gt;&#34;})" in made
    assert "Available tools" in made
    assert "&lt;t&gt;" in made
    assert made.count("ls-learns") == 1
    assert 'class="ls-bubble ls-learns"><small>Text</small>' in conversation(Example((Message(TEXT, "Once upon"),)))


def test_the_place_names_the_row_and_the_file() -> None:
    assert position(Example((), row=1204), place=3, total=5000) == "of 5,000 · row 1,204 of the file"
    assert position(Example((), row=4, file="a.csv"), place=3, total=5) == "of 5 · row 4 of a.csv"
