"""Names that say what rows are for: to learn from, or kept for tests."""

import re
from collections.abc import Sequence

from studio.data.reading_choices import ALL, SPLITS, TRAINING, Option, Question

_FOR_TESTS = re.compile(
    r"(?:^|[^a-z])(?:tests?|testing|testset|val|valid|validation|dev|devel|eval|evaluation|held[-_ ]?out)(?:[^a-z]|$)",
    re.IGNORECASE,
)
_FOR_TRAINING = re.compile(r"(?:^|[^a-z])train(?:ing)?(?:[^a-z]|$)", re.IGNORECASE)
_MOST_NAMED = 5


def is_for_tests(path: str) -> bool:
    """Say whether a name says that its rows are kept for tests, or that of its folder where its own says nothing."""
    folder, _, name = path.rpartition("/")
    return bool(_FOR_TESTS.search(name) or (_FOR_TESTS.search(folder) and not _FOR_TRAINING.search(name)))


def is_for_training(name: str) -> bool:
    """Say whether a name says that its rows are there to be learned."""
    return bool(_FOR_TRAINING.search(name))


def splits_question(what: str, names: Sequence[str], chosen: str) -> Question:
    """Ask whether `what`, files or lists, that are kept for tests by these names are learned as well."""
    listed = ", ".join(f"'{name[:80]}'" for name in names[:_MOST_NAMED])
    text = f"By their names these {what} are kept for tests: {listed}. As a data set of their own they can be held out."
    options = (Option(TRAINING, "Leave them out"), Option(ALL, "Learn from them as well"))
    return Question(SPLITS, text, chosen or TRAINING, options)
