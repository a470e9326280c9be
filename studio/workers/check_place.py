"""The check of a place: a job there says what it is, reads what was written here, and writes it back."""

import logging
import secrets
import time
from dataclasses import replace

from studio import codec
from studio.errors import NoAnswer, RunError, StudioError
from studio.events import Finished, Loading
from studio.jobs.places.book import LEAST_MINUTES, Check, Place, Places
from studio.jobs.places.engines import open_engine, open_storage, spec_of
from studio.jobs.places.protocol import REPORT, WORK, Engine, Facts, Paid, Report, Storage, Work
from studio.jobs.tasks import CheckPlace
from studio.logs import logged
from studio.models.starter import Stopped
from studio.wording import dollars, listed, size
from studio.workers.job import Job
from studio.workers.place_facts import versions_here

START_SECONDS = 300.0
"""So long a job of a check may wait for room."""

LOOK_SECONDS = 0.5
_NEEDED = ("torch", "transformers", "peft", "tokenizers", "safetensors", "numpy", "psutil")
_ALIKE = ("torch", "transformers", "peft")
"""With other versions of these the losses of a run may be others."""

_LEAST_MEMORY_GIB = 1.0
_LEAST_DISK_GIB = 2.0

log = logging.getLogger(__name__)


def check_place(job: Job, task: CheckPlace) -> Finished:
    """Check a place and write down what was found. Raises StudioError with what is wrong."""
    began = time.monotonic()
    places = Places(task.home)
    place = places.get(task.name)
    try:
        facts = _ask(job, place, places)
        found = judged(Check(at=time.time(), facts=facts), place)
    except StudioError as error:
        places.keep_check(place.name, Check(time.time(), error.message, error.hint))
        raise
    places.keep_check(place.name, found)
    if found.trouble:
        raise RunError(found.trouble, found.hint)
    return Finished("finished", f"Runs can train at {place.name}.", time.monotonic() - began)


def judged(check: Check, place: Place) -> Check:
    """Return a check with what its facts mean for runs."""
    facts = check.facts
    if facts is None:
        return check
    if facts.price_per_hour:
        return _judged_price(check, place, facts.price_per_hour)
    missing = [name for name, version in facts.versions if name in _NEEDED and not version]
    if missing:
        return replace(
            check,
            trouble=f"Python {facts.python} of {place.name} has no {listed(missing)}.",
            hint="Install the studio's requirements.txt there, for the Python that the place uses.",
        )
    if tuple(map(int, facts.python.split(".")[:2])) < (3, 11):
        return replace(
            check,
            trouble=f"{place.name} has Python {facts.python}, and the studio needs 3.11 or later.",
            hint="Name another Python of the place (--python).",
        )
    if place.gpus and not facts.gpus:
        return replace(
            check,
            trouble=f"Each run asks for {place.gpus:g} GPUs, and PyTorch found none at {place.name}.",
            hint="Install a PyTorch there that fits its driver, or let runs ask for no GPU.",
        )
    if facts.disk_gib < _LEAST_DISK_GIB:
        return replace(
            check,
            trouble=f"The disk of {facts.host} has {size(facts.disk_gib * 2**30)} free, too little for a run.",
            hint="Free some space there, or name another folder to work in (--scratch).",
        )
    return replace(check, doubts=tuple(_doubts(facts)))


def _judged_price(check: Check, place: Place, price: float) -> Check:
    minutes = place.cap_usd / price * 60
    if minutes < LEAST_MINUTES:
        return replace(
            check,
            trouble=f"The cap of {dollars(place.cap_usd)} pays for {minutes:.1f} minutes there, and a run needs "
            f"{LEAST_MINUTES} or more.",
            hint="Forget the place and add it again with a higher cap, or with cheaper hardware.",
        )
    return check


def _doubts(facts: Facts) -> list[str]:
    here, found = dict(versions_here()), []
    for name, there in facts.versions:
        if name in _ALIKE and there != here.get(name, ""):
            found.append(f"{name} is {there} there and {here.get(name) or 'missing'} here: losses may differ a little.")
    if facts.memory_gib < _LEAST_MEMORY_GIB:
        found.append(f"Only {size(facts.memory_gib * 2**30)} of memory are free there now.")
    return found


def _ask(job: Job, place: Place, places: Places) -> Facts:
    """Find out what a place is: a job there says it, or who rents it out where a job costs money. Raises RunError."""
    engine, storage = open_engine(place, places), open_storage(place)
    part, sample = f"checks/check-{secrets.token_hex(8)}/1", secrets.token_hex(32)
    name = f"lora-studio-{part.split('/')[1]}"
    job.emit(Loading(what=f"Asking {place.name}"))
    rented = _rented(engine, name) if isinstance(engine, Paid) else None
    engine.prepare()
    try:
        storage.write(f"{part}/sample", sample.encode())
        if storage.read(f"{part}/sample", most_bytes=1000) != sample.encode():
            raise RunError(
                f"What was written to the storage of {place.name} does not come back.",
                "Check its shared folder, or the address of its files.",
            )
        if rented is not None:
            return rented
        storage.write(f"{part}/{WORK}", codec.dumps(Work(sample="sample")).encode())
        engine.submit(name, spec_of(place, part=part, files=f"{part}/files"))
        job.emit(Loading(what=f"Waiting for a job at {place.name}"))
        facts = _wait(job, engine, storage, part=part, name=name, place=place)
        with logged(log, "How many nodes the place has is not known", RunError, level=logging.WARNING):
            facts = replace(facts, nodes=engine.nodes())
    finally:
        with logged(log, "What the check has left at the place was not deleted", RunError, level=logging.INFO):
            storage.delete(part.rpartition("/")[0])
    if facts.sample != sample:
        raise RunError(
            f"A job at {place.name} reads other files than this machine writes.",
            "Name a folder that all of its machines share, under the same path.",
        )
    return facts


def _rented(engine: Paid, name: str) -> Facts:
    """Return what is rented at a place, and its price; and see whether its jobs may be asked for."""
    engine.paid_seconds(name)
    about, price = engine.rented()
    return Facts(hardware=about, price_per_hour=price)


def _wait(job: Job, engine: Engine, storage: Storage, *, part: str, name: str, place: Place) -> Facts:
    deadline, ended_at = time.monotonic() + START_SECONDS, None
    while True:
        content = storage.read(f"{part}/{REPORT}", most_bytes=2**20)
        report = None if content is None else codec.loads(Report, content)
        if report is not None and report.facts is not None:
            return report.facts
        if report is not None and report.ended:
            raise RunError(report.trouble or f"The job at {place.name} ended before it was done.", report.hint)
        if job.should_stop():
            engine.stop(name)
            raise Stopped
        now = time.monotonic()
        if engine.state(name) == "ended":
            ended_at = ended_at or now
            if now - ended_at > 5:
                raise RunError(
                    f"A job at {place.name} ended before it could say anything.",
                    "Look at its log there: most often Python or a package of requirements.txt is missing.",
                )
        if now > deadline:
            engine.stop(name)
            raise NoAnswer(
                f"{place.name} had no room for a job within {START_SECONDS / 60:.0f} minutes.",
                "Ask for less for each run, or check again when the place is less busy.",
            )
        time.sleep(LOOK_SECONDS)
