"""What another place costs: the way there and back, a node that dies, and many runs at once on a cluster.

    python benchmarks/cluster.py --nodes 2 --runs 8 --kill-every 60
    python benchmarks/cluster.py --nodes 2 --only shared,paper

Starts a real Ray cluster on this machine, of a head that trains nothing and nodes of one core each, which share no
folder with the studio, and trains a tiny random model on it, each run in a process of its own. It measures

    the first step      from the submission to the first step that is seen here, with libraries that are read there
    the lag             from a step there to its line in the run's folder here
    a killed node       from its end to the first step that another job does beyond what was there
    the speed           tokens a second there over those of the same run here
    a shared run        tokens a second of one run on two nodes over those on one, with batches of some thousand tokens
    many runs           so many in the queue, a node killed every so many seconds: what was lost, what was done twice

and what the process here takes of memory. At the end it says, from these figures (`cluster_on_paper`), what a hundred
nodes and a hundred thousand runs would need, and where that breaks first.
"""

import argparse
import contextlib
import shutil
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
from cluster_on_paper import Parts, Scale, on_paper
from common import ROOT

sys.path.insert(0, str(ROOT))

from studio.config import RunConfig
from studio.data.examples import Example
from studio.events import Resumed, Stepped
from studio.jobs.places.away import read_away
from studio.jobs.places.book import Places
from studio.jobs.places.protocol import AgentSpec
from studio.jobs.places.ray_jobs import RayEngine
from studio.jobs.tasks import Train, TrainElsewhere
from studio.runs import lock
from studio.runs.event_log import read_events
from studio.runs.launcher import launch
from studio.runs.scheduler import Scheduler
from studio.runs.store import RunFolder, RunStore
from tests.cluster.conftest import RayCluster, write_python
from tests.tiny_model import write_tiny_model
from tests.warm import ONE_THREAD
from tests.workers.conftest import examples

LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 600.0
WIDE_BATCH = 16


@dataclass(frozen=True)
class Bench:
    """A data folder with one scheduler and a cluster beside it."""

    store: RunStore
    scheduler: Scheduler
    model: Path

    def run(self, *, place: str, epochs: int, nodes: int = 1, wide: bool = False) -> RunFolder:
        """Write a run of 12 short steps an epoch, or of two with thousands of tokens each."""
        config = RunConfig(model=str(self.model), place=place, nodes=nodes, epochs=epochs, early_stopping=False)
        return self.store.create(
            replace(config, batch_size=WIDE_BATCH if wide else 2, max_length=2048, precision="fp32"),
            dataset_id="colours",
            dataset_name="Colours",
            dataset_sha256="0" * 64,
            train=tuple(map(_repeated, examples(2 * WIDE_BATCH))) if wide else examples(24),
            validation=examples(4),
        )

    def start(self, run: RunFolder) -> None:
        self.scheduler.enqueue(run.id)

    def finish(self, *runs: RunFolder) -> None:
        """Wait until runs are done; those that were lost are queued again."""

        def rest() -> bool:
            self.scheduler.tick()
            return all(self.scheduler.view(run.id).status in ("finished", "failed") for run in runs)

        wait(rest, "the runs to end", pause=0.5)


def wait(condition: Callable[[], object], what: str, *, pause: float = LOOK_SECONDS) -> float:
    """Wait until something is so, and return how long that took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE_SECONDS:
            raise SystemExit(f"waited in vain for {what}")
        time.sleep(pause)
    return time.monotonic() - began


def steps(run: RunFolder) -> list[Stepped]:
    return [each.event for each in read_events(run.events_path)[0] if isinstance(each.event, Stepped)]


def first_step(bench: Bench, epochs: int) -> tuple[float, RunFolder]:
    """Measure the seconds from a submission to the first step seen here."""
    run = bench.run(place="ray", epochs=epochs)
    began = time.monotonic()
    bench.start(run)
    wait(lambda: steps(run), "the first step")
    return time.monotonic() - began, run


def lags(run: RunFolder, count: int) -> list[float]:
    """Measure how long after its moment each of the next steps is seen here, in seconds. Both clocks are one."""
    seen, found = len(read_events(run.events_path)[0]), []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(found) < count and run.is_alive() and time.monotonic() < deadline:
        records, now = read_events(run.events_path)[0], time.time()
        found += [now - each.time for each in records[seen:] if isinstance(each.event, Stepped)]
        seen = len(records)
        time.sleep(LOOK_SECONDS)
    return found


def killed_node(bench: Bench, cluster: RayCluster) -> float:
    """Measure the seconds from the death of a node to the first step that is new."""
    run = bench.run(place="ray", epochs=40)
    bench.start(run)
    wait(lambda: run.checkpoint_steps and steps(run), "a checkpoint")
    before = steps(run)[-1].step
    cluster.kill_busy_node()
    began = time.monotonic()
    cluster.add_node()
    wait(lambda: any(isinstance(each.event, Resumed) for each in read_events(run.events_path)[0]), "a resume")
    wait(lambda: steps(run)[-1].step > before, "a step beyond what was there")
    taken = time.monotonic() - began
    bench.scheduler.discard(run.id)
    return taken


def speed(run: RunFolder) -> float:
    """Return the median tokens a second of a run's steps, without the first ones."""
    return statistics.median(each.tokens_per_second for each in steps(run)[5:])


