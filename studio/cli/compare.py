"""`python app.py compare`: the same prompts to a run and to its base model, as the prompt sheet of the page does it."""

import json
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studio.cli.follow import RunFailed
from studio.compare.answering import GenerationSettings, check_generation
from studio.compare.pane_models import pane_model
from studio.compare.sheet_asking import answer_rows, check_models, columns_of
from studio.compare.sheet_prompts import from_file
from studio.compare.sheets import Cell, Sheet, SheetRow, documents
from studio.errors import RunError
from studio.studio import Studio


def compare(
    studio: Studio,
    *,
    run_id: str,
    prompts: Path,
    generation: GenerationSettings,
    as_json: bool,
    console: Console,
    strengths: Sequence[float] = (1.0,),
) -> int:
    """Print what the base model and a run answer to the prompts of a file, as a table or as one JSON object.

    An adapter answers once at each of the strengths. Raises RunError or DataError for what cannot be used, RunFailed
    when the answers do not come.
    """
    studio.runs.get(run_id)
    models = {key: pane_model(studio, key) for key in (f"base:{run_id}", f"run:{run_id}")}
    columns = columns_of(tuple(models.values()), strengths)
    asking = [(models[column.key], column.strength) for column in columns]
    check_models([model for model, _ in asking])
    check_generation(generation)
    asked = from_file(prompts)
    answered: dict[int, tuple[Cell, ...]] = {}
    with Console(stderr=True).status("Waking the models") as status:

        def hear(what: str) -> None:
            status.update(f"{len(answered):,} of {len(asked):,} prompts answered. {what}")

        try:
            for place, cells in answer_rows(studio.chat, asking, asked, generation=generation, hear=hear):
                answered[place] = cells
        except RunError as error:
            raise RunFailed(error.message, error.hint) from error
    rows = tuple(SheetRow(prompt, answered.get(place, ())) for place, prompt in enumerate(asked))
    sheet = Sheet(columns, rows, generation, name=prompts.name)
    if as_json:
        # ASCII: for any terminal and pipe
        console.out(json.dumps({"run": run_id, "cut": sheet.cut, "rows": list(documents(sheet))}), highlight=False)
        return 0
    _print(sheet, console)
    return 0


def strengths(text: str) -> tuple[float, ...]:
    """Read strengths with commas between them. Raises ArgumentTypeError, which argparse turns into a sentence."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise ArgumentTypeError(f"'{text}' is no strength: write numbers such as 0.5 or 0.5,1") from error


def _print(sheet: Sheet, console: Console) -> None:
    has_expected = any(row.prompt.expected for row in sheet.rows)
    table = Table(show_lines=True)
    for title in ("Prompt", *(["Expected"] if has_expected else []), *(column.label for column in sheet.columns)):
        table.add_column(Text(title))
    for row in sheet.rows:
        expected = [row.prompt.expected] if has_expected else []
        table.add_row(*map(Text, (row.prompt.text, *expected, *(cell.trouble or cell.text for cell in row.cells))))
    console.print(table)
    different = sum(row.differs for row in sheet.rows)
    console.print(f"The answers differ in {different:,} of {len(sheet.rows):,} rows.", markup=False, soft_wrap=True)
    if sheet.cut:
        console.print(sheet.cut, markup=False, soft_wrap=True)
