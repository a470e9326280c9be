"""Parts that run in processes of their own, forked from one that has the libraries, each with its own time.

A part that fails, hangs or runs out of memory leaves the others as they are. What it finds it writes at once, one JSON
object a line, so nothing is lost with it. Timed work holds a lock; loading does not, so that the next part is ready.
"""

import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpu.shapes import Scale

LOOK_SECONDS = 0.05


@dataclass(frozen=True)
class Bench:
    """Where a part works: `work` holds the models, `out` the results."""

    work: Path
    out: Path
    scale: Scale
    device: str
    cap_gib: float
    profiles: bool = False

    @property
    def results(self) -> Path:
        return self.out / "results.jsonl"

    def record(self, part: str, **found: Any) -> None:
        """Keep what was found, and print it."""
        line = json.dumps({"part": part, **found}, default=str)
        with self.results.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        sys.stdout.write(line[:1500] + "\n")
        sys.stdout.flush()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the GPU: whatever is timed is timed alone."""
        with (self.work / "gpu.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def model(self, name: str, *, seconds: float = 90.0) -> Path:
        """Wait until a model is written; returns its folder."""
        end = time.monotonic() + seconds
        while not (self.work / f"{name}.ready").exists():
            if time.monotonic() > end:
                raise TimeoutError(f"{name} was not written within {seconds:.0f} s")
            time.sleep(LOOK_SECONDS)
        return self.work / name


@dataclass(frozen=True)
class Part:
    """One thing to find out, and the seconds that it may take."""

    name: str
    run: Callable[[Bench], None]
    seconds: float


@dataclass
class _Child:
    part: Part
    pid: int
    began: float


def run_parts(parts: Sequence[Part], bench: Bench, *, at_once: int, until: float) -> None:
    """Run the parts in order, so many at once, until `until` on the monotonic clock."""
    waiting, running = list(parts), list[_Child]()
    while waiting or running:
        while waiting and len(running) < at_once and time.monotonic() < until:
            part = waiting.pop(0)
            running.append(_Child(part, _fork(part, bench), time.monotonic()))
        if not running:
            break
        time.sleep(LOOK_SECONDS)
        for child in list(running):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            took = round(time.monotonic() - child.began, 1)
            if pid:
                running.remove(child)
                bench.record("process", of=child.part.name, seconds=took, status=os.waitstatus_to_exitcode(status))
            elif took > child.part.seconds or time.monotonic() > until + 1:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
                running.remove(child)
                bench.record("process", of=child.part.name, seconds=took, status="ended, its time was over")
    for part in waiting:
        bench.record("process", of=part.name, seconds=0, status="not started, the time was over")


def _fork(part: Part, bench: Bench) -> int:
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        os.setsid()
        log = os.open(bench.out / "log.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(log, 1)
        os.dup2(log, 2)
        part.run(bench)
        status = 0
    except BaseException as error:
        bench.record(
            part.name, error=f"{type(error).__name__}: {error}"[:600], trace=_both_ends(traceback.format_exc())
        )
    finally:
        sys.stdout.flush()
        os._exit(status)


def _both_ends(trace: str) -> str:
    return trace if len(trace) <= 8000 else f"{trace[:3000]}\n...\n{trace[-5000:]}"
