"""How fast the page is: what a load asks for, until when it can be used, how long a tab takes, what it asks while idle.

    python benchmarks/pages.py --rounds 5
    python benchmarks/pages.py --rounds 5 --runs 500 --data-sets 50
    python benchmarks/pages.py --rounds 3 --idle 0 --runs 100000 --data-sets 10000
    python benchmarks/pages.py --root FOLDER-OF-ANOTHER-VERSION

Starts the studio on a folder of its own, empty or seeded, and opens its page in headless Chromium, each round in a new
profile. "Usable" is when the second way to bring data reacts to a press, or what the ways are folded into where there
is data already; "drawn" is when a tab has painted all that its opening asked for. Of a data folder with very many runs
most are copies of some, whose large files are links.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil
from common import ROOT, say
from playwright.sync_api import Browser, Page, sync_playwright

TABS = ("configure", "train", "compare", "evaluate", "export", "runs", "data")
QUIET_SECONDS = 0.6
"""After so long without a request the page has drawn what it asked for."""

PATIENCE_SECONDS = 120.0

MADE = 500
"""So many runs and data sets are made as a person makes them; those beyond are copies of the last."""


@dataclass(frozen=True)
class Load:
    """One load of the page. Bytes are those on the wire, seconds count from the press of Enter."""

    requests: int
    kilobytes: float
    usable: float
    settled: float
    browser_seconds: float
    """Of the processor, until it was settled: on a busy machine these tell more than seconds on the clock."""
    server_seconds: float


@dataclass(frozen=True)
class Round:
    """What one visitor met."""

    first: Load
    again: Load
    opened: dict[str, float]
    """Seconds until each tab is painted for the first time, and `again` the second time; `drawn` with its data."""
    opened_again: dict[str, float]
    drawn: dict[str, float]
    idle: dict[str, float]
    """Requests a second while nothing happens, by the tab that is open."""


def main() -> int:
    """Run the benchmark."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="pages-") as folder:
        home = options.home or Path(folder) / "home"
        if options.runs or options.data_sets:
            seed(home, runs=options.runs, data_sets=options.data_sets)
        with _served(options.root, home) as (address, server), sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            _visit(browser, address, idle=0)  # the server has read and made what it keeps
            rounds = [_visit(browser, address, idle=options.idle) for _ in range(options.rounds)]
            browser.close()
            say(f"the server holds {server.memory_info().rss / 2**20:,.0f} MiB")
    _report(rounds)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in rounds], indent=1), encoding="utf-8")
    return 0


def seed(home: Path, *, runs: int, data_sets: int) -> None:
    """Write so many data sets, and finished runs of them, as a person has after some months; copies from MADE on."""
    sys.path.insert(0, str(ROOT))
    from studio.config import RunConfig
    from studio.events import Evaluated, Finished, Loaded, Prepared, Saved, Started, Stepped
    from studio.runs.event_log import EventLog
    from studio.settings import Settings
    from studio.studio import open_studio

    studio = open_studio(Settings(home=home))
    sample = studio.data.samples()[0]
    sets = [studio.data.add_sample(sample.key)]
    for number in range(1, max(1, min(data_sets, MADE))):
        copy = home / "seed.jsonl"
        lines = sample.file.read_text(encoding="utf-8").splitlines()
        copy.write_text("\n".join(lines[number % 7 :]) + "\n", encoding="utf-8")
        sets.append(studio.data.add([copy], name=f"Answers of week {number}"))
        copy.unlink()
    for number in range(min(runs, MADE)):
        dataset = sets[number % len(sets)]
        examples = list(studio.data.examples(dataset.id))
        run = studio.runs.create(
            RunConfig(name=f"Try {number + 1}"),
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            dataset_sha256=dataset.sha256,
            train=examples[8:],
            validation=examples[:8],
        )
        (run.path / "adapter").mkdir()
        (run.path / "adapter" / "adapter_config.json").write_text("{}", encoding="utf-8")
        log = EventLog(run.events_path, time.time)
        log.emit(Started(process_id=2_000_000_000, job="train"))
        log.emit(Loaded(134_515_584, 4_884_480, "cpu", "fp32", ("q_proj", "v_proj")))
        log.emit(Prepared(len(examples) - 8, 8, 0, 18_400, 6_900, 60))
        for step in range(1, 61):
            log.emit(Stepped(step, step / 20, 3.0 / step + number % 9 / 10, 5e-4, 1.0, 240.0, 1.9))
        for event in (
            Evaluated(60, 1.2 + number % 11 / 10),
            Saved(60, "adapter"),
            Finished("finished", "Done.", 120.0),
        ):
            log.emit(event)
        log.close()
    studio.close()
    _copy(home / "datasets", data_sets, "dataset.json", name="Answers of week {}")
    _copy(home / "runs", runs, "config.json", name="Try {}")


