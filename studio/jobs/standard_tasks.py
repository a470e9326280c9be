"""The standard tasks that models are compared by in public, which lm-evaluation-harness asks where it is installed.

A person's own tasks for it lie in `<home>/tasks`, one YAML file each. Such a task can hold code, so only whoever runs
the studio puts files there: by hand, never through the page.
"""

import hashlib
import importlib.util
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import ConfigError
from studio.files import read_bytes
from studio.homes import shared_home
from studio.wording import listed

_MOST_BYTES = 2**20

log = logging.getLogger(__name__)

PACKAGE = "lm_eval"
HOW_TO_INSTALL = "Install it with: pip install -r requirements-tasks.txt. Then start the studio again."
QUESTIONS = 100
"""So many questions of each task are asked where nobody said otherwise."""

MOST_QUESTIONS = 10_000
MOST_TASKS = 12
_NAMED = [re.compile(rf"^{key}:\s*[\"']?([A-Za-z0-9][\w.+-]*)", re.MULTILINE) for key in ("group", "task")]
"""What names a file's task: a group is one too, and lists its parts under `task`."""

_NAME = re.compile(r"[A-Za-z0-9][\w.+-]{0,99}")


@dataclass(frozen=True)
class StandardTask:
    """One task by its name in lm-evaluation-harness. `about` says what it asks."""

    name: str
    title: str
    about: str


STANDARD = (
    StandardTask("arc_easy", "ARC Easy", "science questions of the first school years"),
    StandardTask("arc_challenge", "ARC Challenge", "harder science questions"),
    StandardTask("hellaswag", "HellaSwag", "how a scene continues"),
    StandardTask("piqa", "PIQA", "which way of doing a thing works"),
    StandardTask("winogrande", "WinoGrande", "whom a pronoun means"),
    StandardTask("openbookqa", "OpenBookQA", "elementary science that takes some reasoning"),
    StandardTask("boolq", "BoolQ", "yes-or-no questions about a passage"),
    StandardTask("truthfulqa_mc2", "TruthfulQA", "common misconceptions"),
    StandardTask("mmlu", "MMLU", "exam questions over 57 subjects"),
    StandardTask("gsm8k", "GSM8K", "arithmetic in words; the answers are written out, which takes long"),
)


def installed() -> bool:
    """Tell whether lm-evaluation-harness can be used here."""
    return importlib.util.find_spec(PACKAGE) is not None


def own_folder(home: Path) -> Path:
    """Say where a person's own tasks lie."""
    return shared_home(home) / "tasks"


def own_tasks(home: Path) -> tuple[StandardTask, ...]:
    """List a person's own tasks by name; files that cannot be read or name no task are left out."""
    found = {}
    for path in sorted(own_folder(home).glob("*.yaml")):
        try:
            text = (read_bytes(path, most_bytes=_MOST_BYTES) or b"").decode("utf-8")
        except (OSError, ValueError) as error:
            log.debug("The task %s is left out: %s", path, error, exc_info=True)
            continue
        named = next((match for match in (key.search(text) for key in _NAMED) if match), None)
        if named is not None:
            found[named[1]] = StandardTask(named[1], named[1], f"your own, in {path.name}")
    return tuple(found[name] for name in sorted(found))


def title_of(name: str) -> str:
    """Return what a task is called; its name where it is not one of the well-known ones."""
    return next((task.title for task in STANDARD if task.name == name), name)


def check(names: Sequence[str], questions: int) -> tuple[str, ...]:
    """Return the tasks without repetition. Raises ConfigError when they cannot be asked here, or are none."""
    wanted = tuple(dict.fromkeys(name.strip() for name in names if name.strip()))
    if not wanted:
        return ()
    if not installed():
        raise ConfigError("Standard tasks need lm-evaluation-harness, which is not installed.", HOW_TO_INSTALL)
    bad = [name for name in wanted if not _NAME.fullmatch(name)]
    if bad:
        raise ConfigError(
            f"'{bad[0][:80]}' is not the name of a task.", f"Names look like {listed(['arc_easy', 'piqa'])}."
        )
    if len(wanted) > MOST_TASKS:
        raise ConfigError(f"At most {MOST_TASKS} tasks at a time; found {len(wanted)}.", "Remove some.")
    if not 1 <= questions <= MOST_QUESTIONS:
        raise ConfigError(
            f"The number of questions must be from 1 to {MOST_QUESTIONS:,}; found {questions:,}.",
            "Type another number.",
        )
    return wanted


def fingerprint(names: Sequence[str], questions: int) -> str:
    """Return eight letters that stand for these tasks with so many questions."""
    return hashlib.sha256(repr((sorted(names), questions)).encode()).hexdigest()[:8]
