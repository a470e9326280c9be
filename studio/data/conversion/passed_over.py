"""Columns that a guess leaves alone though their names say that they belong to an example, named with the reason."""

from collections.abc import Iterator, Sequence

from studio.data.conversion.cells import quoted
from studio.data.conversion.column_names import MOST_COLUMNS
from studio.data.conversion.roles import IGNORE, Roles, parts_of
from studio.data.conversion.sampled_columns import sampled
from studio.data.rows import Row

_ANSWERING = ("output", "completion", "answer", "response", "solution", "target")


def passed_over(columns: Sequence[str], sample: Sequence[Row], roles: Roles) -> Iterator[str]:
    """Say which columns are named like a part and yet were not guessed to be one, and why."""
    free = [name for name, part in parts_of(roles, columns[:MOST_COLUMNS]).items() if part == IGNORE]
    for column in sampled([name for name in free if name], sample):
        part = next((part for part in ("system", "history", "tools", "reasoning") if column.is_called(part)), "")
        if column.is_called(*_ANSWERING) and column.holds_several_texts and not roles.kind:
            yield (
                f"The column {quoted(column.name)} holds several texts in a list, and it is not clear which of them is "
                "the answer: bring the best one alone. Chosen as the answer, the whole list is learned as JSON."
            )
        if part and column.cells and roles.kind:
            yield (
                f"The column {quoted(column.name)} is not read, though it is called so: it is not clear that it holds "
                f"what belongs there. Choose the part '{part}' for it if it does."
            )
