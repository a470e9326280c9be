"""`python app.py inspect`: what the Data tab knows of a file, printed."""

from pathlib import Path

from rich.console import Console
from rich.table import Table

from studio import codec
from studio.data.inspection import Inspection, inspect_file
from studio.data.rendering import ChatRenderer
from studio.models.locate import locate
from studio.settings import Settings

PROBLEMS_SHOWN = 20


def inspect(file: Path, *, settings: Settings, model: str, as_json: bool, console: Console) -> int:
    """Print the inspection of a file. Tokens are counted when the model is on this machine; nothing is fetched."""
    files = locate(model, settings.home)
    renderer = ChatRenderer.load(files.folder) if files is not None else None
    inspection, examples = inspect_file(file, renderer=renderer)
    if as_json:
        console.out(codec.dumps(inspection), highlight=False)
        return 0
    console.print(_table(inspection, model=model))
    for problem in inspection.problems[:PROBLEMS_SHOWN]:
        console.print(f"row {problem.row}: {problem.text}", markup=False)
    if len(inspection.problems) > PROBLEMS_SHOWN:
        console.print(f"... and {len(inspection.problems) - PROBLEMS_SHOWN} more; --json lists them all")
    if examples:
        console.print("\nThe first example:")
        for message in examples[0].messages:
            console.print(f"  {message.role}: {message.content}", markup=False, soft_wrap=True)
    return 0


def _table(inspection: Inspection, *, model: str) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("file", f"{inspection.file} ({inspection.format})")
    table.add_row("kind", inspection.kind)
    table.add_row("rows read", str(inspection.rows_read))
    table.add_row("examples", str(inspection.usable))
    table.add_row("left out", str(len(inspection.problems)))
    tokens = inspection.tokens
    if tokens is None:
        table.add_row("tokens", f"not counted: the model '{model}' is not on this machine yet")
    else:
        share = 100 * tokens.learned / max(1, tokens.total)
        table.add_row("tokens", f"{tokens.total} in all, {tokens.learned} learned ({share:.0f} %)")
        table.add_row("", f"longest {tokens.longest}, median {tokens.median}, longer than 512: {tokens.too_long}")
    return table
