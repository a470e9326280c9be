from studio.data.checking.example_texts import change_texts, texts
from studio.data.examples import Example, Message, ToolCall


def calling(arguments: str) -> Example:
    return Example((Message("user", "Ask"), Message("assistant", "", (ToolCall("look", arguments),))), tools="[TOOLS]")


def test_gives_the_strings_of_tool_calls() -> None:
    example = calling('{"to": ["a@b.de", {"n": 12, "yes": true, "x": null, "f": 1.5}]}')
    assert list(texts(example)) == ["Ask", "", "a@b.de", "12"]
    assert list(texts(calling("no {json"))) == ["Ask", "", "no {json"]


def test_changes_every_text() -> None:
    assert change_texts(calling('{"to": "ask"}'), str.upper) == Example(
        (Message("user", "ASK"), Message("assistant", "", (ToolCall("look", '{"to": "ASK"}'),))), tools="[TOOLS]"
    )
    assert change_texts(calling("no json"), str.upper).messages[1].tool_calls[0].arguments == "NO JSON"


def test_a_number_whose_digits_change_becomes_text() -> None:
    changed = change_texts(calling('{"card": 4111, "other": 5}'), lambda text: text.replace("4111", "[card]"))
    assert changed.messages[1].tool_calls[0].arguments == '{"card": "[card]", "other": 5}'


def test_what_is_the_same_is_the_same_object() -> None:
    example = calling('{"to" : "ask"}')
    assert change_texts(example, str) is example


def test_arguments_nested_too_deep_are_text() -> None:
    deep = "[" * 100_000
    assert list(texts(calling(deep)))[-1] == deep
    assert change_texts(calling(deep), lambda text: text[:1]).messages[1].tool_calls[0].arguments == "["
