"""The options of `train`, made from the fields of `RunConfig`, so that form, command line and documentation agree."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from studio import codec
from studio.config import RunConfig, Setting, settings
from studio.data.checking.fixes import BY_HAND, FIXES
from studio.data.conversion.roles import PARTS, Roles, assign
from studio.data.dataset_folders import Dataset
from studio.data.reading_choices import ALL, TRAINING, Change, Choices, Question
from studio.errors import ConfigError, DataError
from studio.jobs.variants import TRIED, Values, read_values

EVALUATION_PREFIX = "eval-"
"""How the names of the options begin that are of the examples to score on."""


@dataclass(frozen=True)
class GivenData:
    """Files of examples, and how to read them; without `roles` that is guessed."""

    files: Sequence[Path]
    roles: Roles | None
    choices: Choices


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add one option for every setting of a run, with its own help and default."""
    for setting in settings():
        flag = "--" + setting.name.replace("_", "-")
        help = setting.help.replace("%", "%%")
        if setting.kind is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=setting.default, help=help)
        elif setting.kind is tuple:
            parser.add_argument(
                flag,
                nargs="+",
                default=list(setting.default),
                choices=setting.choices or None,
                metavar="NAME",
                help=help,
            )
        else:
            parser.add_argument(
                flag,
                type=setting.kind,
                default=setting.default,
                choices=setting.choices or None,
                metavar=None if setting.choices else setting.kind.__name__.upper().replace("STR", "TEXT"),
                help=help + _limits(setting),
            )


def add_try_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that start several runs at once."""
    parser.add_argument(
        "--try",
        dest="tries",
        action="append",
        default=[],
        type=_tried,
        metavar="SETTING=V,V",
        help="start a run for each value, and with several --try for all values with each other: --try rank=8,16,32 "
        f"--try learning_rate=1e-4,3e-4. Settings: {', '.join(TRIED)}",
    )
    parser.add_argument(
        "--let-others-first",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="with --try: the runs let others go first that are started alone, and go on after them (default: they do)",
    )


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how files are read and what is fixed on the way."""
    add_reading_options(parser)
    parser.add_argument(
        "--fix",
        "--mend",
        action="append",
        default=[],
        choices=sorted(FIXES.keys() - BY_HAND),
        help="fix a doubt on the way; may be repeated",
    )


def add_reading_options(parser: argparse.ArgumentParser, *, prefix: str = "", of: str = "") -> None:
    """Add the options that say how files are read; their names begin with `prefix`, and `of` says of which file."""
    parser.add_argument(
        f"--{prefix}column",
        action="append",
        default=[],
        type=_column,
        metavar="NAME=PART",
        help=f"what a column{of} is, instead of the guess; once for each column. A part is one of: {', '.join(PARTS)}",
    )
    parser.add_argument(
        f"--{prefix}template", default="", help=f"how several prompt columns{of} make one: '{{title}}: {{body}}'"
    )
    parser.add_argument(
        f"--{prefix}encoding",
        default="",
        metavar="NAME",
        help=f"the encoding of a text{of}, not the guess: cp1250, cp932, utf-8",
    )
    parser.add_argument(
        f"--{prefix}sheet", default="", metavar="NAME", help=f"which sheet of a spreadsheet{of} is read"
    )
    parser.add_argument(
        f"--{prefix}list",
        default="",
        metavar="NAME",
        help=f"which of several lists in a JSON file{of} is read, * for all",
    )
    parser.add_argument(
        f"--{prefix}splits",
        default="",
        choices=(TRAINING, ALL),
        help=f"whether files of an archive{of} and lists of a JSON file are read that are kept for tests by their "
        "names (default: training)",
    )


def roles_given(options: argparse.Namespace, prefix: str = "") -> Roles | None:
    """Return how the columns shall be read, None when that is left to the guess."""
    columns, template = _given(options, prefix, "column"), _given(options, prefix, "template")
    return assign(dict(columns), template=template) if columns else None


def changes_given(options: argparse.Namespace) -> tuple[Change, ...]:
    """Return what shall be fixed."""
    return tuple(Change(kind) for kind in options.fix)


def choices_given(options: argparse.Namespace, prefix: str = "") -> Choices:
    """Return how the files shall be read."""
    return Choices(**{each.name: _given(options, prefix, each.name) for each in fields(Choices)})


def evaluation_data_given(options: argparse.Namespace) -> GivenData | None:
    """Return the examples to score on, None without a file.

    Their columns are those of the training data unless they are named. Raises DataError when options say how they are
    read, and there are none.
    """
    prefix = EVALUATION_PREFIX
    roles, choices = roles_given(options, prefix), choices_given(options, prefix)
    if options.eval_data is not None:
        return GivenData((options.eval_data,), roles or roles_given(options), choices)
    if roles is not None or choices != Choices():
        raise DataError("There is no file of examples to score on.", "Add --eval-data FILE, or leave out --eval-....")
    return None


def run_config(options: argparse.Namespace) -> RunConfig:
    """Build the configuration from parsed options."""
    return codec.from_plain(RunConfig, {setting.name: getattr(options, setting.name) for setting in settings()})


def _given(options: argparse.Namespace, prefix: str, name: str) -> Any:
    return getattr(options, prefix.replace("-", "_") + name)


def _tried(text: str) -> tuple[str, tuple[Any, ...]]:
    name, found, values = text.partition("=")
    name = name.strip().replace("-", "_")
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is not SETTING=VALUE,VALUE")
    try:
        return name, read_values(name, values.split(","))
    except ConfigError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def tries_given(options: argparse.Namespace) -> Values:
    """Return the values to try of each setting. Raises ConfigError where one is named twice."""
    names = [name for name, _ in options.tries]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ConfigError(f"--try names {twice} twice.", f"Give all values at once: --try {twice}=1,2,3.")
    return dict(options.tries)


def _column(text: str) -> tuple[str, str]:
    name, found, part = text.rpartition("=")
    if not found or part not in PARTS:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PART with a part of: {', '.join(PARTS)}")
    return name, part


def _limits(setting: Setting) -> str:
    default = f" (default: {setting.default})" if setting.default != "" else ""
    return f" From {setting.low:g} to {setting.high:g}.{default}" if setting.low is not None else default


def require_readable(dataset: Dataset, *, prefix: str = "") -> None:
    """Raise DataError, which names the option, while it is not certain how files or columns are to be read."""
    for question in dataset.inspection.questions:
        if question.is_open:
            options = f"Add --{prefix}{question.about} with one of: {', '.join(_values(question))}."
            raise DataError(question.text, options)
    if not dataset.inspection.kind:
        raise DataError(
            f"{dataset.name} is not ready. {dataset.inspection.verdict}",
            f"Add --{prefix}column NAME=PART for each column that is used.",
        )


def _values(question: Question) -> list[str]:
    return [option.value for option in question.options if option.lines]
