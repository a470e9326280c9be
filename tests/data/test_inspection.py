import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from studio import codec
from studio.data.conversion.roles import Roles, assign
from studio.data.example_files import ExampleFile
from studio.data.inspection import Inspection, inspect_files
from studio.data.reading_choices import Change, Choices
from studio.data.rows import RowProblem

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"


def inspect(path: Path, **options: object) -> tuple[Inspection, ExampleFile]:
    into = path.with_name("examples.jsonl") if SAMPLES not in path.parents else Path(options.pop("into"))  # type: ignore[arg-type]
    inspection, sha256 = inspect_files([path], into=into, **options)  # type: ignore[arg-type]
    assert sha256 == hashlib.sha256(into.read_bytes()).hexdigest()
    return inspection, ExampleFile(into)


def test_says_what_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("question,answer\nWhy?,Because.\nragged\nHow?,\nWhen?,Now.\n", encoding="utf-8")
    inspection, examples = inspect(path)
    assert (inspection.files, inspection.format, inspection.kind) == (("notes.txt",), "CSV", "question-answer")
    assert inspection.roles == Roles("question-answer", prompts=("question",), answer="answer")
    assert (inspection.rows_read, inspection.usable, inspection.left_out) == (4, 2, 2)
    found = [(problem.row, problem.kind) for problem in inspection.problems]
    assert found == [
        (3, "wrong-columns"),
        (4, "empty-answer"),
    ]
    assert inspection.columns == ("question", "answer")
    assert inspection.preview[0] == ("Why?", "Because.")
    assert inspection.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (inspection.verdict, inspection.tokens) == ("", None)
    assert [example.row for example in examples] == [2, 5]


def test_columns_that_nobody_knows_wait_to_be_assigned(tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text("foo,bar\n1,2\n3,4\n")
    inspection, examples = inspect(path)
    assert (inspection.kind, inspection.usable, inspection.rows_read, len(examples)) == ("", 0, 2, 0)
    assert "foo" in inspection.verdict
    inspection, examples = inspect(path, roles=assign({"foo": "prompt", "bar": "answer"}))
    assert (inspection.verdict, len(examples)) == ("", 2)


def test_a_file_without_one_usable_row_says_why(tmp_path: Path) -> None:
    path = tmp_path / "empty.csv"
    path.write_text("question,answer\nWhy?,\nHow?,\n")
    inspection, _ = inspect(path)
    assert (inspection.usable, inspection.left_out) == (0, 2)
    assert inspection.verdict.startswith("None of the 2 rows can be learned from. Row 2: ")


def test_changes_are_applied_on_the_way_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "data.jsonl"
    roles = ("user", "assistant", "user")
    rows = [
        [{"role": role, "content": content} for role, content in zip(roles, said, strict=False)]
        for said in ("ab", "ab", "cde")
    ]
    path.write_text("\n".join(json.dumps({"messages": turns}) for turns in rows))
    plain, _ = inspect(path)
    assert (plain.usable, plain.left_out) == (2, 1)
    assert {"drop-duplicates", "trim-end"} <= {fix.kind for each in plain.findings for fix in each.fixes}
    fixed, examples = inspect(path, changes=[Change("drop-duplicates"), Change("trim-end")])
    assert (fixed.usable, fixed.left_out) == (2, 0)
    assert sorted((change.kind, change.count) for change in fixed.changes) == [("drop-duplicates", 1), ("trim-end", 1)]
    assert [example.messages[-1].content for example in examples] == ["b", "d"]


@pytest.mark.parametrize(
    ("file", "format", "kind"),
    [
        ("lighthouse_voice.jsonl", "JSON Lines", "chat"),
        ("order_slips.json", "JSON", "instruction"),
        ("kettlewick_support.csv", "CSV", "question-answer"),
        ("library_desk.tsv", "CSV", "prompt-completion"),
        ("letting_notices.jsonl", "JSON Lines", "prompt-completion"),
        ("house_style.xlsx", "Excel", "prompt-completion"),
    ],
)
def test_the_samples_are_whole(file: str, format: str, kind: str, tmp_path: Path) -> None:
    inspection, examples = inspect(SAMPLES / file, into=tmp_path / "examples.jsonl")
    assert (inspection.format, inspection.kind, inspection.verdict) == (format, kind, "")
    assert inspection.usable == len(examples) >= 150
    assert inspection.problems == ()
    # The answers of the support desk hold figures, which its description says are not learned.
    doubts = ["facts"] if file == "kettlewick_support.csv" else []
    assert [each.kind for each in inspection.findings if each.level != "info"] == doubts


def test_an_inspection_survives_the_codec(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("question,answer\nWhy?,Because.\nWhy?,Because.\nragged\n", encoding="utf-8")
    inspection, _ = inspect(path)
    assert inspection.findings
    assert RowProblem in map(type, inspection.problems)
    assert codec.loads(Inspection, codec.dumps(inspection)) == inspection


def test_of_very_many_columns_the_chosen_and_the_first_are_kept(tmp_path: Path) -> None:
    """A hundred thousand columns were compared name by name with every known name, for minutes."""
    path = tmp_path / "wide.csv"
    names = [f"c{number}" for number in range(99_998)]
    cells = ["x"] * len(names)
    path.write_text("\n".join(",".join(row) for row in ([*names, "last", "c"], [*cells, "Why?", "Because."])))
    inspection, _ = inspect(path)
    assert inspection.columns == tuple(names[:100])
    assert {len(row) for row in inspection.preview} == {100}
    assert inspection.notes == (
        "The file has 100,000 columns; the first 100 are shown.",
        "Only the first 1,000 columns were looked at to find out what they hold.",
    )
    inspection, examples = inspect(path, roles=assign({"last": "prompt", "c": "answer"}))
    assert inspection.columns == (*names[:98], "last", "c")
    assert inspection.preview[0][-2:] == ("Why?", "Because.")
    assert inspection.notes == ("The file has 100,000 columns; 100 are shown.",)
    assert (inspection.verdict, len(examples)) == ("", 1)


def test_a_column_that_only_the_template_names_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "wide.csv"
    names = [f"c{number}" for number in range(200)]
    path.write_text("\n".join([",".join(names), ",".join(["x"] * 200)]))
    roles = assign({"c0": "prompt", "c1": "answer"}, template="{c0} {c150}")
    inspection, _ = inspect(path, roles=roles)
    assert inspection.verdict == ""
    assert inspection.columns == (*names[:99], "c150")


@pytest.mark.case("46-two-formats")
def test_rows_of_another_format_are_read_and_counted(tmp_path: Path) -> None:
    """The 24 rows of one format were left out for the 8 of the other."""
    sharegpt = [
        {"conversations": [{"from": "human", "value": f"Q{n}?"}, {"from": "gpt", "value": "A."}]} for n in range(24)
    ]
    openai = {"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", "content": "Me."}]}
    alpaca = {"instruction": "Say it.", "input": "", "output": "It."}
    path = tmp_path / "mix.jsonl"
    stray = {"remark": "This line is a remark on the others."}
    path.write_text("\n".join(map(json.dumps, [*sharegpt, *[openai] * 8, alpaca, stray])))
    found, _ = inspect_files([path], into=tmp_path / "examples.jsonl")
    assert (found.usable, found.left_out, found.kind) == (33, 1, "chat")
    assert found.notes[:2] == (
        "24 rows of another format are read by: conversations.",
        "1 row of another format is read by: instruction, input, output.",
    )
    again, _ = inspect_files([path], into=tmp_path / "again.jsonl", roles=found.roles)
    assert again.usable == 33