def many(bench: Bench, cluster: RayCluster, count: int, kill_every: float) -> dict[str, float]:
    """Train many runs at once while nodes die, and say what became of them."""
    runs = [bench.run(place="ray", epochs=5) for _ in range(count)]
    ended, killed = threading.Event(), Counter[str]()

    def kill() -> None:
        while kill_every and not ended.wait(kill_every):
            try:
                cluster.kill_busy_node()
            except AssertionError:
                continue
            killed["nodes"] += 1
            cluster.add_node()

    killer = threading.Thread(target=kill, daemon=True)
    began = time.monotonic()
    for run in runs:
        bench.start(run)
    killer.start()
    bench.finish(*runs)
    ended.set()
    killer.join()
    for run in runs:
        state = bench.scheduler.view(run.id)
        if state.status != "finished":
            sys.stdout.write(f"{run.name} {state.status}: {state.headline}\n{run.log_tail()}\n")
    states = Counter(bench.scheduler.view(run.id).status for run in runs)
    losses = Counter(tuple((each.step, each.loss) for each in bench.scheduler.view(run.id).view.steps) for run in runs)
    jobs = sum(away.attempt for run in runs if (away := read_away(run.path)) is not None)
    return {
        "seconds": time.monotonic() - began,
        "nodes killed": killed["nodes"],
        "finished": states["finished"],
        "failed": states["failed"],
        "jobs": jobs,
        "different courses of losses": len(losses),
    }


def shared(bench: Bench, cluster: RayCluster, epochs: int) -> tuple[float, float]:
    """Measure tokens a second of a run on two nodes over those on one, and the MiB that it takes on the head."""
    alone, both = (bench.run(place="ray", nodes=nodes, wide=True, epochs=epochs) for nodes in (1, 2))
    bench.start(alone)
    bench.finish(alone)
    before = head_mib(cluster)
    bench.start(both)
    wait(lambda: steps(both), "the first step on two nodes")
    taken = head_mib(cluster) - before
    bench.finish(both)
    apart = [abs(one.loss - other.loss) / one.loss for one, other in zip(steps(alone), steps(both), strict=True)]
    say("tokens a second of these batches on one node", speed(alone), "")
    say("the same on two nodes", speed(both), "")
    say("the largest difference of their losses", 1e6 * max(apart), "parts in a million")
    return speed(both) / speed(alone), taken


