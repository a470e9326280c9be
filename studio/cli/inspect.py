"""`python app.py inspect`: what the Data tab knows of files, printed."""

import dataclasses
import json
import shlex
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from studio import codec
from studio.data.checking.checks import coaching
from studio.data.checking.findings import in_order
from studio.data.conversion.roles import Roles
from studio.data.example_files import ExampleFile
from studio.data.inspection import Inspection, inspect_files
from studio.data.mask_findings import mask_findings
from studio.data.reading_choices import ENCODING, SPLITS, Change, Choices, Question
from studio.data.rows import RowProblem
from studio.data.tokenizing.tokens import (
    LEAST_BYTES_A_SECOND,
    LEAST_SECONDS,
    TokenCounts,
    TokenStatistics,
    load,
    statistics,
)
from studio.errors import DataError
from studio.jobs.rendering import Rendering
from studio.models.locate import locate
from studio.settings import Settings

PROBLEMS_SHOWN = 20


def inspect(
    files: Sequence[Path],
    *,
    roles: Roles | None,
    changes: Sequence[Change],
    choices: Choices,
    settings: Settings,
    model: str,
    max_length: int,
    as_json: bool,
    console: Console,
) -> int:
    """Print the inspection of files. Tokens are counted when the model is on this machine; nothing is fetched."""
    found = locate(model, settings.home)
    with tempfile.TemporaryDirectory(prefix="lora-studio-") as folder:
        path = Path(folder) / "examples.jsonl"
        try:
            inspection, _ = inspect_files(files, into=path, roles=roles, changes=changes, choices=choices)
        except OSError as error:
            raise DataError(
                f"The examples could not be written to {folder}: {error.strerror or error}.",
                "Free some space on that disk, or set TMPDIR to a folder on another one.",
            ) from error
        examples = ExampleFile(path)
        if found is not None and len(examples):
            counts = _count(found.folder, path, Path(folder) / "counts.npz")
            inspection = _with_tokens(inspection, counts, max_length=max_length)
        if as_json:
            console.out(json.dumps(codec.to_plain(inspection)), highlight=False)  # ASCII: for any terminal and pipe
            return 0
        _print(inspection, examples, model=model, max_length=max_length, console=console)
    return 0


def _count(model: Path, examples: Path, into: Path) -> TokenCounts:
    """Count the tokens in a process of their own: the model's tokenizer and template are not trusted in this one."""
    seconds = LEAST_SECONDS + examples.stat().st_size / LEAST_BYTES_A_SECOND
    with closing(Rendering()) as rendering:
        rendering.count(model, examples, into, seconds=seconds)
    return load(into)


def _with_tokens(inspection: Inspection, counts: TokenCounts, *, max_length: int) -> Inspection:
    """Add the token statistics. A row that the model's chat template refuses becomes one that is left out."""
    return dataclasses.replace(
        inspection,
        tokens=statistics(counts, max_length=max_length),
        usable=inspection.usable - counts.refused_count,
        left_out=inspection.left_out + counts.refused_count,
        problems=tuple(sorted((*inspection.problems, *counts.refused), key=_place)),
        findings=in_order((*inspection.findings, *mask_findings(counts.doubts))),
    )


def _place(problem: RowProblem) -> tuple[str, int]:
    return problem.file, problem.row


def _print(inspection: Inspection, examples: ExampleFile, *, model: str, max_length: int, console: Console) -> None:
    console.print(_table(inspection, model=model, max_length=max_length))
    if inspection.verdict:
        console.print(inspection.verdict, markup=False, soft_wrap=True)
    for question in inspection.questions:
        _print_question(question, console)
    for note in inspection.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    for finding in inspection.findings:
        console.print(f"{finding.level}: {finding.title}. {finding.text}", markup=False, soft_wrap=True)
        for fix in finding.fixes:
            console.print(f"    fix: {fix.label} (--fix {fix.kind})", markup=False, soft_wrap=True)
    for problem in inspection.problems[:PROBLEMS_SHOWN]:
        where = f"{problem.file} row" if problem.file else "row"
        console.print(f"{where} {problem.row}: {problem.text}", markup=False, soft_wrap=True)
    if len(inspection.problems) > PROBLEMS_SHOWN:
        console.print(f"... and {len(inspection.problems) - PROBLEMS_SHOWN} more; --json lists them all")
    if len(examples):
        console.print("\nThe first example:")
        for message in examples[0].messages:
            if message.reasoning:
                console.print(f"  reasoning: {message.reasoning}", markup=False, soft_wrap=True)
            marked = "" if message.learned else " (context, not learned)"
            console.print(f"  {message.role}{marked}: {message.content}", markup=False, soft_wrap=True)


def _print_question(question: Question, console: Console) -> None:
    """Say what can be read otherwise: each way with its first lines where it is asked, and their names elsewhere."""
    if question.is_open or question.about != ENCODING:
        for option in question.options:
            if option.lines or question.about == SPLITS:
                console.print(f"--{question.about} {shlex.quote(option.value)}: {option.label}", markup=False)
                for line in option.lines:
                    console.print(f"    {line}", markup=False, soft_wrap=True)


def _table(inspection: Inspection, *, model: str, max_length: int) -> Table:
    table = Table(show_header=False, box=None)
    table.add_row("files", escape(f"{', '.join(inspection.files)} ({inspection.format})"))
    table.add_row("kind", inspection.kind or "not known yet")
    table.add_row("columns", escape(", ".join(inspection.columns)))
    table.add_row("rows read", f"{inspection.rows_read:,}")
    table.add_row("examples", f"{inspection.usable:,}")
    table.add_row("left out", f"{inspection.left_out:,}")
    tokens = inspection.tokens
    if inspection.usable:
        table.add_row("size", coaching(inspection.usable, tokens=tokens.total if tokens is not None else 0))
    if tokens is None and not inspection.usable:
        table.add_row("tokens", "not counted: there is no example yet")
    elif tokens is None:
        table.add_row("tokens", escape(f"not counted: the model '{model}' is not on this machine yet"))
    else:
        _add_tokens(table, tokens, max_length=max_length)
    return table


def _add_tokens(table: Table, tokens: TokenStatistics, *, max_length: int) -> None:
    share = 100 * tokens.learned / max(1, tokens.total)
    table.add_row("tokens", f"{tokens.total:,} in all, {tokens.learned:,} learned ({share:.0f} %)")
    table.add_row("", f"longest {tokens.longest:,}, median {tokens.median:,}")
    table.add_row("", f"longer than {max_length:,}: {tokens.too_long:,}, of which {tokens.answer_cut:,} lose an answer")
