import json
from pathlib import Path

import pytest

from studio.data.rows import RowProblem
from studio.errors import DataError
from tests.data.sources.sources import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_json_lines(folder: Folder) -> None:
    text = '{"a": 1}\n\nbroken\n[1]\n{"a": "x\u2028y", "b": null}\n{}\n{"a": \n7\n{"b": 2}\n'
    found = folder.read(text, "data.txt")
    assert (found.source.format, found.source.columns) == ("JSON Lines", ("a", "b"))
    assert found.numbered == [(1, {"a": 1}), (5, {"a": "x\u2028y", "b": None}), (9, {"b": 2})]
    assert [(problem.row, problem.kind) for problem in found.problems] == [
        (number, "unreadable") for number in (3, 4, 6, 7, 8)
    ]
    assert [problem.text for problem in found.problems[:2]] == [
        "This is not JSON: a value is missing at column 1.",
        "Expected an object with named fields, found a list.",
    ]


def test_json_lines_with_a_broken_first_line(folder: Folder) -> None:
    assert [row.number for row in folder.read('{"a": \n{"a": 2}\n{"a": 3}\n').rows] == [2, 3]
    assert folder.read('# notes\n{"a": 2}\n').source.format == "JSON Lines"


def test_json_lines_forgive_commas_and_values_that_json_has_not(folder: Folder) -> None:
    found = folder.read('{"a": NaN, "b": "x\ty"},\n{"a": -Infinity, "b": "z", "c": 1e999},\n')
    assert (found.source.format, found.problems) == ("JSON Lines", ())
    assert found.cells == [{"a": None, "b": "x\ty"}, {"a": None, "b": "z", "c": None}]


def test_half_of_a_character_costs_its_row(folder: Folder) -> None:
    """A lone surrogate is read by Python and then cannot be written anywhere."""
    found = folder.read('{"a": "\\ud83d"}\n{"a": "\\ud83d\\ude00"}\n{"\\uDC00": 1}\n')
    assert found.cells == [{"a": "\N{GRINNING FACE}"}]
    assert [problem.kind for problem in found.problems] == ["broken-character", "broken-character"]
    found = folder.read('[{"a": "\\ud83d"}, {"a": "\\ud83d\\ude00"}]')
    assert found.numbered == [(2, {"a": "\N{GRINNING FACE}"})]


def test_a_line_that_is_too_long_is_reported(folder: Folder) -> None:
    found = folder.read('{"a": 1}\n{"a": "' + "x" * 17_000_000 + '"}\n{"a": 2}\n')
    assert [row.number for row in found.rows] == [1, 3]
    assert found.problems == (RowProblem(2, "The line is longer than 16 million characters.", "", "unreadable"),)


def test_a_list_with_nested_values(folder: Folder) -> None:
    value = [{"a": {"b": [1, {"c": None}]}}, 7, "text", [{"x": 1}], {"d": True}]
    found = folder.read(json.dumps(value, indent=2))
    assert (found.source.format, found.source.columns) == ("JSON", ("a", "d"))
    assert found.numbered == [(1, value[0]), (5, value[4])]
    assert [problem.row for problem in found.problems] == [2, 3, 4]


@pytest.mark.parametrize(
    "text",
    [
        '[{"a": 1}, {"a": 2},]',
        '[\n{"a": 1},\n{"a": 2},\n]\n',
        '{"version": 1, "errors": [], "data": [{"a": 1}, {"a": 2}]}',
        '{"data": [{"a": 1}, {"a": 2},]}',
        '{"a": [1, 2], "b": [1, 2]}',
        '{"a": {"0": 1, "1": 2}, "b": {"0": 1, "1": 2}}',
        '{"first": {"a": 1}, "second": {"a": 2}}',
        '{\n "a": 1\n}\n{\n "a": 2\n}\n',
        '{"a": 1}{"a": 2}',
        '[{"a": 1}]\n[{"a": 2}]',
        '[{"a": 1} {"a": 2}]',
        '[{"a": 1},, {"a": 2}]',
        '\ufeff[{"a": 1}, {"a": 2}]',
    ],
)
def test_the_shapes_of_a_table(text: str, folder: Folder) -> None:
    found = folder.read(text)
    assert [row.cells["a"] for row in found.rows] == [1, 2]
    assert [row.number for row in found.rows] == [1, 2]
    assert (found.source.format, found.problems) == ("JSON", ())