def head_mib(cluster: RayCluster) -> float:
    """Return the MiB of memory of all processes of the head."""
    total = 0.0
    for each in psutil.Process(cluster.head.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            total += each.memory_full_info().uss / 2**20
    return total


def wait_for_checkpoint(run: RunFolder) -> float:
    """Return the bytes of a whole checkpoint: what a run leaves at its end lacks what only a training needs."""
    while True:
        wait(lambda: run.checkpoint_steps, "a checkpoint")
        with contextlib.suppress(FileNotFoundError):  # it was just deleted for a newer one
            return float(sum(each.stat().st_size for each in run.checkpoint(run.checkpoint_steps[-1]).iterdir()))


def submission(cluster: RayCluster, home: Path) -> float:
    """Measure the seconds until the cluster has taken a job."""
    engine = RayEngine(cluster.place(), Places(home))
    engine.prepare()
    found = []
    for number in range(5):
        began = time.monotonic()
        engine.submit(f"lora-studio-bench-{number}", AgentSpec(part=f"runs/b/{number}", files="runs/b/files"))
        found.append(time.monotonic() - began)
        engine.stop(f"lora-studio-bench-{number}")
    return statistics.median(found)


def cores_here(run: RunFolder, seconds: float = 10.0) -> float:
    """Return the share of a core that the process here of a run takes which steps elsewhere."""
    holder = lock.holder(run.lock_path)
    if holder is None:
        return 0.0
    process = psutil.Process(holder)
    before = process.cpu_times()
    time.sleep(seconds)
    after = process.cpu_times()
    return (after.user + after.system - before.user - before.system) / seconds


def memory_here(run: RunFolder) -> float:
    """Return the MiB that the process here of a run takes which trains elsewhere."""
    holder = lock.holder(run.lock_path)
    return 0.0 if holder is None else psutil.Process(holder).memory_info().rss / 2**20


def say(what: str, figure: float, unit: str = "s") -> None:
    sys.stdout.write(f"{what:<58}{figure:>10.2f} {unit}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--kill-every", type=float, default=60.0, help="seconds, 0 for never")
    parser.add_argument("--runs-alone", action="store_true", help="measure the many runs and nothing else")
    parser.add_argument("--only", default="first,killed,shared,many,paper", help="what to measure, of these")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cluster-"))
    cluster = RayCluster(Path(tempfile.mkdtemp(prefix="ray", dir="/tmp")), write_python(folder / "python"))
    store = RunStore(folder / "home")
    command = (sys.executable, "-m", "studio.workers")
    scheduler = Scheduler(
        store,
        folder / "home",
        launch=lambda run: launch(
            (TrainElsewhere if run.config.place else Train)(run.path), command=command, variables=ONE_THREAD
        ),
        clock=time.time,
        make_room=lambda: None,
        room=Places(folder / "home").runs_at_once,
    )
    bench = Bench(store, scheduler, write_tiny_model(folder / "tiny"))
    cluster.start(nodes=options.nodes)
    try:
        measure(bench, cluster, options, folder / "home")
    finally:
        for run in store.all():
            scheduler.discard(run.id)
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)
        shutil.rmtree(cluster.folder, ignore_errors=True)


def measure(bench: Bench, cluster: RayCluster, options: argparse.Namespace, home: Path) -> None:
    """Measure one thing after the other, the cheapest first."""
    place = cluster.place()
    Places(home).add(type(place)(**{**vars(place), "runs_at_once": options.nodes}))
    if options.runs_alone:
        for what, figure in many(bench, cluster, options.runs, options.kill_every).items():
            say(f"{options.runs} runs on {options.nodes} nodes: {what}", figure, "")
        return
    wanted = options.only.split(",")
    cold, first = first_step(bench, epochs=1)
    say("from the submission to the first step, nothing sent yet", cold)
    bench.finish(first)
    warm, run = first_step(bench, epochs=120)
    say("the same, data and model already there", warm)
    carrier, cores = memory_here(run), cores_here(run)
    say("memory of the process here", carrier, "MiB")
    say("cores that it takes while the run steps", cores, "")
    if "first" in wanted:
        found = sorted(lags(run, 200))
        say("from a step there to its line here, median", statistics.median(found))
        say("the same, 95th percentile", found[int(0.95 * len(found))])
    checkpoint = wait_for_checkpoint(run)
    bench.finish(run)
    if "first" in wanted:
        here = bench.run(place="", epochs=120)
        bench.start(here)
        bench.finish(here)
        say("tokens a second there over those here", speed(run) / speed(here), "")
    if "killed" in wanted:
        say("from the death of a node to the first new step", killed_node(bench, cluster))
    if "shared" in wanted or "paper" in wanted:
        ratio, head = shared(bench, cluster, epochs=10)
        say("tokens a second of one run on two nodes over those on one", ratio, "")
    if "many" in wanted and options.runs:
        for what, figure in many(bench, cluster, options.runs, options.kill_every).items():
            say(f"{options.runs} runs on {options.nodes} nodes: {what}", figure, "")
    if "paper" in wanted:
        on_paper(run, first, Parts(carrier, cores, checkpoint, submission(cluster, home), head), Scale())


def _repeated(example: Example) -> Example:
    """Return an example with an answer of some hundred tokens: the tiny model has one for each byte."""
    question, answer = example.messages
    return replace(example, messages=(question, replace(answer, content=answer.content * 20)))


if __name__ == "__main__":
    main()
