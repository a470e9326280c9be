"""What a hundred nodes and a hundred thousand runs need, from parts that `cluster.py` has measured.

Nothing here is assumed but what `Scale` names: how many there are of what, and how large an adapter is. Each line is a
need, what this machine was measured to have of it, and their ratio; where that is largest it breaks first.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from common import ROOT

sys.path.insert(0, str(ROOT))

from studio.events import Loaded, Stepped
from studio.jobs.places.storage import HttpStorage
from studio.ml.pacing import SAVE_SECONDS
from studio.runs.event_log import read_events
from studio.runs.scheduler import Scheduler
from studio.runs.store import RunFolder, RunStore
from studio.runs.summaries import Snapshot, Summaries
from studio.workers import agent, elsewhere
from tests.cluster.conftest import free_port

_LISTED = 1_000
START_SECONDS = 3.0
"""So long a server may take to start."""

_FILE_BYTES = 64 * 2**20
_KEY = "the-key-of-this-measurement-alone"


@dataclass(frozen=True)
class Scale:
    """What is asked for. `trainable` are the numbers that a run learns: 40 million are LoRA of a model of 7 billion."""

    nodes: int = 100
    runs: int = 100_000
    steps: int = 1_000
    trainable: int = 40_000_000
    run_seconds: float = 3600.0


@dataclass(frozen=True)
class Parts:
    """What was measured of one run, or of one of its parts."""

    carrier_mib: float
    """Memory of the process here of a run that trains elsewhere."""
    carrier_cores: float
    """The share of a core that it takes while the run steps."""
    checkpoint_bytes: float
    """The size of one of its checkpoints."""
    submit_seconds: float
    head_mib: float
    """Memory on the head of a run on several nodes: its job, and Ray Train's own processes."""


@dataclass(frozen=True)
class Need:
    """So much of something, of which there is so much here."""

    what: str
    needed: float
    there: float
    unit: str

    @property
    def ratio(self) -> float:
        return self.needed / self.there


def needs(run: RunFolder, short: RunFolder, parts: Parts, scale: Scale) -> Iterator[Need]:
    """Yield what the scale needs, from two finished runs and the parts. Copies of the short one are listed."""
    gib = 2**30
    records = read_events(run.events_path)[0]
    steps = sum(isinstance(each.event, Stepped) for each in records)
    trainable = next(each.event.trainable for each in records if isinstance(each.event, Loaded))
    per_number = parts.checkpoint_bytes / trainable
    files_a_second, bytes_a_second = file_server()
    events = scale.runs * scale.steps * run.events_path.stat().st_size / steps
    kept = sum(1 for path in run.path.rglob("*") if path.is_file())
    disk = shutil.disk_usage(run.path).free
    # Here: a report, a piece of events, and that deleted. There: whether to stop, a piece of events, and a report.
    asked = scale.nodes * (3 / elsewhere.LOOK_SECONDS + 3 / agent.LOOK_SECONDS)
    saved = scale.nodes * 2 * scale.trainable * per_number / SAVE_SECONDS
    yield Need("memory of the processes here", scale.nodes * parts.carrier_mib / 1024, memory_gib(), "GiB")
    yield Need("cores that they take", scale.nodes * parts.carrier_cores, os.cpu_count() or 1, "cores")
    yield Need(
        "memory on the head, all runs on two nodes", scale.nodes / 2 * parts.head_mib / 1024, memory_gib(), "GiB"
    )
    yield Need("files asked of the head", asked, files_a_second, "a second")
    yield Need("checkpoints to the head and from it", saved / gib, bytes_a_second / gib, "GiB a second")
    yield Need("seconds of submissions in each second", parts.submit_seconds * scale.nodes / scale.run_seconds, 1, "s")
    yield Need("a server that starts lists all runs", scale.runs * listing_seconds(short), START_SECONDS, "s")
    yield Need("events of all runs on the disk here", events / gib, disk / gib, "GiB")
    yield Need("files of all runs on the disk here", scale.runs * kept, os.statvfs(run.path).f_favail, "files")


