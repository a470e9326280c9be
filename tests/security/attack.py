"""Play a hostile visitor against a studio on this machine, and say what it refused.

    STUDIO_HOME=/tmp/attacked STUDIO_PORT=7870 python app.py --no-starter
    python tests/security/attack.py --url http://127.0.0.1:7870 --home /tmp/attacked

One line for each attempt, `refused` or `OPEN`; exit status 1 when anything is open. Give the studio under attack a
home of its own: data sets and runs are added to it. Only a loopback address is attacked, every attempt is bounded in
number, time and size, and `ulimit -v` before the studio's start keeps the machine safe from one that is open.

Another attempt is one more generator of `Outcome` in the `GROUPS` of attack_archives.py, attack_requests.py,
attack_listeners.py or attack_limits.py.
"""

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.security import attack_archives, attack_limits, attack_listeners, attack_requests
from tests.security.attempts import Attempt, Outcome, Target, kept
from tests.security.crowd import Ordinary, Waits, crowd
from tests.security.visitor import Visitor

GROUPS: tuple[Attempt, ...] = (
    *attack_requests.GROUPS,
    *attack_archives.GROUPS,
    *attack_listeners.GROUPS,
    *attack_limits.GROUPS,
    attack_requests.logins,
)
MOST_WAIT_SECONDS = 2.0
"""What 95 of 100 answers to an ordinary visitor have to stay within, during the attack and among the crowd."""


def attack(target: Target, groups: tuple[Attempt, ...] = GROUPS, *, seconds: float = 1800.0) -> Iterator[Outcome]:
    """Make every attempt, and look after each group whether the page answers and nothing is gone. Stops in time."""
    deadline = time.monotonic() + seconds
    for group in groups:
        if time.monotonic() > deadline:
            yield Outcome(group.__name__, False, "the time was up", is_left_out=True)
            continue
        before = kept(target)
        try:
            for outcome in group(target):
                yield outcome
                if time.monotonic() > deadline:
                    yield Outcome(f"the rest of {group.__name__}", False, "the time was up", is_left_out=True)
                    break
        except (OSError, ValueError, KeyError, StopIteration, RuntimeError) as error:
            yield Outcome(group.__name__, True, f"the group broke off: {type(error).__name__}: {error}")
        if group is not attack_requests.logins:
            yield from still_there(target, group.__name__, before)


def still_there(target: Target, group: str, before: dict[str, set[str]]) -> Iterator[Outcome]:
    """Say whether the page answers within its time, and whether every run and data set of before is there."""
    yield attack_archives.quick_page(target, f"the page after {group}")
    try:
        now = kept(target)
    except (ValueError, KeyError, StopIteration) as error:
        yield Outcome(f"what is kept after {group}", True, f"the page cannot be read: {error}")
        return
    for what, names in before.items():
        gone = names - now[what]
        yield Outcome(f"{what} after {group}", bool(gone), f"{len(gone)} of {len(names)} are gone")


class Peak:
    """The most memory that the server, and it with all its workers, held while a `with` block ran, in MiB."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.server = self.whole = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "Peak":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while self._target.process and not self._ended.wait(0.5):
            try:
                self.server = max(self.server, self._target.server_mib())
                self.whole = max(self.whole, self._target.memory_mib())
            except psutil.Error:
                return  # the server ended, which the attempts report


def listening(port: int) -> psutil.Process | None:
    """Find the process that listens on a port of this machine, where the system tells."""
    try:
        found = [
            each.pid for each in psutil.net_connections("tcp") if each.laddr.port == port and each.status == "LISTEN"
        ]
    except psutil.AccessDenied:
        return None
    return psutil.Process(found[0]) if found and found[0] else None


def main() -> int:
    """Attack as the arguments say and return 1 when anything is open."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--url", required=True, help="the studio, http://127.0.0.1:PORT")
    parser.add_argument("--home", type=Path, help="its folder, where it is known")
    parser.add_argument("--password", default="")
    parser.add_argument("--pid", type=int, help="its process; found by its port otherwise")
    parser.add_argument("--visitors", type=int, default=100, help="how many come at once in the end (0 to 200)")
    parser.add_argument("--seconds", type=float, default=1800.0, help="when the attack ends at the latest")
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--only", default="", help="the names of the groups to run, with commas between")
    given = parser.parse_args()
    try:
        visitor = Visitor(given.url, password=given.password)
    except ValueError as error:
        parser.error(str(error))
    if visitor.get("/config").status != 200:
        parser.error(f"No studio answers at {given.url}, or it asks for another password.")
    process = psutil.Process(given.pid) if given.pid else listening(visitor.port)
    groups = tuple(each for each in GROUPS if not given.only or each.__name__ in given.only.split(","))
    with tempfile.TemporaryDirectory(prefix="attack-") as name:
        target = Target(given.url, Path(name), given.password, given.home, process, given.quick)
        return run(target, groups, seconds=given.seconds, visitors=min(200, given.visitors))


def run(target: Target, groups: tuple[Attempt, ...], *, seconds: float, visitors: int) -> int:
    """Print every outcome as it comes, then the waits and the memory; return the exit status."""
    counts = {False: 0, True: 0}
    left_out = 0
    with Peak(target) as peak:
        with Ordinary(target.url, target.password) as ordinary:
            for outcome in attack(target, groups, seconds=seconds):
                counts[outcome.is_open] += not outcome.is_left_out
                left_out += outcome.is_left_out
                say(outcome.line())
        waits = {"an ordinary visitor during the attack": ordinary.waits}
        if visitors:
            with Ordinary(target.url, target.password) as among:
                waits[f"{visitors} visitors"] = crowd(target.visitor(60), visitors=visitors, seconds=min(90.0, seconds))
            waits[f"an ordinary visitor among {visitors}"] = among.waits
    for name, wait in waits.items():
        outcome = waited(name, wait)
        counts[outcome.is_open] += 1
        say(outcome.line())
        say("\n".join(wait.lines()))
    if target.process:
        say(f"Memory at most: {peak.server:.0f} MiB the server, {peak.whole:.0f} MiB with its workers.")
    say(f"{counts[False]} refused, {counts[True]} open, {left_out} left out.")
    return 1 if counts[True] else 0


def waited(name: str, waits: Waits) -> Outcome:
    slow = waits.part(0.95)
    return Outcome(f"waiting of {name}", slow > MOST_WAIT_SECONDS or not waits.all, f"95% within {slow:.2f} s")


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
