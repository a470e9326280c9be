import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.data.example_files import ExampleFile, ExampleWriter, index_path, read_examples, write_examples
from studio.data.example_lines import as_messages, decode, encode
from studio.data.examples import TEXT, Example, Message, ToolCall, fingerprint
from studio.errors import DataError

CALLING = Example(
    (
        Message("user", "Weather?"),
        Message("assistant", "", (ToolCall("weather", '{"city": "Oslo"}', "c1"),)),
        Message("tool", "rain", name="weather", tool_call_id="c1"),
        Message("assistant", "It rains in Oslo."),
    ),
    row=3,
    file="b.json",
    tools='[{"type": "function"}]',
)
PLAIN = Example((Message(TEXT, "Once\nupon"),), row=1, continues=True)
ASKED = Example((Message("user", "Äpfel und 'Birnen'\n?"), Message("assistant", "ÄPFEL. İ")), row=2)
ALL = (PLAIN, ASKED, CALLING)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
messages = st.builds(Message, role=texts, content=texts, name=texts, tool_call_id=texts)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "examples.jsonl"
    write_examples(file, ALL)
    return file


def test_examples_survive_the_file(path: Path) -> None:
    assert path.read_bytes().count(b"\n") == 3
    assert read_examples(path) == ALL
    file = ExampleFile(path)
    assert (len(file), file[0], file[-1], file[1:]) == (3, PLAIN, CALLING, (ASKED, CALLING))
    assert file == ALL
    assert tuple(file.each([2, 0])) == (CALLING, PLAIN)
    assert file.lengths.sum() == path.stat().st_size
    with pytest.raises(IndexError):
        file[3]


def test_the_index_is_made_again_when_it_does_not_fit(path: Path) -> None:
    index_path(path).unlink()
    assert ExampleFile(path) == ALL
    index_path(path).write_bytes(b"no index")
    assert ExampleFile(path) == ALL
    write_examples(path.with_name("other.jsonl"), ALL[:2])
    index_path(path.with_name("other.jsonl")).replace(index_path(path))
    assert ExampleFile(path) == ALL


def test_an_older_line_without_the_newer_fields() -> None:
    line = '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}],"row":7}'
    assert decode(line) == Example((Message("user", "a"), Message("assistant", "b")), row=7)


@pytest.mark.parametrize(
    "line", ["", "[]", "{", "{}", '{"messages": 1}', '{"messages":[{"role":1,"content":""}]}', "[" * 100_000]
)
def test_a_damaged_line_is_a_sentence(path: Path, line: str) -> None:
    path.write_text(line + "\n")
    with pytest.raises(DataError, match="cannot be read"):
        read_examples(path)
    with pytest.raises(DataError, match="cannot be read"):
        ExampleFile(path)[0]
    with pytest.raises(DataError, match="cannot be read"):
        ExampleFile(path.with_name("none.jsonl"))


def test_the_hash_is_that_of_the_file(tmp_path: Path) -> None:
    import hashlib

    with ExampleWriter(tmp_path / "x.jsonl") as writer:
        for example in ALL:
            writer.add(example)
    assert writer.sha256 == hashlib.sha256((tmp_path / "x.jsonl").read_bytes()).hexdigest()


def test_finding_text(path: Path) -> None:
    file = ExampleFile(path)
    assert file.find("UPON") == 0
    assert file.find("'birnen'\n") == 1
    assert file.find("äpfel") == 1
    assert file.find("oslo", 0) == 2
    assert file.find("o", 1) == 2
    assert file.find("upon", 1) is None
    assert file.find("o", 2, backwards=True) == 2
    assert file.find("upon", 2, backwards=True) == 0
    assert file.find("messages") is None, "the names of fields are not text"


def test_what_other_programs_read() -> None:
    value = json.loads(as_messages(CALLING))
    assert value["tools"] == [{"type": "function"}]
    assert value["messages"][1]["tool_calls"] == [
        {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Oslo"}'}}
    ]
    assert value["messages"][2] == {"role": "tool", "content": "rain", "name": "weather", "tool_call_id": "c1"}
    assert json.loads(as_messages(PLAIN)) == {"text": "Once\nupon"}


def test_the_fingerprint_is_of_what_is_said() -> None:
    moved = Example(ASKED.messages, row=99, file="x")
    assert fingerprint(moved) == fingerprint(ASKED)
    assert len({fingerprint(each) for each in ALL}) == 3
    assert fingerprint(Example((Message("user", "ab"),))) != fingerprint(Example((Message("usera", "b"),)))


@given(st.lists(messages, max_size=4), st.integers(0, 10**9), texts, st.booleans())
def test_any_example_comes_back(said: list[Message], row: int, file: str, continues: bool) -> None:
    example = Example(tuple(said), row=row, file=file, continues=continues)
    line = encode(example)
    assert "\n" not in line
    assert decode(line) == example