def _copy(folder: Path, count: int, document: str, *, name: str) -> None:
    """Copy in turn what was made until there are `count`, each with a name of its own in its document."""
    made = sorted(each for each in folder.iterdir() if each.is_dir() and not each.name.startswith("."))
    for number in range(MADE, count):
        one = made[number % MADE]
        copy = folder / f"{one.name}-{number + 1}"
        shutil.copytree(one, copy, copy_function=os.link)  # a file system has a bound on the links to one file
        known = json.loads((copy / document).read_text(encoding="utf-8"))
        (copy / document).unlink()
        fresh = {**known, "name": name.format(number), **({"id": copy.name} if "id" in known else {})}
        (copy / document).write_text(json.dumps(fresh), encoding="utf-8")


@contextlib.contextmanager
def _served(root: Path, home: Path) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "app.py", "--home", str(home.absolute()), "--port", str(port), "--no-starter"]
    began = time.monotonic()
    server = subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 400
        while True:
            try:
                urllib.request.urlopen(address, timeout=30).close()
                break
            except OSError:
                if time.monotonic() > deadline or server.poll() is not None:
                    raise SystemExit("The studio did not come up.") from None
                time.sleep(0.05)
        say(f"page up after {time.monotonic() - began:.1f} s")
        yield address, psutil.Process(server.pid)
    finally:
        server.terminate()
        server.wait()


class _Traffic:
    """What a page asks for: how much, and whether something is on its way. Streams of events are not waited for."""

    def __init__(self, page: Page) -> None:
        self.requests, self.bytes, self.changed, self.last = 0, 0.0, time.monotonic(), ""
        self._open: set[str] = set()
        devtools = page.context.new_cdp_session(page)
        devtools.send("Network.enable")
        devtools.on("Network.requestWillBeSent", self._begin)
        devtools.on("Network.requestServedFromCache", lambda event: self._end(event, counts=False))
        devtools.on("Network.loadingFinished", self._end)
        devtools.on("Network.loadingFailed", self._end)

    def _begin(self, event: dict) -> None:
        url = event["request"]["url"]
        if not url.startswith("http"):
            return
        self.requests, self.changed = self.requests + 1, time.monotonic()
        if event.get("type") != "EventSource" and not re.search(r"/(heartbeat/|queue/data|studio/changes)", url):
            self._open.add(event["requestId"])

    def _end(self, event: dict, *, counts: bool = True) -> None:
        if event["requestId"] in self._open:
            self._open.discard(event["requestId"])
            self.changed = time.monotonic()
            self.requests -= not counts or event.get("encodedDataLength") == 0
        self.bytes += event.get("encodedDataLength", 0.0)

    def settle(self, page: Page) -> float:
        """Wait until nothing is asked any more; return when that began, in seconds of `time.monotonic`."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline and (self._open or time.monotonic() - self.changed < QUIET_SECONDS):
            page.wait_for_timeout(20)
        return self.changed


_WATCH_USABLE = """() => {
  let pressed = -1000;
  const look = setInterval(() => {
    const folded = document.querySelector('#tabs button.label-wrap');
    const way = document.querySelectorAll('.ls-ways button[role=tab]')[1] ?? folded;
    if (!way) return;
    const reacted = way === folded ? way.classList.contains('open') : way.getAttribute('aria-selected') === 'true';
    if (reacted) { window.usable = performance.now(); clearInterval(look); }
    else if (performance.now() - pressed > 500) { pressed = performance.now(); way.click(); }
  }, 20);
}"""
_OPEN = """async (id) => {
  const tab = document.querySelector(`#tabs button[role=tab][data-tab-id=${id}]`);
  const began = performance.now();
  tab.click();
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  for (;;) {
    await frame();
    const panels = [...document.querySelectorAll('#tabs > div > [role=tabpanel], #tabs > [role=tabpanel]')];
    const panel = panels.find((each) => each.checkVisibility());
    if (tab.getAttribute('aria-selected') === 'true' && panel?.querySelector('h2, input, button')
      && panel !== window.left) { window.left = panel; break; }
    if (performance.now() - began > 30000) return null;
  }
  await frame(); await frame();
  return (performance.now() - began) / 1000;
}"""


def _visit(browser: Browser, address: str, *, idle: float) -> Round:
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    page = context.new_page()
    page.add_init_script(f"({_WATCH_USABLE})()")
    traffic = _Traffic(page)
    first = _load(page, traffic, address)
    again = _load(page, traffic, address)
    opened, drawn, resting = {}, {}, {}
    resting["data"] = _rest(page, traffic, idle)
    for id in TABS:
        began = time.monotonic()
        opened[id] = page.evaluate(_OPEN, id) or PATIENCE_SECONDS
        drawn[id] = max(opened[id], traffic.settle(page) - began)
        if id == "train":
            resting[id] = _rest(page, traffic, idle)
    opened_again = {}
    for id in TABS:
        opened_again[id] = page.evaluate(_OPEN, id) or PATIENCE_SECONDS
        traffic.settle(page)
    context.close()
    return Round(first, again, opened, opened_again, drawn, resting)


def _load(page: Page, traffic: _Traffic, address: str) -> Load:
    traffic.requests, traffic.bytes = 0, 0.0
    began, used = time.monotonic(), _used()
    page.goto(address, wait_until="commit")
    page.wait_for_function("window.usable", timeout=PATIENCE_SECONDS * 1000)
    settled = traffic.settle(page) - began
    browser, server = (after - before for after, before in zip(_used(), used, strict=True))
    usable = page.evaluate("window.usable") / 1000
    return Load(traffic.requests, traffic.bytes / 1000, usable, settled, browser, server)


def _used() -> tuple[float, float]:
    """Return the processor seconds of the pages in the browser, and of the studio's server."""
    browser = server = 0.0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command, times = process.cmdline(), process.cpu_times()
            browser += (times.user + times.system) * ("--type=renderer" in command)
            server += (times.user + times.system) * ("app.py" in command)
    return browser, server


