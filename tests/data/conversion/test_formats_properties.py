"""What must hold for whatever stands in a file."""

import json
import math
from collections.abc import Mapping

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from studio.data.conversion.conversations import SPEAKERS
from studio.data.conversion.faults import fault
from studio.data.conversion.formats import draft
from studio.data.conversion.guessing import guess_roles
from studio.data.conversion.roles import KINDS, PARTS, Roles, assign, missing, notes_on, parts_of
from studio.data.examples import Example
from studio.data.rows import Row, RowProblem

NAMES = (
    "messages conversations turns mapping system prompt instruction input context question answer answers output "
    "response completion chosen rejected history tools text label title body role choices image column_1 name"
).split()
WORDS = ("", " ", "Hi", "Who is it?", "<image>", "\n\nHuman: a\n\nAssistant: b", "Q: a\nA: b", "[[1, 2]]", "[{'a': 1}]")
texts = st.text(st.characters(), max_size=20) | st.sampled_from(WORDS)
scalars = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.binary(max_size=5)
turns = st.fixed_dictionaries(
    {},
    optional={
        "role": st.sampled_from([*SPEAKERS, "narrator"]) | scalars,
        "from": st.sampled_from([*SPEAKERS]) | scalars,
        "content": scalars | st.lists(st.dictionaries(st.sampled_from(("type", "text", "image", "name")), scalars)),
        "value": scalars,
        "text": scalars,
        "tool_calls": st.lists(st.dictionaries(st.sampled_from(("id", "function", "name", "arguments")), scalars)),
        "weight": scalars,
        "parts": st.lists(scalars, max_size=2),
    },
)
nested = st.recursive(
    scalars | turns | st.lists(turns, max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "parent", "message"]), inner),
    max_leaves=8,
)
cells = nested | nested.filter(lambda cell: isinstance(cell, list | dict)).map(
    lambda cell: json.dumps(cell, default=str)
)
columns = st.sampled_from(NAMES) | st.text(st.characters(), max_size=8)
tables = st.lists(st.dictionaries(columns, cells, max_size=6), min_size=1, max_size=4)
parts = st.dictionaries(columns, st.sampled_from(PARTS), max_size=8)
templates = st.just("") | st.text("{}ab ", max_size=12)


def assert_sound(example: Example | RowProblem) -> None:
    """A draft is either a reason in a sentence, or an example that can be judged."""
    problem = example if isinstance(example, RowProblem) else fault(example)
    if problem is not None:
        assert problem.kind
        assert problem.text.endswith(".")
        problem.text.encode()
        return
    assert isinstance(example, Example)
    for message in example.messages:
        message.content.encode()
        for call in message.tool_calls:
            assert isinstance(json.loads(call.arguments), dict)
    assert not example.tools or isinstance(json.loads(example.tools), list)


@settings(max_examples=60, deadline=None)
@given(tables)
def test_guessing_and_drafting_never_fail(table: list[Mapping[str, object]]) -> None:
    names = tuple(dict.fromkeys(name for row in table for name in row))
    rows = [Row(number, row) for number, row in enumerate(table, start=1)]
    roles = guess_roles(names, rows)
    assert missing(roles, names) == "" if roles.kind else roles == Roles()
    assert assign(parts_of(roles, names)) == roles
    notes_on(roles)
    for row in rows:
        found = draft(row, roles)
        assert found
        for example in found:
            assert_sound(example)


@settings(max_examples=60, deadline=None)
@given(tables, parts, templates)
def test_whatever_is_assigned_can_be_read(
    table: list[Mapping[str, object]], chosen: Mapping[str, str], template: str
) -> None:
    roles = assign(chosen, template=template)
    names = tuple(chosen)
    assert roles.kind in (*KINDS, "")
    sentence = missing(roles, names)
    assert bool(sentence) >= (not roles.kind)
    sentence.encode()
    if roles.kind:
        assert assign(parts_of(roles, names), template=template) == roles
    for number, row in enumerate(table, start=1):
        for example in draft(Row(number, row), roles):
            assert_sound(example)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=1, max_size=3))
def test_a_conversation_is_the_same_in_every_shape(pairs: list[tuple[str, str]]) -> None:
    assume(all(question.strip() and answer.strip() for question, answer in pairs))
    said = [(role, text) for pair in pairs for role, text in zip(("user", "assistant"), pair, strict=True)]
    openai = [{"role": role, "content": text} for role, text in said]
    shared = [{"from": {"user": "human", "assistant": "gpt"}[role], "value": text} for role, text in said]
    shapes: list[object] = [openai, shared, json.dumps(openai), [list(pair) for pair in pairs]]
    roles = Roles("chat", conversation="c")
    found = [draft(Row(1, {"c": shape}), roles) for shape in shapes]
    (example,) = found[0]
    assert isinstance(example, Example)
    assert [(message.role, message.content) for message in example.messages] == said
    assert all(each == found[0] for each in found)


@given(st.floats(), texts)
def test_a_number_that_is_none_is_never_learned(number: float, text: str) -> None:
    assume(text.strip())
    (found,) = draft(Row(1, {"q": text, "a": number}), Roles("question-answer", prompts=("q",), answer="a"))
    assert isinstance(found, RowProblem) == math.isnan(number)
