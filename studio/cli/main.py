"""The command line: reads arguments and environment, builds one `Studio`, and hands it to the page or to a command.

Exit status: 0 when all went well, 1 when a run failed, 2 when what was given cannot be used.
"""

import argparse
import dataclasses
import errno
import io
import logging
import os
import sys
from collections.abc import Callable, Sequence

from rich.console import Console

from studio.cli.compare import compare
from studio.cli.demo import demo
from studio.cli.evaluate import evaluate
from studio.cli.export import export
from studio.cli.follow import RunFailed
from studio.cli.inspect import inspect
from studio.cli.options import (
    GivenData,
    changes_given,
    choices_given,
    evaluation_data_given,
    roles_given,
    run_config,
    tries_given,
)
from studio.cli.page_import import quick_import
from studio.cli.parser import make_parser
from studio.cli.places import places
from studio.cli.publish import Order, publish
from studio.cli.runs import runs
from studio.cli.space import SpaceOptions, space
from studio.cli.train import Tries, resume, train
from studio.cli.users import users
from studio.compare.answering import GenerationSettings
from studio.errors import StudioError
from studio.homes import has_accounts
from studio.jobs.exports import GGUF, gguf_kind
from studio.logs import VERBOSE, log_to_stderr
from studio.settings import Settings, home_folder, read_settings
from studio.studio import Studio, open_studio

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
FAILED = 1
BAD_INPUT = 2


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit status."""
    options = make_parser().parse_args(arguments)
    if options.verbose:
        os.environ[VERBOSE] = "1"
    log_to_stderr(os.environ)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know every letter of the data
    errors = Console(stderr=True, highlight=False)
    try:
        return _run(options, Console(highlight=False))
    except RunFailed as error:
        log.debug("The run failed", exc_info=True)
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return FAILED
    except StudioError as error:
        log.debug("The command ended", exc_info=True)
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return BAD_INPUT
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        errors.print(f"The disk is full: {error}. Free some space on it.", style="red", markup=False, soft_wrap=True)
        return BAD_INPUT
    except KeyboardInterrupt:
        return 130


def _run(options: argparse.Namespace, console: Console) -> int:
    settings = _settings(options)
    if options.command == "inspect":
        return _inspect(options, settings, console)
    if options.command == "space":
        return _space(options, console)
    if options.command == "users":
        return users(options, settings, console)
    if options.command is None and settings.has_accounts:
        with quick_import():
            from studio.cli.serve_accounts import serve_people  # gradio takes seconds to import

        return serve_people(settings, fetch_starter=not options.no_starter, console=console)
    if options.command is not None:  # given by the person at this machine, not by a visitor
        settings = dataclasses.replace(settings, host=LOOPBACK, accounts=False)
    studio = open_studio(settings)
    try:
        return COMMANDS[options.command](studio, options, console)
    finally:
        studio.close()


def _inspect(options: argparse.Namespace, settings: Settings, console: Console) -> int:
    return inspect(
        options.file,
        roles=roles_given(options),
        changes=changes_given(options),
        choices=choices_given(options),
        settings=settings,
        model=options.model,
        max_length=options.max_length,
        as_json=options.json,
        console=console,
    )


def _space(options: argparse.Namespace, console: Console) -> int:
    said = SpaceOptions(
        name=options.name,
        private=options.private,
        hardware=options.hardware,
        mirror=options.mirror,
        open=options.open,
        delete=options.delete,
        sign_in=options.sign_in,
        guests=options.guests,
        dry_run=options.dry_run,
    )
    return space(said, os.environ, console=console)


def _train(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    return train(
        studio,
        config=run_config(options),
        data=GivenData(options.data, roles_given(options), choices_given(options)),
        eval_data=evaluation_data_given(options),
        changes=changes_given(options),
        tries=Tries(tries_given(options), gives_way=options.let_others_first),
        console=console,
    )


def _runs(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    return runs(studio, group=options.group, console=console)


def _resume(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    run_id = _run_id(studio, options)
    if options.place is not None or options.nodes is not None:
        place = studio.runs.get(run_id).config.place if options.place is None else options.place
        studio.move_run(run_id, place, nodes=options.nodes or 1)
    return resume(studio, run_id=run_id, console=console)


def _evaluate(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    return evaluate(
        studio,
        run_id=_run_id(studio, options),
        data=GivenData([options.data], roles_given(options), choices_given(options)) if options.data else None,
        rows=options.rows,
        longest=options.longest,
        probes=options.probes,
        tasks=options.tasks,
        questions=options.questions,
        as_json=options.json,
        console=console,
    )


def _compare(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    return compare(
        studio,
        run_id=_run_id(studio, options),
        prompts=options.prompts,
        generation=GenerationSettings(options.system, options.temperature, options.longest, options.seed),
        as_json=options.json,
        console=console,
        strengths=options.strength or (1.0,),
    )


def _export(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    kind = gguf_kind(options.quantisation) if options.kind == GGUF else options.kind
    return export(studio, run_id=_run_id(studio, options), kind=kind, to=options.to, console=console)


def _publish(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    kind = gguf_kind(options.quantisation) if options.kind == GGUF else options.kind
    order = Order(kind, options.to, options.public, options.licence, options.yes)
    return publish(studio, run_id=_run_id(studio, options), order=order, console=console)


def _demo(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    return demo(studio, console=console)


def _places(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    return places(studio, options, console=console)


def _serve(studio: Studio, options: argparse.Namespace, console: Console) -> int:
    with quick_import():
        from studio.cli.serve import serve  # gradio takes seconds to import, and only the page needs it

    return serve(studio, fetch_starter=not options.no_starter, console=console)


def _run_id(studio: Studio, options: argparse.Namespace) -> str:
    """Return the id of the run that is named. Raises RunError."""
    return studio.runs.named(options.run).id


COMMANDS: dict[str | None, Callable[[Studio, argparse.Namespace, Console], int]] = {
    "train": _train,
    "runs": _runs,
    "resume": _resume,
    "evaluate": _evaluate,
    "compare": _compare,
    "export": _export,
    "publish": _publish,
    "demo": _demo,
    "places": _places,
    None: _serve,
}
"""What each command does, but for `inspect`, `space` and `users`, which need no studio; None serves the page."""


def _settings(options: argparse.Namespace) -> Settings:
    settings = read_settings(os.environ)
    if options.home is not None:
        settings = dataclasses.replace(settings, home=home_folder(options.home))
    if options.host is not None:
        settings = dataclasses.replace(settings, host=options.host)
    if options.port is not None:
        settings = dataclasses.replace(settings, port=options.port)
    if options.open:
        settings = dataclasses.replace(settings, open=True)
    if options.api:
        settings = dataclasses.replace(settings, api=True)
    if settings.accounts is None:
        settings = dataclasses.replace(settings, accounts=has_accounts(settings.home))
    return settings