def test_a_comma_too_many_is_remarked(folder: Folder) -> None:
    assert folder.read('[{"a": 1},\n]').source.notes == ("The list ends with a comma; it was read all the same.",)


def test_columns_that_hold_conversations(folder: Folder) -> None:
    turns = [{"role": "user", "content": "hi"}]
    assert folder.read(json.dumps({"messages": [turns, turns]})).cells == [{"messages": turns}] * 2


def test_one_object_is_one_row(folder: Folder) -> None:
    chat = {"messages": [{"role": "user", "content": "hi"}], "tools": [{"name": "x"}]}
    assert folder.read(json.dumps(chat)).source.format == "JSON Lines"
    pretty = folder.read(json.dumps(chat, indent=1))
    assert (pretty.source.format, pretty.cells) == ("JSON", [chat])


def test_a_broken_item_on_lines_of_its_own_costs_no_other(folder: Folder) -> None:
    items = [json.dumps({"a": number, "b": {"c": [number]}}, indent=2) for number in range(1, 6)]
    items[2] = items[2].replace(":", "", 1)
    found = folder.read("[\n" + ",\n".join(items) + "\n]")
    assert [row.number for row in found.rows] == [1, 2, 4, 5]
    reason = "This is not JSON: a colon is missing (line 19, column 7)."
    assert found.problems == (RowProblem(3, reason, "", "unreadable"),)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[{"a": 1},\n {"a": 2},\n {"a": "thr', "the file ends in the middle of it"),
        ('[{"a": 1},\n {"a": 2}\n', "the list is not closed"),
    ],
)
def test_a_file_that_is_cut_off_gives_what_it_has_and_says_so(text: str, reason: str, folder: Folder) -> None:
    found = folder.read(text)
    assert [row.cells["a"] for row in found.rows] == [1, 2]
    assert [problem.row for problem in found.problems] == [3]
    assert reason in found.problems[0].text


def test_an_object_too_large_to_hold(folder: Folder) -> None:
    row = {"text": "x" * 999}
    lines = ",".join([json.dumps(row)] * 33_000)
    found = folder.read('{"version": 1, "empty": [], "scores": [1, 2], "data": [' + lines + '], "after": {"x": [{}]}}')
    assert (len(found.rows), found.problems) == (33_000, ())
    assert found.rows[-1].number == 33_000
    split = folder.read('{"train": [' + lines + '], "test": [{"a": 1}], "test": [{"a": 2}]}')
    assert (len(split.rows), split.source.notes) == (
        33_000,
        ("The rows are those of the list 'train'; 'test' was not read.",),
    )
    assert [question.about for question in split.source.questions] == ["splits", "list"]
    with pytest.raises(DataError, match="too large to be read whole"):
        folder.read('{"a": [' + ",".join(['"xxxxxxxxxxxxxxxxxxxx"'] * 1_500_000) + "]}")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[]", "empty list"),
        ('[{"a": 1}, {"a": 2]', "The JSON is broken: a comma is missing at line 1, column 19"),
        ('{"a": }', "The JSON is broken: a value is missing at line 1, column 7"),
        ("{'a': b}", "a name in double quotation marks is missing at line 1, column 2"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ("[" + "9" * 5000 + "]", "a number that is too long"),
        ("[1, 2]", "None of the 2 rows of this JSON file can be read. Row 1: Expected an object"),
        ('[{"a": "' + "x" * 17_000_000 + '"}]', "it is longer than 16 million characters"),
    ],
)
def test_unusable_json_is_a_sentence(content: str, reason: str, folder: Folder) -> None:
    with pytest.raises(DataError, match=reason) as caught:
        folder.read(content)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["[Verse 1]\nWords, words\n", "{name}, hello\n", "[1] As Smith says\n", "[x](y)\n"])
def test_text_that_begins_with_a_bracket_is_text(text: str, folder: Folder) -> None:
    assert folder.read(text, "song.txt").cells == [{"text": text.rstrip("\n")}]


def test_values_that_span_the_blocks_in_which_a_file_is_read(folder: Folder) -> None:
    values = [{"number": 10**place, "text": "é\N{GRINNING FACE}" * (place * 997 % 90_000)} for place in range(60)]
    assert folder.read(json.dumps(values)).cells == values
    assert folder.read(json.dumps(values, indent=1, ensure_ascii=False)).cells == values
    assert folder.read("\n".join(map(json.dumps, values))).cells == values


