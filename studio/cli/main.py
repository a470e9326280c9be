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
from collections.abc import Sequence

from rich.console import Console

from studio.cli.compare import compare
from studio.cli.demo import demo
from studio.cli.evaluate import evaluate
from studio.cli.follow import RunFailed
from studio.cli.inspect import inspect
from studio.cli.options import GivenData, changes_given, choices_given, evaluation_data_given, roles_given, run_config
from studio.cli.parser import make_parser
from studio.cli.train import resume, train
from studio.compare.answering import GenerationSettings
from studio.errors import StudioError
from studio.logs import VERBOSE, log_to_stderr
from studio.settings import Settings, home_folder, read_settings
from studio.studio import open_studio

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
    if options.command is not None:  # given by the person at this machine, not by a visitor
        settings = dataclasses.replace(settings, host=LOOPBACK)
    studio = open_studio(settings)
    try:
        if options.command == "train":
            return train(
                studio,
                config=run_config(options),
                data=GivenData(options.data, roles_given(options), choices_given(options)),
                eval_data=evaluation_data_given(options),
                changes=changes_given(options),
                console=console,
            )
        if options.command == "resume":
            return resume(studio, run_id=options.run, console=console)
        if options.command == "evaluate":
            return evaluate(
                studio,
                run_id=options.run,
                data=GivenData([options.data], roles_given(options), choices_given(options)) if options.data else None,
                rows=options.rows,
                longest=options.longest,
                probes=options.probes,
                tasks=options.tasks,
                questions=options.questions,
                as_json=options.json,
                console=console,
            )
        if options.command == "compare":
            return compare(
                studio,
                run_id=options.run,
                prompts=options.prompts,
                generation=GenerationSettings(options.system, options.temperature, options.longest, options.seed),
                as_json=options.json,
                console=console,
                strengths=options.strength or (1.0,),
            )
        if options.command == "demo":
            return demo(studio, console=console)
        from studio.cli.serve import serve  # gradio takes seconds to import, and only the page needs it

        return serve(studio, fetch_starter=not options.no_starter, console=console)
    finally:
        studio.close()


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
    return settings
