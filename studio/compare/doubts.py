"""What is doubtful in an answer, as far as that shows without knowing what is true."""

import functools
import logging
import operator
import re
from collections.abc import Container
from itertools import islice, takewhile
from pathlib import Path

from studio.compare.pane_models import KeptRuns, PaneModel
from studio.data.checking.facts import digits, is_known, numbers
from studio.data.example_files import ExampleFile
from studio.errors import StudioError
from studio.runs import blend_parents
from studio.runs.store import RunFolder

MOST_BYTES = 5_000_000
"""The numbers of larger files of examples are not gathered: a page would wait for them."""

_SHOWN = 4
_FEWEST_REPEATED = 12
"""So many words at the end of an answer must have been said just before, to count as a loop."""

_LONGEST_REPEATED = 60
_LIST_MARK = re.compile(r"(?:\d{1,3}[.):]|[-*])")

log = logging.getLogger(__name__)


def repeats_itself(text: str) -> bool:
    """Tell whether an answer ends by saying the same words three times in a row, or more often.

    The last word may be cut off; marks and numbers of a list do not count.
    """
    words = [word for word in text.split() if not _LIST_MARK.fullmatch(word)]
    return any(_loops(end) for end in (words, words[:-1]))


def _loops(words: list[str]) -> bool:
    for period in range(1, min(_LONGEST_REPEATED, len(words) // 3) + 1):
        pairs = zip(reversed(words), islice(reversed(words), period, None), strict=False)
        repeated = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
        if repeated >= max(2 * period, _FEWEST_REPEATED):
            return True
    return False


def unlearned_numbers(answer: str, known: Container[str]) -> tuple[str, ...]:
    """Return the first numbers of an answer that are not among these `digits`."""
    found = dict.fromkeys(each for each in numbers(answer) if not is_known(each, known))
    return tuple(found)[:_SHOWN]


def learned_digits(kept: KeptRuns, model: PaneModel | None) -> frozenset[str] | None:
    """Return the `digits` of all that a model learned from; None for a base, and where that is not known."""
    if model is None or model.kind == "base":
        return None
    try:
        run = kept.runs.get(model.run_id)
        blend = blend_parents.read_blend(run)
        runs = [run] if blend is None else [kept.runs.get(parent.id) for parent in blend.parents]
        found = [_digits_of_run(each) for each in runs]
    except (StudioError, OSError):
        log.info("What a model learned from cannot be read", exc_info=True)
        return None
    whole = [each for each in found if each is not None]
    return functools.reduce(operator.or_, whole) if whole and len(whole) == len(found) else None


def _digits_of_run(run: RunFolder) -> frozenset[str] | None:
    if run.config.start_adapter:
        return None  # it also knows what that adapter learned
    found = run.train_path.stat()
    return None if found.st_size > MOST_BYTES else _digits_of(run.train_path, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=8)
def _digits_of(path: Path, size: int, changed: int) -> frozenset[str]:
    """Gather the digits of a file of this size that was last changed then. Raises DataError where it is damaged."""
    return frozenset(
        part for example in ExampleFile(path) for message in example.messages for part in digits(message.content)
    )
