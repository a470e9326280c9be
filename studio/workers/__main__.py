"""`python -m studio.workers train|export|blend|evaluate|prepare|import|tokens|calibrate|chat ...`: a process for a job.

The server passes the number of an open file that holds the job's lock, so that the lock is held from before the process
exists until it ends, whatever ends it.
"""

import argparse
import functools
import logging
import os
import sys
import tempfile
import warnings
from pathlib import Path

from studio.jobs.calibration import machine_paths
from studio.jobs.evaluations import evaluation_paths
from studio.jobs.standard_tasks import QUESTIONS
from studio.logs import log_to_stderr
from studio.runs import lock
from studio.runs.launcher import import_paths, model_paths, token_paths
from studio.runs.store import RunFolder
from studio.workers.job import help_job, run_job
from studio.workers.ranks import end_with_the_first, rank


def main(arguments: list[str]) -> int:
    """Run the job that the arguments name and return the exit status."""
    options = _parser().parse_args(arguments)
    quiet_libraries()
    if options.lock_fd is not None:
        os.set_inheritable(options.lock_fd, False)
        lock.name_self(options.lock_fd)
    if options.job == "train":
        from studio.workers.train import clean_up, train_run

        run = RunFolder(Path(options.run))
        if rank() > 0:
            end_with_the_first()
            return help_job(lambda job: train_run(job, run=run, home=home_of(run)))
        return run_job(
            "train",
            run.events_path,
            lambda job: train_run(job, run=run, home=home_of(run)),
            ended=functools.partial(clean_up, run),
        )
    if options.job == "export":
        from studio.workers.export import export_run

        run = RunFolder(Path(options.run))
        events = run.exports / f"{options.kind}.events.jsonl"
        return run_job("export", events, lambda job: export_run(job, run=run, kind=options.kind, home=home_of(run)))
    if options.job == "blend":
        from studio.workers.blend import blend_run

        run = RunFolder(Path(options.run))
        return run_job("blend", run.events_path, lambda job: blend_run(job, run=run, home=home_of(run)))
    if options.job == "evaluate":
        from studio.workers.evaluate import Order, evaluate_run

        run = RunFolder(Path(options.run))
        order = Order(
            name=options.name,
            data=options.data,
            title=options.title,
            rows=options.rows,
            longest=options.longest,
            probes=options.probes,
            tasks=tuple(options.tasks),
            questions=options.questions,
            own_tasks=options.own_tasks,
        )
        events = evaluation_paths(run, options.name).events
        events.parent.mkdir(exist_ok=True)
        return run_job("evaluate", events, lambda job: evaluate_run(job, run=run, order=order, home=home_of(run)))
    home = Path(options.home)
    if options.job == "prepare":
        from studio.workers.prepare import prepare

        events = model_paths(options.model, home).events
        return run_job("prepare", events, lambda job: prepare(job, name=options.model, home=home))
    if options.job == "calibrate":
        from studio.workers.calibrate import calibrate

        return run_job("calibrate", machine_paths(home).events, lambda job: calibrate(job, home=home))
    if options.job == "import":
        from studio.workers.add_data import add_data, bound_memory

        bound_memory()
        folder = Path(options.folder)
        # What is unpacked lies in the data folder: it goes with the import, and the system's own may be in memory.
        tempfile.tempdir = str(folder / "files")
        return run_job("import", import_paths(folder).events, lambda job: add_data(job, folder=folder, home=home))
    if options.job == "tokens":
        from studio.workers.token_counts import write_token_counts

        target = Path(options.target)
        return run_job(
            "tokens",
            token_paths(target).events,
            lambda job: write_token_counts(
                job, examples=Path(options.examples), model=Path(options.model), target=target
            ),
        )
    from studio.workers.chat import chat

    return chat(home)


def quiet_libraries() -> None:
    """Keep what libraries say to programmers out of the log: it is shown to the person, who looks for trouble there."""
    log_to_stderr(os.environ)
    warnings.simplefilter("ignore", FutureWarning)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


def home_of(run: RunFolder) -> Path:
    """Return the data folder that a run lies in: <home>/runs/<id>."""
    return run.path.absolute().parent.parent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m studio.workers")
    jobs = parser.add_subparsers(dest="job", required=True)
    train = jobs.add_parser("train")
    train.add_argument("run")
    export = jobs.add_parser("export")
    export.add_argument("run")
    export.add_argument("kind", choices=("adapter", "merged"))
    blend = jobs.add_parser("blend")
    blend.add_argument("run")
    evaluate = jobs.add_parser("evaluate")
    evaluate.add_argument("run")
    evaluate.add_argument("name")
    evaluate.add_argument("--data", type=Path, default=None)
    evaluate.add_argument("--title", default="")
    evaluate.add_argument("--rows", type=int, default=0)
    evaluate.add_argument("--longest", type=int, default=0)
    evaluate.add_argument("--no-probes", dest="probes", action="store_false")
    evaluate.add_argument("--no-own-tasks", dest="own_tasks", action="store_false")
    evaluate.add_argument("--tasks", nargs="*", default=[])
    evaluate.add_argument("--questions", type=int, default=QUESTIONS)
    prepare = jobs.add_parser("prepare")
    prepare.add_argument("model")
    chat = jobs.add_parser("chat")
    calibrate = jobs.add_parser("calibrate")
    add_data = jobs.add_parser("import")
    add_data.add_argument("folder")
    tokens = jobs.add_parser("tokens")
    tokens.add_argument("examples")
    tokens.add_argument("model")
    tokens.add_argument("target")
    for each in (prepare, chat, calibrate, add_data, tokens):
        each.add_argument("--home", required=True)
    for each in (train, export, blend, evaluate, prepare, chat, calibrate, add_data, tokens):
        each.add_argument("--lock-fd", type=int, default=None)
    return parser


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)  # everything is written; taking PyTorch down in order would hold the memory for seconds more
