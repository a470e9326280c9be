import json

import pytest

from studio.data.conversion.cells import UnusableError
from studio.data.conversion.tool_calls import are_calls, calls_in, tools_in
from studio.data.examples import ToolCall

FUNCTION = {"name": "weather", "description": "Of a place", "parameters": {"type": "object"}}
OPENAI = [{"type": "function", "function": FUNCTION}]


@pytest.mark.parametrize(
    "cell",
    [
        OPENAI,
        json.dumps(OPENAI),
        [json.dumps(OPENAI[0])],
        OPENAI[0],
        [FUNCTION],
        str([FUNCTION]),
        [{"type": "function", **FUNCTION}],
        [{"name": "weather", "description": "Of a place", "input_schema": {"type": "object"}}],
    ],
)
def test_tools_in_many_shapes_are_written_in_one(cell: object) -> None:
    assert json.loads(tools_in(cell)) == OPENAI


@pytest.mark.parametrize("cell", [None, "", " ", [], {}, "[]", float("nan")])
def test_no_tools(cell: object) -> None:
    assert tools_in(cell) == ""


def test_tools_of_other_kinds_stay_as_they_are() -> None:
    assert json.loads(tools_in([{"type": "web_search", "name": "web"}])) == [{"type": "web_search", "name": "web"}]


@pytest.mark.parametrize("cell", ["weather", 5, ["weather"], [5], [[FUNCTION]], [{"name": b"x"}]])
def test_what_is_no_list_of_tools(cell: object) -> None:
    with pytest.raises(UnusableError, match="list of tools"):
        tools_in(cell)


def test_calls() -> None:
    assert calls_in({"name": "f", "arguments": {"a": "é"}}, "Turn 1") == (ToolCall("f", '{"a": "é"}'),)
    assert calls_in([{"name": "f", "parameters": None}], "Turn 1") == (ToolCall("f", "{}"),)
    spaced = '{ "a" : 1 }'
    assert calls_in({"id": "1", "function": {"name": "f", "arguments": spaced}}, "T") == (ToolCall("f", spaced, "1"),)
    assert calls_in({"name": "f", "arguments": "{'a': 1}"}, "Turn 1") == (ToolCall("f", '{"a": 1}'),)
    assert calls_in([], "Turn 1") == ()


@pytest.mark.parametrize(
    "call",
    [{}, 5, "f", {"name": ""}, {"name": "f", "arguments": "x"}, {"name": "f", "arguments": [1]}, {"function": 5}],
)
def test_what_is_no_call(call: object) -> None:
    with pytest.raises(UnusableError, match="Turn 3 calls a tool"):
        calls_in(call, "Turn 3")


def test_numbers_that_json_cannot_write_are_refused() -> None:
    with pytest.raises(UnusableError, match="The call of a tool in turn 3 cannot be written as JSON"):
        calls_in({"name": "f", "arguments": {"a": float("nan")}}, "Turn 3")


def test_what_looks_like_calls() -> None:
    assert are_calls({"name": "f", "arguments": {}})
    assert are_calls([{"name": "f", "arguments": "{}"}, {"name": "g", "parameters": {}}])
    for other in ([], {}, FUNCTION, [FUNCTION], ["f"], 5, {"name": "f"}):
        assert not are_calls(other)
