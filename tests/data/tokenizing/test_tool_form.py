"""How a template writes calls is found by having it write one; answers of that form are read back."""

import json

import pytest

from studio.data.examples import Message, ToolCall
from studio.data.tokenizing.chat_templates import PLAIN_TEMPLATE, ChatTemplate
from studio.data.tokenizing.tool_form import ToolForm, tool_form_of, tool_names

_TOOLS = "{% if tools %}{% for tool in tools %}{{ tool | tojson }}\n{% endfor %}{% endif %}"
_START = "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"

MARKED = (
    _TOOLS
    + "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% for call in m.tool_calls or [] %}"
    + '{% if m.content %}\n{% endif %}<tool_call>\n{"name": "{{ call.function.name }}", "arguments": '
    + "{{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|end|>\n{% endfor %}"
    + _START
)
LISTED = (
    _TOOLS
    + "{% for m in messages %}<|{{ m.role }}|>\n{% if m.tool_calls %}[TOOL_CALLS] [{% for call in m.tool_calls %}"
    + '{{ {"name": call.function.name, "arguments": call.function.arguments, "id": call.id} | tojson }}'
    + "{% endfor %}]{% else %}{{ m.content }}{% endif %}<|end|>\n{% endfor %}"
    + _START
)
BARE = (
    _TOOLS
    + "{% for m in messages %}<|{{ m.role }}|>\n{% for call in m.tool_calls or [] %}"
    + '{"name": "{{ call.function.name }}", "parameters": {{ call.function.arguments | tojson }}}{% else %}'
    + "{{ m.content }}{% endfor %}<|end|>\n{% endfor %}"
    + _START
)
CODED = (
    _TOOLS
    + "{% for m in messages %}<|{{ m.role }}|>\n{% for call in m.tool_calls or [] %}"
    + "<function={{ call.function.name }}>{% for key, value in call.function.arguments.items() %}"
    + "<{{ key }}>{{ value }}</{{ key }}>{% endfor %}{% endfor %}{{ m.content }}<|end|>\n{% endfor %}"
    + _START
)


def form(source: str) -> ToolForm | None:
    return tool_form_of(ChatTemplate(source, special_tokens={"eos_token": "<|end|>"}))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (MARKED, ToolForm("<tool_call>", "name", "arguments")),
        (LISTED, ToolForm("[TOOL_CALLS]", "name", "arguments")),
        (BARE, ToolForm("", "name", "parameters")),
        (CODED, None),
        (PLAIN_TEMPLATE, None),
        ("{{ raise_exception('no') }}", None),
    ],
    ids=["marked", "listed", "bare", "coded", "plain", "refusing"],
)
def test_the_form_is_the_templates_own(source: str, expected: ToolForm | None) -> None:
    assert form(source) == expected


@pytest.mark.parametrize("source", [MARKED, LISTED, BARE], ids=["marked", "listed", "bare"])
def test_what_a_template_writes_is_read_back(source: str) -> None:
    template = ChatTemplate(source, special_tokens={})
    tools = json.dumps([{"type": "function", "function": {"name": "weather", "parameters": {}}}])
    question = (Message("user", "Storm?"),)
    call = Message("assistant", "", tool_calls=(ToolCall("weather", '{"place": "é"}', "id1"),))
    asked = template.fill(question, prompt=True, tools=tools)
    answer = template.fill((*question, call), prompt=False, tools=tools).removeprefix(asked).split("<|end|>")[0]
    found = form(source)
    assert found is not None
    text, calls = found.read(answer, tool_names(tools))
    assert text == ""
    assert [(each.name, json.loads(each.arguments)) for each in calls] == [("weather", {"place": "é"})]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('Wait.\n<tool_call>\n{"name": "a", "arguments": {}}\n</tool_call>', ("Wait.", ["a"])),
        (
            '<tool_call>{"name": "a", "arguments": {"x": 1}}</tool_call><tool_call>{"name": "b"}</tool_call>',
            ("", ["a", "b"]),
        ),
        ('<tool_call>{"name": "c", "arguments": {}}', ('<tool_call>{"name": "c", "arguments": {}}', [])),
        ("<tool_call>{broken", ("<tool_call>{broken", [])),
        ("<tool_call>[" * 3000, ("<tool_call>[" * 3000, [])),
        ("No call.", ("No call.", [])),
    ],
)
def test_what_is_no_call_of_a_tool_on_offer_stays_text(text: str, expected: tuple[str, list[str]]) -> None:
    said, calls = ToolForm("<tool_call>", "name", "arguments").read(text, ("a", "b"))
    assert (said, [call.name for call in calls]) == expected