@pytest.mark.case("18-lines-of-lists")
def test_lines_and_lists_of_conversations(folder: Folder) -> None:
    """Each line was taken apart into single messages, and the person told to bring them together in one row."""
    talk = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    for text in ("\n".join([json.dumps(talk)] * 3), json.dumps([talk] * 3), json.dumps([talk] * 3, indent=1)):
        assert folder.read(text).cells == [{"messages": talk}] * 3
    pairs = '["Is it?", "It is."]\n["Was it?", "It was."]\n'
    assert folder.read(pairs).cells[1] == {"question": "Was it?", "answer": "It was."}
    assert folder.read(json.dumps(talk)).cells == talk


@pytest.mark.case("32-nearly-jsonl")
@pytest.mark.parametrize(
    "text",
    [
        '[\n// the first\n{"a": 1},\n{"a": 2} // the last\n]\n',
        '// two\n/* of\nthem */ [{"a": 1}, /* and */ {"a": 2}]',
        '{"data": [{"a": 1}, // one\n {"a": 2,},],}',
        '{"a": 1,}\n{"a": 2, "b": ["x",],}\n',
        '[{"a": 1,}, {"a": 2,}]',
        "{'a': 1, 'b': None}\n{'a': 2, 'b': True}\n",
    ],
)
def test_json_as_people_write_it(text: str, folder: Folder) -> None:
    found = folder.read(text, "data.json")
    assert [row.cells["a"] for row in found.rows] == [1, 2]
    assert found.problems == ()


def test_what_looks_like_a_comment_in_a_text_stays(folder: Folder) -> None:
    row = {"a": 'http://x.example /* no */ "q" ,] \\', "b": 1}
    line = json.dumps(row)
    assert folder.read(f"[\n// first\n{line[:-1]},}}, // last\n{line}]").cells == [row, row]
    assert folder.read(f"{line[:-1]},}}\n" * 2, "data.jsonl").cells == [row, row]


def test_comments_in_a_value_that_spans_several_blocks(folder: Folder) -> None:
    rows = [{"a": number, "text": "x" * 99} for number in range(9_000)]
    lines = ",\n".join(f"{json.dumps(row)} // row" for row in rows)
    assert folder.read(f'{{"data": [\n{lines}\n,]}}'.replace(" // row,", ", // row")).cells == rows


@pytest.mark.case("32-nearly-jsonl")
@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[\n{question: 1}\n]", "line 2, column 2"),
        ('"question": "a", "answer": "b"\n', "line 1, column 1"),
        ("[\n{'a': b},\n{'a': c}\n]", "line 2, column 2"),
        ("Not JSON at all.\n", "line 1, column 1"),
    ],
)
@pytest.mark.parametrize("name", ["data.json", "data.JSONL"])
def test_broken_json_is_reported_at_its_place_and_is_never_prose(
    text: str, place: str, name: str, folder: Folder
) -> None:
    """A .json file that did not parse was learned as a text, with all its brackets."""
    with pytest.raises(DataError, match=f"a .* is missing at {place}|a .* is missing .{place}"):
        folder.read(text, name)


def test_a_table_with_the_wrong_ending_stays_a_table(folder: Folder) -> None:
    assert folder.read("question,answer\na,b\n", "data.json").source.format == "CSV"


@pytest.mark.case("34-wrappers")
@pytest.mark.case("19-pandas-orients")
@pytest.mark.parametrize(
    "value",
    [
        {"status": "ok", "result": {"page": 1, "items": {"records": [{"a": 1}, {"a": 2}]}}},
        {"features": [{"name": "a"}], "rows": [{"row_idx": n, "row": {"a": n}} for n in (1, 2)]},
        {"columns": ["a", "b"], "index": [0, 1], "data": [[1, "x"], [2, "y"]]},
    ],
)
def test_tables_in_wrappers(value: object, folder: Folder) -> None:
    found = folder.read(json.dumps(value), "data.json")
    assert [row.cells["a"] for row in found.rows] == [1, 2]
    assert found.source.notes[0].startswith("The ")


def test_an_object_within_a_row_is_no_table(folder: Folder) -> None:
    row = {"a": 1, "b": {"c": {"d": 2}}}
    assert folder.read(json.dumps(row, indent=1), "data.json").cells == [row]
    deep: object = [{"a": 1}]
    for _ in range(50):
        deep = {"x": deep}
    assert len(folder.read(json.dumps(deep), "data.json").rows) == 1