def _rest(page: Page, traffic: _Traffic, seconds: float) -> float:
    if not seconds:
        return 0.0
    page.wait_for_timeout(8_000)  # what is drawn is sent once more a few seconds later
    traffic.requests = 0
    page.wait_for_timeout(seconds * 1000)
    return traffic.requests / seconds


def _report(rounds: list[Round]) -> None:
    load = os.getloadavg()
    say(f"{_processor()}; load {load[0]:.1f}, {load[1]:.1f}, {load[2]:.1f}; medians of {len(rounds)}, most in brackets")
    for name in ("first", "again"):
        loads = [getattr(each, name) for each in rounds]
        parts = [
            f"{_spread([getattr(each, part) for each in loads])} {unit}"
            for part, unit in (
                ("requests", "requests"),
                ("kilobytes", "kB"),
                ("usable", "s usable"),
                ("settled", "s settled"),
            )
        ]
        say(f"load {name}: {', '.join(parts)}")
    for id in TABS:
        first, drawn, again = (
            [getattr(each, part)[id] for each in rounds] for part in ("opened", "drawn", "opened_again")
        )
        say(f"{id}: painted {_spread(first)} s, drawn {_spread(drawn)} s, again {_spread(again)} s")
    for id in rounds[0].idle:
        say(f"idle on {id}: {_spread([each.idle[id] for each in rounds])} requests/s")


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3g} ({max(values):.3g})"


def _processor() -> str:
    told = subprocess.run(["lscpu"], capture_output=True, text=True).stdout
    flags = set(told.split("Flags:")[1].split("\n")[0].split()) if "Flags:" in told else set()
    named = [flag for flag in ("avx2", "avx512f", "amx_tile") if flag in flags]
    return f"{os.cpu_count()} cores, {', '.join(named) or 'no vector instructions named'}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--idle", type=float, default=15.0, help="seconds for which an idle page is watched")
    parser.add_argument("--runs", type=int, default=0, help="finished runs to write into the data folder first")
    parser.add_argument("--data-sets", type=int, default=0, help="data sets to write into the data folder first")
    parser.add_argument("--home", type=Path, help="the data folder; without it one of its own, deleted at the end")
    parser.add_argument("--root", type=Path, default=ROOT, help="the folder of the version to measure")
    parser.add_argument("--json", type=Path, help="where all measurements are written")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
