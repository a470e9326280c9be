"""The options of `train`, made from the fields of `RunConfig`, so that form, command line and documentation agree."""

import argparse

from studio import codec
from studio.config import RunConfig, Setting, settings
from studio.data.changes import Change
from studio.data.checking.fixes import MENDS
from studio.data.conversion.formats import PARTS, Roles, assign
from studio.data.reading_choices import ALL, TRAINING, Choices


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


def add_data_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that say how the columns of a file are read and what is mended on the way."""
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        type=_column,
        metavar="NAME=PART",
        help=f"what a column is, instead of the guess; once for each column. A part is one of: {', '.join(PARTS)}",
    )
    parser.add_argument("--template", default="", help="how several prompt columns make one: '{title}: {body}'")
    parser.add_argument(
        "--mend", action="append", default=[], choices=sorted(MENDS), help="mend a doubt on the way; may be repeated"
    )
    parser.add_argument(
        "--encoding",
        default="",
        metavar="NAME",
        help="the encoding of a text, not the guess: cp1250, cp932, utf-8",
    )
    parser.add_argument("--sheet", default="", metavar="NAME", help="which sheet of a spreadsheet is read")
    parser.add_argument(
        "--list", default="", metavar="NAME", help="which of several lists in a JSON file is read, * for all"
    )
    parser.add_argument(
        "--splits",
        default="",
        choices=(TRAINING, ALL),
        help="whether files of an archive and lists of a JSON file are learned that are kept for tests by their names "
        "(default: training)",
    )


def roles_given(options: argparse.Namespace) -> Roles | None:
    """Return how the columns shall be read, None when that is left to the guess."""
    return assign(dict(options.column), template=options.template) if options.column else None


def changes_given(options: argparse.Namespace) -> tuple[Change, ...]:
    """Return what shall be mended."""
    return tuple(Change(kind) for kind in options.mend)


def choices_given(options: argparse.Namespace) -> Choices:
    """Return how the files shall be read."""
    return Choices(encoding=options.encoding, sheet=options.sheet, list=options.list, splits=options.splits)


def run_config(options: argparse.Namespace) -> RunConfig:
    """Build the configuration from parsed options."""
    return codec.from_plain(RunConfig, {setting.name: getattr(options, setting.name) for setting in settings()})


def _column(text: str) -> tuple[str, str]:
    name, found, part = text.rpartition("=")
    if not found or part not in PARTS:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=PART with a part of: {', '.join(PARTS)}")
    return name, part


def _limits(setting: Setting) -> str:
    default = f" (default: {setting.default})" if setting.default != "" else ""
    return f" From {setting.low:g} to {setting.high:g}.{default}" if setting.low is not None else default