def memory_gib() -> float:
    return float(psutil.virtual_memory().total / 2**30)


def listing_seconds(run: RunFolder) -> float:
    """Measure the seconds a run that a server which starts takes to list all, once an earlier one has read them."""
    with tempfile.TemporaryDirectory(prefix="listed-") as folder:
        home = Path(folder) / "home"
        for number in range(_LISTED):
            target = home / "runs" / f"20260101-{number:06d}-listed-run"
            left_out = shutil.ignore_patterns("*.safetensors", "*.lock")
            shutil.copytree(run.path, target, ignore=left_out, copy_function=os.link)
        _list(home)
        began = time.monotonic()
        found = _list(home)
        if len(found.runs) != _LISTED:
            raise SystemExit(f"{len(found.runs)} of {_LISTED} runs were listed")
        return (time.monotonic() - began) / _LISTED


def _list(home: Path) -> Snapshot:
    store = RunStore(home)
    scheduler = Scheduler(store, home, launch=_never, clock=time.time, make_room=lambda: None)
    return Summaries(store, waiting=scheduler.waiting, view=scheduler.view).read_all()


def _never(run: RunFolder) -> Callable[[], int]:
    raise SystemExit(f"{run.id} was started")


def file_server() -> tuple[float, float]:
    """Measure how many small files a second the files of a place are served at, and how many bytes of a large one."""
    with tempfile.TemporaryDirectory(prefix="served-") as folder, _served(Path(folder)) as storage:
        storage.write("runs/r/1/report.json", b"x" * 2000)
        taken = []
        deadline = time.monotonic() + 5
        while (began := time.monotonic()) < deadline:
            storage.read("runs/r/1/report.json", most_bytes=10_000)
            taken.append(time.monotonic() - began)
        large = Path(folder) / "large"
        large.write_bytes(os.urandom(2**20) * (_FILE_BYTES // 2**20))
        began = time.monotonic()
        storage.send("runs/r/files/large", large)
        storage.fetch("runs/r/files/large", Path(folder) / "back", size=_FILE_BYTES)
        return 1 / statistics.mean(taken), 2 * _FILE_BYTES / (time.monotonic() - began)


@contextmanager
def _served(folder: Path) -> Iterator[HttpStorage]:
    port = free_port()
    variables = {"STUDIO_FILES_FOLDER": str(folder / "served"), "STUDIO_FILES_PORT": str(port)}
    variables |= {"STUDIO_FILES_KEY": _KEY, "RAY_ADDRESS": "127.0.0.1:1"}
    command = [sys.executable, "-m", "studio.jobs.places.file_server"]
    server = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **variables}, stderr=subprocess.DEVNULL)
    try:
        storage = HttpStorage(f"http://127.0.0.1:{port}", _KEY)
        while not storage.answers():
            if server.poll() is not None:
                raise SystemExit("the files are not served")
            time.sleep(0.1)
        yield storage
    finally:
        server.kill()
        server.wait()


def on_paper(run: RunFolder, short: RunFolder, parts: Parts, scale: Scale) -> None:
    """Print what the scale needs, and where it breaks first."""
    write = sys.stdout.write
    write(f"\non paper: {scale.nodes} nodes at once, {scale.runs:,} runs of {scale.steps:,} steps, ")
    write(f"{scale.trainable:,} numbers learned in each\n")
    write(f"{'':<46}{'needed':>14}{'here':>14}{'ratio':>9}\n")
    found = sorted(needs(run, short, parts, scale), key=lambda need: -need.ratio)
    for each in found:
        write(f"{each.what:<46}{each.needed:>14,.2f}{each.there:>14,.2f}{each.ratio:>9.2f}  {each.unit}\n")
    first = found[0]
    write(f"it breaks first at: {first.what}, with {min(1.0, 1 / first.ratio):.1%} of that scale\n")
