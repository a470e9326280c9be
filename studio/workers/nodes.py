"""`python -m studio.workers.nodes`: the job of a run on several nodes of a Ray cluster. It trains nothing itself.

It runs on the head, has an agent started on each node (`ray_nodes`), and waits. While there are too few nodes it says
so, and when the work has ended without a word it says that. All else is said by the agent of the first node.
"""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from studio import codec
from studio.errors import RunError
from studio.jobs.places.protocol import AGENT_VARIABLE, FAILED, REPORT, STOP, AgentSpec, Nodes, NoRoom, Report, Storage
from studio.logs import log_to_stderr, logged
from studio.workers.agent import MOST_REPORT_BYTES, Clock, storage_there, until_answered

FEWER_SECONDS = 90.0
"""So long a run that goes on waits for as many nodes as it had; then it goes on on those that there are."""

LOOK_SECONDS = 2.0

Answer = TypeVar("Answer")

log = logging.getLogger(__name__)


def main(environment: Mapping[str, str]) -> int:
    """Do what the environment says, and return the exit status."""
    log_to_stderr(environment)
    spec = codec.loads(AgentSpec, environment[AGENT_VARIABLE])
    job = Gathering(spec, storage_there(spec, environment))
    try:
        from studio.workers.ray_nodes import RayNodes

        cluster = RayNodes(spec)
    except (ImportError, RuntimeError) as error:  # Ray raises RuntimeError where its own version here is another one
        log.warning("The cluster cannot be used from this Python", exc_info=True)
        job.end(
            trouble=f"The Python of the place cannot use Ray on its head: {str(error)[:300]}",
            hint="A run on several nodes needs Ray of the cluster's version in the Python that runs it (--python), or "
            "let the run have one node.",
        )
        return 1
    signal.signal(signal.SIGTERM, lambda number, frame: job.ask_to_stop())  # Ray has set one of its own
    return job.work(cluster)


@dataclass
class Gathering:
    """One attempt at a run on several nodes."""

    spec: AgentSpec
    storage: Storage
    clock: Clock = field(default_factory=lambda: time)
    patience_seconds: float = FEWER_SECONDS
    _stop: threading.Event = field(default_factory=threading.Event)
    _told: str = ""

    def ask_to_stop(self) -> None:
        """Have the run put its work away and end: whoever ends the job means that."""
        self._stop.set()
        threading.Thread(target=self._pass_stop_on, daemon=True).start()

    def work(self, cluster: Nodes) -> int:
        """Have the run trained, as soon as there is room for it, and return the exit status."""
        began = self.clock.monotonic()
        while not self._is_stopping():
            there = cluster.count()
            nodes = min(self.spec.nodes, there)
            waited = self.clock.monotonic() - began
            if nodes == self.spec.nodes or (nodes and self.spec.can_be_fewer and waited > self.patience_seconds):
                try:
                    done = cluster.train(nodes)
                    return 0 if done else self._say_how_it_ended(nodes)
                except NoRoom:
                    log.info("The nodes have no room yet", exc_info=True)
                    self._tell("The nodes that the run asks for are busy.")
                except RunError as error:
                    log.warning("The nodes cannot train together", exc_info=True)
                    self.end(trouble=error.message, hint=error.hint)
                    return 1
            else:
                self._tell(
                    f"The run asks for {self.spec.nodes:,} nodes, and it fits on {there:,} of those that are there."
                )
            self.clock.sleep(LOOK_SECONDS)
        self.end()
        return 0

    def _say_how_it_ended(self, nodes: int) -> int:
        """Say what the first node could not: why the run ended there, or that it did without a word."""
        last = self._until_answered(self._report)
        if last is not None and last.ended:
            return 1
        lost: list[Report] = []
        for node in range(nodes):
            met = self._until_answered(lambda node=node: self._read(f"{FAILED}-{node}"))  # type: ignore[misc]
            if met is not None and met.trouble:
                self.end(trouble=met.trouble, hint=met.hint)
                return 1
            lost += [met] if met is not None else []
        # Where one never had the others, or all of them live, it is what connects them that failed.
        never = any(each.never for each in lost) or len(lost) == nodes
        met = next((each for each in lost if each.never), lost[0] if lost else None)
        died = "A process of the run ended without a word, or its node did."
        self.end(trouble=died, died=True, lost=met.lost if met else "", never=never)
        return 1

    def _tell(self, trouble: str) -> None:
        if trouble != self._told:
            with logged(log, "The storage of the place cannot be used now", RunError, level=logging.WARNING):
                self._say(Report(beat=self._next_beat(), now=self.clock.time(), trouble=trouble))
                self._told = trouble

    def end(
        self, *, trouble: str = "", hint: str = "", died: bool = False, lost: str = "", never: bool = False
    ) -> None:
        """Write the last report of the attempt."""
        last = self._until_answered(self._report) or Report(beat=0, now=0.0)
        ended = replace(last, trouble=trouble, hint=hint, ended=True, died=died, lost=lost, never=never)
        self._until_answered(lambda: self._say(replace(ended, beat=last.beat + 1, now=self.clock.time())))

    def _say(self, report: Report) -> None:
        self.storage.write(f"{self.spec.part}/{REPORT}", codec.dumps(report).encode())

    def _next_beat(self) -> int:
        last = self._report()
        return 0 if last is None else last.beat + 1

    def _report(self) -> Report | None:
        return self._read(REPORT)

    def _read(self, name: str) -> Report | None:
        content = self.storage.read(f"{self.spec.part}/{name}", most_bytes=MOST_REPORT_BYTES)
        return None if content is None else codec.loads(Report, content)

    def _until_answered(self, ask: Callable[[], Answer]) -> Answer:
        return until_answered(ask, self.clock)

    def _is_stopping(self) -> bool:
        with logged(log, "The storage of the place cannot be used now", RunError, level=logging.WARNING):
            return self._stop.is_set() or self.storage.has(f"{self.spec.part}/{STOP}")
        return False

    def _pass_stop_on(self) -> None:
        with logged(log, "The request to stop could not be passed on", RunError, level=logging.WARNING):
            self.storage.write(f"{self.spec.part}/{STOP}", b"stop\n")


if __name__ == "__main__":
    status = main(os.environ)
    sys.stdout.flush()
    os._exit(status)
