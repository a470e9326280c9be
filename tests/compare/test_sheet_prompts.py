from pathlib import Path

import pytest

from studio.compare.sheet_prompts import MOST_PROMPTS, Prompt, from_file, held_out, typed
from studio.data.example_files import write_examples
from studio.data.examples import Example, Message
from studio.errors import DataError
from studio.runs.store import RunFolder


def test_typed_prompts_are_lines() -> None:
    assert typed(" One \n\n Two\n") == (Prompt("One"), Prompt("Two"))
    with pytest.raises(DataError, match="no prompts"):
        typed(" \n ")
    with pytest.raises(DataError, match=f"a sheet takes {MOST_PROMPTS:,}"):
        typed("x\n" * (MOST_PROMPTS + 1))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("some.txt", "\ufeffOne\nTwo, too\n"),
        ("some.csv", 'id,Prompt,expected\n1,One,\n2,"Two, too",yes\n'),
        ("some.jsonl", '{"prompt": "One"}\n{"prompt": "Two, too", "expected": "yes"}\n'),
        ("some.json", '[{"prompt": "One"}, {"prompt": "Two, too", "answer": "yes"}]'),
    ],
)
def test_prompts_come_from_lines_and_columns(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    expected = "" if name == "some.txt" else "yes"
    assert from_file(path) == (Prompt("One"), Prompt("Two, too", expected=expected))


def test_a_prompt_may_have_several_lines_and_a_system_prompt(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text('prompt,system\n"One\nmore",Be brief.\n,left out\n', encoding="utf-8")
    assert from_file(path) == (Prompt("One\nmore", "Be brief."),)


def test_a_file_without_prompts_says_what_it_has(tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    path.write_text("name,age\nann,4\nbob,5\n", encoding="utf-8")
    with pytest.raises(DataError, match="The file has: name, age"):
        from_file(path)
    (tmp_path / "odd.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match="not text in UTF-8"):
        from_file(tmp_path / "odd.txt")
    with pytest.raises(DataError, match="cannot be read"):
        from_file(tmp_path / "gone.txt")


def example(number: int, *, questions: int = 1) -> Example:
    turns = [Message(role, f"{role} {number}") for role in ("user", "assistant")] * questions
    return Example((Message("system", "Be brief."), *turns))


def test_held_out_rows_are_drawn_by_the_seed_in_their_order(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_examples(run.validation_path, [example(number) for number in range(30)])
    every = held_out(run, most=100, seed=1)
    assert every[3] == Prompt("user 3", "Be brief.", "assistant 3")
    some = held_out(run, most=5, seed=1)
    assert some == held_out(run, most=5, seed=1) != held_out(run, most=5, seed=2)
    assert [every.index(each) for each in some] == sorted(every.index(each) for each in some)


def test_rows_with_several_questions_and_plain_text_are_none(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_examples(run.validation_path, [example(1, questions=2), Example((Message("text", "Once upon a time"),))])
    with pytest.raises(DataError, match="no prompts"):
        held_out(run, most=5, seed=1)
