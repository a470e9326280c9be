"""A fuzzer for archives of runs: a damaged archive is brought in, and the run is opened on every tab.

    python tests/fuzz/fuzz_archives.py --seconds 600 [--seed 1] [--findings FOLDER]

An exception that is no StudioError, a hang, a killed process and a file written outside the run are findings: each is
printed with its seed, and its archive kept in the findings folder; `--seed N --cases 1` plays one again. The work
is done in a process with a bound of memory. Not collected by pytest; exit status 1 when something was found.
"""

import argparse
import asyncio
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT))

CASE_SECONDS = 20
MEMORY_BYTES = 6 * 2**30
VIEWS = (
    ("train-run", "change"),
    ("evaluate-run", "change"),
    ("export-run", "change"),
    ("runs-search", "change"),
    ("train-compare", "click"),
    ("train-data", "click"),
    ("compare-model-1", "input"),
    ("runs-pack", "click"),
)


class Hang(Exception):
    """A case took longer than it may."""


def honest_files(folder: Path) -> dict[str, bytes]:
    """Make a finished run with an evaluation as the studio itself does, and return the files of its archive."""
    from studio.config import RunConfig
    from tests.security.hostile_archives import honest
    from tests.ui.fake_studio import finished_run, open_fake_studio
    from tests.ui.made_up import write

    studio = open_fake_studio(folder / "origin", clock=time.time)
    run = finished_run(studio, dataset_id=studio.data.add_sample("order_slips").id, config=RunConfig(name="honest"))
    write(run)
    studio.runs.describe(run.id, name="A name", note="A note")
    for name, content in honest("honest").items():
        if name.startswith("adapter/"):
            (run.path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with zipfile.ZipFile(studio.archive_run(run.id)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


class Opened:
    """A studio with its page, into which archives are brought one after the other."""

    def __init__(self, folder: Path) -> None:
        from gradio.state_holder import SessionState

        from studio.ui.app import build_app
        from tests.ui.fake_studio import open_fake_studio

        self.folder = folder
        self.studio = open_fake_studio(folder / "home", clock=time.time)
        self.studio.runs.folder.mkdir(parents=True)
        self.page = build_app(self.studio)
        self.session = SessionState(self.page)
        self.ids = {str(block.elem_id): id for id, block in self.page.blocks.items() if getattr(block, "elem_id", None)}

    def case(self, archive: bytes) -> Iterator[str]:
        """Bring one archive in and look at it everywhere; yields what is wrong, if anything is."""
        from studio.errors import StudioError

        before = self.paths()
        path = self.folder / "brought.run.zip"
        path.write_bytes(archive)
        try:
            run = self.studio.import_run(path).id
        except StudioError:
            run = ""
        after = self.paths()
        own = str(self.studio.runs.folder / run) if run else "\0"
        outside = sorted(each for each in after - before if not each.startswith(own) and not each.endswith("run.zip"))
        if outside:
            yield f"written outside the run: {outside[:3]}"
        if run:
            yield from self.look(run)
            self.studio.delete_run(run)
            self.studio.runs.empty_bin()

    def look(self, run: str) -> Iterator[str]:
        """Do what a start of the server does with the run there, then open it on every tab."""
        from studio.errors import StudioError

        for act in (self.studio.recover, self.studio.tick, lambda: self.studio.summaries.look(fresh=True)):
            try:
                act()
            except StudioError:
                continue
            except (Hang, MemoryError):
                raise
            except Exception:
                yield traceback.format_exc()
        for name, event in VIEWS:
            yield from self.call(name, event, run)
        for api in ("run_status", "run_notice"):
            function = next(each for each in self.page.fns.values() if each.api_name == api)
            yield from self._run(function, [run], api)

    def call(self, name: str, event: str, run: str) -> Iterator[str]:
        function = next(each for each in self.page.fns.values() if (self.ids[name], event) in each.targets)
        given = {self.ids[name]: run, self.ids["train-run"]: run}
        if name.startswith("runs-"):
            given = {}
        inputs = [given.get(block._id, getattr(block, "value", None)) for block in function.inputs]
        yield from self._run(function, [None if callable(each) else each for each in inputs], f"{name}.{event}")

    def _run(self, function: Any, inputs: list[Any], name: str) -> Iterator[str]:
        """Call a listener as the server does; what the page would call its own mistake is a finding."""
        import gradio as gr

        try:
            asyncio.run(self.page.process_api(function, inputs, state=self.session))
        except gr.Error as error:
            if error.title == "Our mistake":
                yield f"{name}: " + "".join(traceback.format_exception(error.__cause__))

    def paths(self) -> set[str]:
        return {str(each) for each in self.folder.rglob("*")}


def work(folder: Path, seed: int, cases: int, end: float) -> None:
    """Play case after case, saying on the standard output which one is begun and what was found."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    from tests.fuzz.mutating import damaged

    def ring(*_: object) -> None:
        raise Hang

    signal.signal(signal.SIGALRM, ring)
    files = honest_files(folder)
    opened = Opened(folder)
    say("ready")
    for number in range(seed, seed + cases):
        if time.time() > end:
            break
        say(f"begin {number}")
        archive = damaged(files, random.Random(number))
        signal.alarm(CASE_SECONDS)
        try:
            for found in opened.case(archive):
                finding(folder, number, archive, found)
        except Hang:
            finding(folder, number, archive, "it hung: " + traceback.format_exc())
        except Exception:
            finding(folder, number, archive, traceback.format_exc())
        signal.alarm(0)


def finding(folder: Path, number: int, archive: bytes, text: str) -> None:
    (folder / f"{number}.zip").write_bytes(archive)
    say("found " + f"{number} " + repr(text))


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main() -> int:
    """Fuzz as the arguments say. A process that dies is a finding, and the next one goes on behind its case."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=10**9)
    parser.add_argument("--findings", type=Path, default=Path(tempfile.gettempdir()) / "fuzz-archives")
    parser.add_argument("--work", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--end", type=float, default=0.0, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(given.work, given.seed, given.cases, given.end)
        return 0
    given.findings.mkdir(parents=True, exist_ok=True)
    end = time.time() + given.seconds
    number, last, kinds = given.seed, given.seed + given.cases, dict[str, int]()
    while time.time() < end and number < last:
        number = 1 + watch(given.findings, number, last - number, end, kinds)
    say(f"{number - given.seed} archives, {len(kinds)} kinds of findings.")
    for kind, first in kinds.items():
        say(f"  {kind} (first with seed {first})")
    return 1 if kinds else 0


def watch(findings: Path, seed: int, cases: int, end: float, kinds: dict[str, int]) -> int:
    """Let one process work; prints each new kind of finding. Returns the last case it began."""
    with tempfile.TemporaryDirectory(prefix="fuzz-archives-") as name:
        command = [sys.executable, __file__, "--work", name, "--seed", str(seed), "--cases", str(cases)]
        process = subprocess.Popen([*command, "--end", str(end)], stdout=subprocess.PIPE, text=True, cwd=PROJECT)
        assert process.stdout is not None
        current, shown, is_ready = seed, time.time(), False
        for line in process.stdout:
            word, _, rest = line.partition(" ")
            is_ready = is_ready or word.strip() == "ready"
            if word == "begin":
                current = int(rest)
            if word == "found":
                seed_text, _, text = rest.partition(" ")
                note(findings, Path(name), int(seed_text), text.strip(), kinds)
            if time.time() - shown > 10:
                shown = time.time()
                say(f"case {current}, {len(kinds)} kinds of findings, {max(0.0, end - time.time()):.0f} s left")
        if process.wait() != 0:
            if not is_ready:
                raise SystemExit("The fuzzer's own process ended before its first case; its trace stands above.")
            note(findings, Path(name), current, f"'the process ended with {process.returncode}'", kinds)
        return current


def note(findings: Path, work: Path, number: int, text: str, kinds: dict[str, int]) -> None:
    """Print a finding of a kind that was not seen before, and keep its archive."""
    trace = text.encode().decode("unicode_escape", "replace").strip("'\"")
    lines = [line.strip() for line in trace.strip().splitlines()]
    places = [line for line in lines if line.startswith("File") and "/studio/" in line]
    kind = f"{lines[-1][:100] if lines else ''} at {places[-1] if places else '?'}"
    if kind in kinds:
        return
    kinds[kind] = number
    say(f"FOUND with seed {number}: {kind}\n{trace}")
    archive = work / f"{number}.zip"
    if archive.is_file():
        (findings / archive.name).write_bytes(archive.read_bytes())


if __name__ == "__main__":
    sys.exit(main())
