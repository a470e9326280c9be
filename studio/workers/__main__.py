"""`python -m studio.workers run TASK`: a process for one job, which does what the task file says.

The server passes the number of an open file that holds the job's lock, so that the lock is held from before the process
exists until it ends, whatever ends it.
"""

import argparse
import functools
import importlib
import logging
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from studio.jobs.tasks import (
    Calibrate,
    Chat,
    CheckPlace,
    CountTokens,
    Evaluate,
    Export,
    Import,
    MakeBlend,
    PrepareModel,
    Publish,
    Task,
    Train,
    TrainElsewhere,
    read_task,
)
from studio.logs import log_to_stderr
from studio.runs import lock
from studio.workers.job import help_job, run_job
from studio.workers.ranks import end_with_the_first, is_first_of_its_node, rank

WORK: dict[type[Task], str] = {
    Train: "train:train_run",
    TrainElsewhere: "elsewhere:train_elsewhere",
    CheckPlace: "check_place:check_place",
    Export: "export:export_run",
    Publish: "publish:publish_run",
    MakeBlend: "blend:blend_run",
    Evaluate: "evaluate:evaluate_run",
    PrepareModel: "base_model:prepare",
    Import: "add_data:bring_in",
    CountTokens: "token_counts:write_token_counts",
    Calibrate: "calibrate:calibrate",
    Chat: "chat:chat",
}
"""The module and the function that does each task. What a task needs is imported for that one alone."""

AFTERWARDS: dict[type[Task], str] = {Train: "train:clean_up", TrainElsewhere: "elsewhere:clean_up"}
"""What is told the last event, once that is written."""


def main(arguments: list[str]) -> int:
    """Do the task that the arguments name and return the exit status."""
    options = _parser().parse_args(arguments)
    quiet_libraries()
    if options.lock_fd is not None:
        os.set_inheritable(options.lock_fd, False)
        lock.name_self(options.lock_fd)
    task = read_task(options.task)
    work = work_of(WORK[type(task)])
    if isinstance(task, Chat):
        return int(work(task))
    if rank() > 0:
        end_with_the_first()
        return help_job(lambda job: work(job, task), task.paths.events if is_first_of_its_node() else None)
    after = AFTERWARDS.get(type(task))
    ended = functools.partial(work_of(after), task) if after else lambda event: None
    return run_job(task.job, task.paths.events, lambda job: work(job, task), ended=ended)


def quiet_libraries() -> None:
    """Keep what libraries say to programmers out of the log: it is shown to the person, who looks for trouble there."""
    log_to_stderr(os.environ)
    warnings.simplefilter("ignore", FutureWarning)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def work_of(place: str) -> Callable[..., Any]:
    """Import the function that a table names."""
    module, _, name = place.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(f"studio.workers.{module}"), name)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studio.workers")
    run = parser.add_subparsers(required=True).add_parser("run")
    run.add_argument("task", type=Path)
    run.add_argument("--lock-fd", type=int, default=None)
    return parser


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # everything is written; taking PyTorch down in order would hold the memory for seconds more
