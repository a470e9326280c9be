"""How long the examples of a data set are in the tokens of one model, and what a longest example would do to them.

The counts are kept by the position of the example, so that any limit can be tried on them without reading the examples
again.
"""

import json
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from studio import codec
from studio.data.examples import Example
from studio.data.rows import Report, RowProblem, silent
from studio.data.tokenizing.doubts import DoubtCount, DoubtTally
from studio.data.tokenizing.rendering import Rendered
from studio.errors import DataError
from studio.files import open_plain, whole_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.uint32]

BATCH = 256
"""So many examples are counted before the next report."""

LEAST_SECONDS = 600.0
LEAST_BYTES_A_SECOND = 50_000
"""Counting is ended when it takes longer than these allow; usual tokenizers are a hundred times as fast."""

MOST_REFUSED = 1_000
"""So many refused examples are listed one by one; beyond that they are only counted."""

BUCKETS = 24
_ROUND = (1, 2, 5, 10, 20, 25)


class Renderer(Protocol):
    """What turns examples into tokens, in order; an example that cannot be comes with a DataError."""

    def render_each(self, examples: Iterable[Example]) -> Iterator[tuple[Example, Rendered | DataError]]: ...


@dataclass(frozen=True, eq=False)
class TokenCounts:
    """The tokens of every example, by position: in all, learned, and up to the end of the last answer.

    An example that the chat template refuses has zeros. `refused` names the first `MOST_REFUSED` of these. `doubts` say
    how many examples are learned otherwise than they look.
    """

    lengths: "Numbers"
    learned: "Numbers"
    answer_ends: "Numbers"
    refused: tuple[RowProblem, ...] = ()
    refused_count: int = 0
    doubts: tuple[DoubtCount, ...] = ()


@dataclass(frozen=True)
class Bucket:
    """A bar of a histogram: how many examples have at least `low` tokens and fewer than `high`."""

    low: int
    high: int
    count: int


@dataclass(frozen=True)
class TokenStatistics:
    """Tokens over all examples: of the longest, the median, in total, and the learned ones among them.

    `too_long` counts the examples with more tokens than the limit; `answer_cut` those among them whose last answer
    would end beyond it. `refused` examples, which the chat template does not take, count nowhere else.
    """

    longest: int
    median: int
    total: int
    learned: int
    too_long: int
    answer_cut: int = 0
    refused: int = 0
    histogram: tuple[Bucket, ...] = ()


def count_tokens(
    examples: Iterable[Example], *, total: int, renderer: Renderer, report: Report = silent
) -> TokenCounts:
    """Render the examples and keep only how long they are. `total` is how many there are, for the report.

    Raises CancelledError from `report`.
    """
    import numpy as np

    found = np.zeros((3, max(total, 1)), dtype=np.uint32)
    refused: list[RowProblem] = []
    refused_count = done = 0
    tally = DoubtTally()
    report("Counting tokens", done, total)
    for example, rendered in renderer.render_each(examples):
        if done == found.shape[1]:  # More than was said; the report is wrong then, the counts are not.
            found = np.concatenate((found, np.zeros_like(found)), axis=1)
        if isinstance(rendered, Rendered):
            found[:, done] = _measure(rendered)
            tally.add(done, rendered.doubts)
        else:
            refused_count += 1
            if len(refused) < MOST_REFUSED:
                refused.append(RowProblem(example.row, rendered.message, example.file, "refused"))
        done += 1
        if done % BATCH == 0:
            report("Counting tokens", done, total)
    report("Counting tokens", done, total)
    lengths, learned, answer_ends = (row[:done].copy() for row in found)
    return TokenCounts(lengths, learned, answer_ends, tuple(refused), refused_count, tally.counted())


def statistics(counts: TokenCounts, *, max_length: int) -> TokenStatistics:
    """Say what the counts mean when an example may have at most `max_length` tokens; all zeros when there is none."""
    import numpy as np

    lengths = counts.lengths[counts.lengths > 0]
    if not len(lengths):
        return TokenStatistics(0, 0, 0, 0, 0, refused=counts.refused_count)
    return TokenStatistics(
        longest=int(lengths.max()),
        median=round(float(np.median(lengths))),
        total=int(lengths.sum(dtype="uint64")),
        learned=int(counts.learned.sum(dtype="uint64")),
        too_long=int((lengths > max_length).sum()),
        answer_cut=int((counts.answer_ends > max_length).sum()),
        refused=counts.refused_count,
        histogram=_histogram(lengths),
    )


def save(counts: TokenCounts, path: Path) -> None:
    """Write the counts to one file, through a temporary name. Raises OSError when the disk does not take it."""
    import numpy as np

    lists = {"refused": counts.refused, "doubts": counts.doubts}
    told = json.dumps({name: codec.to_plain(each) for name, each in lists.items()} | {"count": counts.refused_count})
    with whole_file(path, shared=True) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            lengths=counts.lengths,
            learned=counts.learned,
            answer_ends=counts.answer_ends,
            refused=np.frombuffer(told.encode(), dtype=np.uint8),
        )


def load(path: Path) -> TokenCounts:
    """Read what `save` wrote. Raises DataError when the file is missing or damaged."""
    import numpy as np

    from studio.data.array_files import read_arrays

    try:
        with open_plain(path) as file:
            stored = read_arrays(file, ("lengths", "learned", "answer_ends", "refused"))
            told = codec.parse(stored["refused"].tobytes())
            refused = tuple(codec.from_plain(RowProblem, problem) for problem in told["refused"])
            rows = [stored[name].astype(np.uint32, copy=False) for name in ("lengths", "learned", "answer_ends")]
            doubts = tuple(codec.from_plain(DoubtCount, doubt) for doubt in told["doubts"])
            return TokenCounts(rows[0], rows[1], rows[2], refused, int(told["count"]), doubts)
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"The token counts in {path} cannot be read.", "Count the tokens again.") from error


def _measure(rendered: Rendered) -> tuple[int, int, int]:
    """Return the length, the learned tokens, and the place after the last learned one."""
    learned = rendered.learned
    end = len(learned)
    while end and not learned[end - 1]:
        end -= 1
    return len(rendered.ids), sum(learned), end


def _histogram(lengths: "Numbers") -> tuple[Bucket, ...]:
    """Count the lengths in about `BUCKETS` bars of one round width; a few far longer ones share the last bar."""
    import numpy as np

    longest = int(lengths.max())
    usual = min(longest, 2 * int(np.percentile(lengths, 99)))
    width = _round_width(usual // BUCKETS + 1)
    bars = usual // width + 1
    counts = np.bincount(np.minimum(lengths // width, bars - 1), minlength=bars).tolist()
    last = max(bars, longest // width + 1)
    return tuple(
        Bucket(place * width, (last if place == bars - 1 else place + 1) * width, count)
        for place, count in enumerate(counts)
    )


def _round_width(least: int) -> int:
    """Return the smallest round number that is at least `least`: 1, 2, 5, 10, 20, 25, 50, 100, 200, 250, ..."""
    scale = 1
    while True:
        for each in _ROUND:
            if each * scale >= least:
                return each * scale
        scale *= 10
