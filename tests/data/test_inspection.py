import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from studio import codec
from studio.data.formats import Roles
from studio.data.inspection import Inspection, TokenStatistics, count_tokens, inspect_file
from studio.data.rendering import ChatRenderer
from studio.data.rows import RowProblem
from studio.errors import DataError

SAMPLES = Path(__file__).parents[2] / "assets" / "samples"
BARE = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}{{ m.content }}\
{% if m.role == 'assistant' %}{{ eos_token }}{% endif %}{% endfor %}"

ModelFolder = Callable[..., Path]


def test_says_what_a_file_holds(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("question,answer\nWhy?,Because.\nragged\nHow?,\nWhen?,Now.\n", encoding="utf-8")
    inspection, examples = inspect_file(path)
    assert inspection == Inspection(
        file="notes.txt",
        format="CSV",
        kind="question-answer",
        roles=Roles("question-answer", prompt="question", answer="answer"),
        rows_read=4,
        usable=2,
        problems=(RowProblem(2, "The header has 2 columns, this row has 1."), RowProblem(3, "The answer is empty.")),
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        tokens=None,
    )
    assert [example.row for example in examples] == [1, 4]


def test_counts_tokens_and_leaves_out_what_the_template_refuses(tmp_path: Path, model_folder: ModelFolder) -> None:
    renderer = ChatRenderer.load(model_folder(BARE, bytes_only=True))
    path = tmp_path / "data.jsonl"
    rows = [
        {"prompt": "ab", "completion": "c"},
        {"prompt": "ab", "completion": "cdefg"},
        {"system": "be", "prompt": "ab", "completion": "c"},
        {"prompt": "abcd", "completion": "ef"},
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    inspection, examples = inspect_file(path, renderer=renderer, max_length=7)
    assert inspection.tokens == TokenStatistics(longest=8, median=7, total=19, learned=11, too_long=1)
    assert [example.row for example in examples] == [1, 2, 4]
    assert (inspection.rows_read, inspection.usable) == (4, 3)
    (problem,) = inspection.problems
    assert problem.row == 3
    assert "no system" in problem.text
    _, all_examples = inspect_file(path)
    assert count_tokens(all_examples, renderer=renderer, max_length=7) == inspection.tokens
    with pytest.raises(DataError, match="no system"):
        count_tokens(all_examples[2:3], renderer=renderer, max_length=7)
    with pytest.raises(DataError, match="There are no examples"):
        count_tokens((), renderer=renderer, max_length=7)


@pytest.mark.parametrize(
    ("file", "format", "kind"),
    [
        ("lighthouse_voice.jsonl", "JSON Lines", "chat"),
        ("order_slips.json", "JSON", "instruction"),
        ("kettlewick_support.csv", "CSV", "question-answer"),
    ],
)
def test_the_samples_are_whole(file: str, format: str, kind: str) -> None:
    inspection, examples = inspect_file(SAMPLES / file)
    assert (inspection.format, inspection.kind) == (format, kind)
    assert inspection.usable == len(examples) >= 150
    assert inspection.problems == ()


def test_an_inspection_survives_the_codec(tmp_path: Path) -> None:
    path = tmp_path / "data.csv"
    path.write_text("question,answer\nWhy?,Because.\nragged\n", encoding="utf-8")
    inspection, _ = inspect_file(path)
    assert codec.loads(Inspection, codec.dumps(inspection)) == inspection
