"""What is known of a file of examples before anything is learned from it: its format, its rows, its tokens.

Knows nothing of where files are kept; a renderer is passed in, without one no tokens are counted.
"""

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.data.examples import Example
from studio.data.formats import Roles, guess_roles, to_examples
from studio.data.readers import read_table
from studio.data.rendering import ChatRenderer, Rendered
from studio.data.rows import RowProblem
from studio.data.text_files import read_bytes
from studio.errors import DataError


@dataclass(frozen=True)
class TokenStatistics:
    """Tokens over all examples: of the longest, the median, in total, and the learned ones among them.

    `too_long` counts the examples with more tokens than the limit that was asked for.
    """

    longest: int
    median: int
    total: int
    learned: int
    too_long: int


@dataclass(frozen=True)
class Inspection:
    """What a file holds. `kind` and `roles` say how its columns are read; `problems` are the rows left out."""

    file: str
    format: str
    kind: str
    roles: Roles
    rows_read: int
    usable: int
    problems: tuple[RowProblem, ...]
    sha256: str
    tokens: TokenStatistics | None


def inspect_file(
    path: Path, *, renderer: ChatRenderer | None = None, max_length: int = 512
) -> tuple[Inspection, tuple[Example, ...]]:
    """Read a file and say what it holds, with its usable examples.

    With a renderer the tokens are counted too, and a row that the model's chat template refuses is left out.
    `max_length` is in tokens.

    Raises DataError when no example can be used.
    """
    path = Path(path)
    table = read_table(path)
    conversion = to_examples(table, guess_roles(table))
    examples = conversion.examples
    refused: tuple[RowProblem, ...] = ()
    tokens = None
    if renderer is not None:
        examples, rendered, refused = _render_all(examples, renderer)
        tokens = _count(rendered, max_length)
    problems = sorted((*table.problems, *conversion.problems, *refused), key=lambda problem: problem.row)
    inspection = Inspection(
        # A name that is not valid text, as a file system may hold it, could be neither stored nor shown.
        file=path.name.encode("utf-8", "replace").decode(),
        format=table.format,
        kind=conversion.roles.kind,
        roles=conversion.roles,
        rows_read=len(table.rows) + len(table.problems),
        usable=len(examples),
        problems=tuple(problems),
        sha256=hashlib.sha256(read_bytes(path)).hexdigest(),
        tokens=tokens,
    )
    return inspection, examples


def count_tokens(examples: Sequence[Example], *, renderer: ChatRenderer, max_length: int) -> TokenStatistics:
    """Count the tokens of the examples; one that the chat template refuses counts for nothing.

    Raises DataError when there is no example, or none that the template takes.
    """
    _, rendered, _ = _render_all(examples, renderer)
    return _count(rendered, max_length)


def _render_all(
    examples: Sequence[Example], renderer: ChatRenderer
) -> tuple[tuple[Example, ...], list[Rendered], tuple[RowProblem, ...]]:
    if not examples:
        raise DataError("There are no examples.", "Choose a data set with at least one usable row.")
    taken: list[Example] = []
    rendered: list[Rendered] = []
    refusals: list[tuple[Example, DataError]] = []
    for example in examples:
        try:
            rendered.append(renderer.render(example.messages))
            taken.append(example)
        except DataError as error:
            refusals.append((example, error))
    if not taken:
        raise refusals[0][1]
    return tuple(taken), rendered, tuple(RowProblem(example.row, error.message) for example, error in refusals)


def _count(rendered: Sequence[Rendered], max_length: int) -> TokenStatistics:
    lengths = [len(each.ids) for each in rendered]
    return TokenStatistics(
        longest=max(lengths),
        median=round(statistics.median(lengths)),
        total=sum(lengths),
        learned=sum(sum(each.learned) for each in rendered),
        too_long=sum(length > max_length for length in lengths),
    )
