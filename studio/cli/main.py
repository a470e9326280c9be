"""The command line: reads arguments and environment, builds one `Studio`, and hands it to the page or to a command.

Exit status: 0 when all went well, 1 when a run failed, 2 when what was given cannot be used.
"""

import argparse
import dataclasses
import errno
import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from studio.cli.compare import compare, strengths
from studio.cli.demo import demo
from studio.cli.evaluate import evaluate
from studio.cli.follow import RunFailed
from studio.cli.inspect import inspect
from studio.cli.options import (
    EVALUATION_PREFIX,
    GivenData,
    add_data_options,
    add_reading_options,
    add_run_options,
    changes_given,
    choices_given,
    evaluation_data_given,
    roles_given,
    run_config,
)
from studio.cli.train import resume, train
from studio.compare.answering import GenerationSettings
from studio.config import setting_named
from studio.errors import StudioError
from studio.jobs.standard_tasks import QUESTIONS
from studio.settings import Settings, home_folder, read_settings
from studio.studio import open_studio

LOOPBACK = "127.0.0.1"
FAILED = 1
BAD_INPUT = 2


def main(arguments: Sequence[str]) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal may not know every letter of the data
    errors = Console(stderr=True, highlight=False)
    try:
        return _run(options, Console(highlight=False))
    except RunFailed as error:
        errors.print(str(error), style="red", markup=False, soft_wrap=True)
        return FAILED
    except StudioError as error:
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
    if getattr(options, "host", None) is not None:
        settings = dataclasses.replace(settings, host=options.host)
    if getattr(options, "port", None) is not None:
        settings = dataclasses.replace(settings, port=options.port)
    if options.open:
        settings = dataclasses.replace(settings, open=True)
    return settings


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python app.py",
        description="Fine-tune a language model and see what changed. Without a command, serves the page.",
    )
    parser.add_argument("--home", metavar="FOLDER", help="where everything is kept (default: ~/.lora-studio)")
    parser.add_argument("--host", help="the address to listen on (default: STUDIO_HOST, 127.0.0.1)")
    parser.add_argument("--port", type=_port, help="the port to listen on (default: STUDIO_PORT, 7860)")
    parser.add_argument(
        "--open", action="store_true", help="let everybody who can reach the address in, without a password"
    )
    parser.add_argument("--no-starter", action="store_true", help="do not fetch the starter model when the page starts")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    commands.add_parser("demo", help="the whole path on a bundled sample: train, compare, export, check")
    train_command = commands.add_parser("train", help="train an adapter on a file of examples")
    train_command.add_argument("--data", required=True, nargs="+", type=Path, metavar="FILE", help="the examples")
    train_command.add_argument(
        "--eval-data", type=Path, metavar="FILE", help="examples to score on, instead of a held-out share of the data"
    )
    add_data_options(train_command)
    add_reading_options(train_command, prefix=EVALUATION_PREFIX, of=" of --eval-data")
    add_run_options(train_command)
    resume_command = commands.add_parser("resume", help="let a run go on that ended before it was done")
    resume_command.add_argument("run", metavar="RUN", help="its name in the data folder: that of its folder in runs/")
    evaluate_command = commands.add_parser("evaluate", help="score a run beside its base, and what it forgot")
    evaluate_command.add_argument("run", metavar="RUN", help="its name in the data folder: that of its folder in runs/")
    evaluate_command.add_argument(
        "--data", type=Path, metavar="FILE", help="examples to score on, not the held-out ones"
    )
    add_reading_options(evaluate_command, of=" of --data")
    evaluate_command.add_argument(
        "--rows",
        type=_rows,
        default=0,
        metavar="NUMBER",
        help="at most so many rows (default: all, or as many as take five minutes)",
    )
    evaluate_command.add_argument(
        "--longest",
        type=_tokens,
        default=0,
        metavar="TOKENS",
        help="the longest answer (default: twice as long as the expected one and 16 more, at most 256)",
    )
    evaluate_command.add_argument(
        "--no-probes", dest="probes", action="store_false", help="do not ask what was forgotten of general knowledge"
    )
    evaluate_command.add_argument(
        "--tasks",
        type=lambda text: text.split(","),
        default=[],
        metavar="NAMES",
        help="standard tasks besides, by lm-evaluation-harness: hellaswag,arc_easy (needs requirements-tasks.txt)",
    )
    evaluate_command.add_argument(
        "--questions",
        type=_questions,
        default=QUESTIONS,
        metavar="NUMBER",
        help=f"at most so many questions of each standard task (default: {QUESTIONS})",
    )
    evaluate_command.add_argument("--json", action="store_true", help="print one JSON object")
    compare_command = commands.add_parser("compare", help="ask a run and its base model the same prompts")
    compare_command.add_argument("run", metavar="RUN", help="its name in the data folder: that of its folder in runs/")
    compare_command.add_argument(
        "--prompts",
        required=True,
        type=Path,
        metavar="FILE",
        help="a text with one prompt a line, or a CSV or JSON Lines file with a column 'prompt'",
    )
    compare_command.add_argument(
        "--strength",
        type=strengths,
        action="extend",
        metavar="S[,S...]",
        help="how strongly the adapter speaks, 0 to 1.5; several make a column each (default: 1, as it was trained)",
    )
    compare_command.add_argument("--system", default="", metavar="TEXT", help="a system prompt for all of them")
    compare_command.add_argument(
        "--temperature", type=float, default=0.0, help="0 always takes the likeliest word (default: 0)"
    )
    compare_command.add_argument(
        "--longest", type=int, default=160, metavar="TOKENS", help="the longest answer (default: 160)"
    )
    compare_command.add_argument("--seed", type=int, default=42, help="the seed of the sampling (default: 42)")
    compare_command.add_argument("--json", action="store_true", help="print one JSON object")
    inspect_command = commands.add_parser("inspect", help="what the Data tab knows of a file")
    inspect_command.add_argument("file", type=Path, nargs="+", metavar="FILE")
    add_data_options(inspect_command)
    inspect_command.add_argument("--json", action="store_true", help="print one JSON object")
    inspect_command.add_argument(
        "--model",
        default="starter",
        help="count tokens as this model does, if it is here (default: starter)",
    )
    inspect_command.add_argument(
        "--max-length", type=int, default=setting_named("max_length").default, help="the longest example, in tokens"
    )
    return parser


def _rows(text: str) -> int:
    return _count(text, "rows")


def _tokens(text: str) -> int:
    return _count(text, "tokens")


def _questions(text: str) -> int:
    return _count(text, "questions")


def _count(text: str, noun: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is not a number of {noun} from 1 on")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or len(text) > 5 or not 1 <= int(text) <= 65_535:
        raise argparse.ArgumentTypeError(f"'{text}' is not a port number from 1 to 65535")
    return int(text)
