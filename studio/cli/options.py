"""The options of `train`, made from the fields of `RunConfig`, so that form, command line and documentation agree."""

import argparse

from studio import codec
from studio.config import RunConfig, Setting, settings


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add one option for every setting of a run, with its own help and default."""
    for setting in settings():
        flag = "--" + setting.name.replace("_", "-")
        help = setting.help.replace("%", "%%")
        if setting.kind is bool:
            parser.add_argument(flag, action="store_true", default=setting.default, help=help)
        elif setting.kind is tuple:
            parser.add_argument(flag, nargs="+", default=list(setting.default), metavar="MODULE", help=help)
        else:
            parser.add_argument(
                flag,
                type=setting.kind,
                default=setting.default,
                choices=setting.choices or None,
                metavar=None if setting.choices else setting.kind.__name__.upper().replace("STR", "TEXT"),
                help=help + _limits(setting),
            )


def run_config(options: argparse.Namespace) -> RunConfig:
    """Build the configuration from parsed options."""
    return codec.from_plain(RunConfig, {setting.name: getattr(options, setting.name) for setting in settings()})


def _limits(setting: Setting) -> str:
    default = f" (default: {setting.default})" if setting.default != "" else ""
    return f" From {setting.low:g} to {setting.high:g}.{default}" if setting.low is not None else default
