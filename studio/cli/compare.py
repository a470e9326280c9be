"""`python app.py compare`: the same prompts to a run and to its base model, as the prompt sheet of the page does it."""

import json
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from studio.cli.follow import RunFailed
from studio.errors import RunError
from studio.runs.answering import Wish, check_wish
from studio.runs.pane_models import pane_model
from studio.runs.sheet_answers import answer_rows, check_models
from studio.runs.sheet_prompts import from_file
from studio.runs.sheets import Cell, Column, Sheet, SheetRow, documents
from studio.runs.studio import Studio


def compare(studio: Studio, *, run_id: str, prompts: Path, wish: Wish, as_json: bool, console: Console) -> int:
    """Print what the base model and a run answer to the prompts of a file, as a table or as one JSON object.

    Raises RunError or DataError for what cannot be used, RunFailed when the answers do not come.
    """
    studio.runs.get(run_id)
    models = [pane_model(studio, f"base:{run_id}"), pane_model(studio, f"run:{run_id}")]
    check_models(models)
    check_wish(wish)
    asked = from_file(prompts)
    answered: dict[int, tuple[Cell, ...]] = {}
    with Console(stderr=True).status("Waking the models") as status:

        def hear(what: str) -> None:
            status.update(f"{len(answered):,} of {len(asked):,} prompts answered. {what}")

        try:
            for place, cells in answer_rows(
                studio.chat, [(model, 1.0) for model in models], asked, wish=wish, hear=hear
            ):
                answered[place] = cells
        except RunError as error:
            raise RunFailed(error.message, error.hint) from error
    columns = tuple(Column(model.key, model.title) for model in models)
    rows = tuple(SheetRow(prompt, answered.get(place, ())) for place, prompt in enumerate(asked))
    sheet = Sheet(columns, rows, wish, name=prompts.name)
    if as_json:
        # ASCII: for any terminal and pipe
        console.out(json.dumps({"run": run_id, "rows": list(documents(sheet))}), highlight=False)
        return 0
    _print(sheet, console)
    return 0


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