@pytest.mark.case("42-zip")
def test_files_for_tests_in_an_archive_are_named_and_can_be_chosen(tmp_path: Path) -> None:
    """They were learned with the others, and not a word was said."""
    path = tmp_path / "test-data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("train.csv", "test.csv", "more/validation-00000.csv", "val/part.csv", "latest.csv"):
            archive.writestr(name, f"question,answer\nWhat is in {name}?,Rows.\n")
        archive.writestr("dataset_info.json", '{"herbs": {"file_name": "train.csv"}}')
    found, _ = inspect_files([path], into=tmp_path / "examples.jsonl")
    assert found.files == ("test-data.zip/train.csv", "test-data.zip/latest.csv")
    assert "'test-data.zip/test.csv' (kept for tests by its name)" in found.notes[0]
    assert "dataset_info.json' (a description of the data set)" in found.notes[0]
    (question,) = found.questions
    assert (question.about, question.chosen, question.is_open) == ("splits", "training", False)
    every, _ = inspect_files([path], into=tmp_path / "all.jsonl", choices=Choices(splits="all"))
    assert every.usable == 5


@pytest.mark.case("21-anthropic")
def test_hidden_reasoning_in_a_column_of_answers_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    content = [{"type": "redacted_thinking", "data": "Ab"}, {"type": "text", "text": "So."}]
    row = {"prompt": "Why?", "completion": [{"role": "assistant", "content": content}]}
    path.write_text(f"{json.dumps(row)}\n{json.dumps({**row, 'prompt': 'How?'})}")
    found, _ = inspect_files([path], into=tmp_path / "examples.jsonl")
    assert found.usable == 2
    assert "Reasoning that is redacted or encrypted cannot be read: 2 parts left out." in found.notes
