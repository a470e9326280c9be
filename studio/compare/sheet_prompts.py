"""The prompts of a sheet: typed, from a file, or from the rows that a run never learned."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.data.example_files import ExampleFile
from studio.data.examples import Example
from studio.data.rows import Row
from studio.data.sources.readers import open_source
from studio.errors import DataError
from studio.runs.store import RunFolder

MOST_PROMPTS = 1000
"""A sheet takes no more: it is read by a person."""

_PROMPT_COLUMNS = ("prompt", "question", "instruction", "input", "user")
_EXPECTED_COLUMNS = ("expected", "completion", "answer", "response", "output")
_LINES = (".txt", ".md")


@dataclass(frozen=True)
class Prompt:
    """One thing to ask. `expected` is the answer that the data has for it, empty where there is none."""

    text: str
    system: str = ""
    expected: str = ""


def typed(text: str) -> tuple[Prompt, ...]:
    """Read prompts that were typed, one a line; blank lines are none. Raises DataError for none, or too many."""
    return _checked([Prompt(line.strip()) for line in text.splitlines() if line.strip()], "Write one prompt a line.")


def from_file(path: Path) -> tuple[Prompt, ...]:
    """Read the prompts of a file: the lines of a text, or the column "prompt" of a table.

    Columns "system" and "expected" are taken along. Raises DataError when the file cannot be read, has no such column
    or no prompts.
    """
    if path.suffix.lower() in _LINES:
        return typed(_text(path))
    with open_source([path]) as source:
        columns = {name.strip().lower(): name for name in source.columns}
        column = next((columns[name] for name in _PROMPT_COLUMNS if name in columns), None)
        if column is None:
            found = ", ".join(source.columns) or "no columns at all"
            raise DataError(
                f"No column of prompts found in '{path.name}'. The file has: {found}.",
                "Call the column with the prompts 'prompt'.",
            )
        expected = next((columns[name] for name in _EXPECTED_COLUMNS if name in columns), "")
        rows = [row for row in source.rows() if isinstance(row, Row)]
    prompts = [
        Prompt(_cell(row, column), _cell(row, columns.get("system", "")), _cell(row, expected))
        for row in rows
        if _cell(row, column)
    ]
    return _checked(prompts, f"Put prompts into the column '{column}'.")


def held_out(run: RunFolder, *, most: int, seed: int) -> tuple[Prompt, ...]:
    """Take up to `most` of the rows that a run never learned, chosen by `seed`, in the order of the data.

    Each is asked as its conversation stands before its last answer is given: only rows with one question are taken.
    Raises DataError when there are none.
    """
    examples = ExampleFile(run.validation_path)
    places = list(range(len(examples)))
    if len(places) > most:
        places = sorted(random.Random(seed).sample(places, most))
    prompts = [prompt for example in examples.take(places) if (prompt := _of_example(example)) is not None]
    return _checked(prompts, "Choose a run that held rows with questions out, or type prompts.")


def _of_example(example: Example) -> Prompt | None:
    said = {role: [each.content for each in example.messages if each.role == role] for role in ("user", "assistant")}
    if len(said["user"]) != 1 or not said["user"][0].strip() or example.tools:
        return None
    system = next((each.content for each in example.messages if each.role == "system"), "")
    return Prompt(said["user"][0], system, said["assistant"][-1] if said["assistant"] else "")


def _checked(prompts: Sequence[Prompt], hint: str) -> tuple[Prompt, ...]:
    if not prompts:
        raise DataError("There are no prompts.", hint)
    if len(prompts) > MOST_PROMPTS:
        raise DataError(f"There are {len(prompts):,} prompts; a sheet takes {MOST_PROMPTS:,}.", "Take fewer.")
    return tuple(prompts)


def _cell(row: Row, column: str) -> str:
    value = row.cells.get(column)
    return "" if value is None else str(value).strip()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"'{path.name}' cannot be read: {error.strerror or error}.", "Choose another file.") from error
    except ValueError as error:
        raise DataError(f"'{path.name}' is not text in UTF-8.", "Save it as UTF-8 and choose it again.") from error
