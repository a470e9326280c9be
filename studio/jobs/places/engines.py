"""From a place to what starts its jobs and keeps their files."""

from pathlib import Path
from urllib.parse import urlsplit

from studio.errors import RunError
from studio.jobs.places import book
from studio.jobs.places.book import FILES_PORT, Place, Places
from studio.jobs.places.ending import Hub
from studio.jobs.places.protocol import AgentSpec, Engine, Storage
from studio.jobs.places.storage import FolderStorage, HttpStorage

LOOK_SECONDS = 0.5
HUB_LOOK_SECONDS = 10.0
"""So often both sides look for what is new: the Hub lets a person ask about three times a second."""

PATIENCE_SECONDS = 24 * 3600.0
HUB_PATIENCE_SECONDS = 600.0
"""So long a job that is done waits for a storage that does not answer: on the Hub it is paid for meanwhile."""


def open_storage(place: Place) -> Storage:
    """Return the files of a place, as they are reached from here."""
    if place.kind == book.HUB:
        from studio.jobs.places.hub_jobs import bucket_of

        return bucket_of(place)
    return FolderStorage(Path(place.folder)) if place.folder else HttpStorage(place.files_address, place.files_key)


def open_engine(place: Place, places: Places) -> Engine:
    """Return what starts jobs at a place. Raises RunError where the packages that it needs are not installed."""
    match place.kind:
        case book.RAY:
            from studio.jobs.places.ray_jobs import RayEngine

            return RayEngine(place, places)
        case book.SLURM:
            from studio.jobs.places.slurm_jobs import SlurmEngine

            return SlurmEngine(place)
        case book.HUB:
            from studio.jobs.places.hub_jobs import HubEngine
            from studio.jobs.places.tokens import token_here

            return HubEngine(place, places, token_here())
        case book.PROCESS:
            from studio.jobs.places.process_jobs import ProcessEngine

            return ProcessEngine(place)
    raise RunError(f"'{place.kind}' is no kind of place.", f"Choose {book.KINDS_IN_WORDS}.")


def open_ender(token: str) -> Hub:
    """Return what ends jobs on the Hugging Face Hub by one token, also those of a place that is forgotten."""
    from studio.jobs.places.hub_jobs import HubEnder

    return HubEnder(token)


def look_seconds(place: Place) -> float:
    """Say how often both sides look for what is new."""
    return place.look_seconds or (HUB_LOOK_SECONDS if place.kind == book.HUB else LOOK_SECONDS)


def spec_of(
    place: Place, *, part: str, files: str, nodes: int = 1, can_be_fewer: bool = False, seconds: int = 0
) -> AgentSpec:
    """Return what a job at a place has to know; the rest is as in `AgentSpec`."""
    return AgentSpec(
        part=part,
        files=files,
        folder=place.folder,
        port=0 if place.folder else files_port(place),
        key="" if place.folder else place.files_key,
        python=place.python,
        scratch=place.scratch,
        nodes=nodes,
        can_be_fewer=can_be_fewer,
        cpus=place.cpus,
        gpus=place.gpus,
        memory_bytes=int(place.memory_gib * 2**30),
        look_seconds=look_seconds(place),
        patience_seconds=HUB_PATIENCE_SECONDS if place.kind == book.HUB else PATIENCE_SECONDS,
        seconds=seconds,
    )


def files_port(place: Place) -> int:
    """Return the port at which a cluster serves the files of its runs."""
    return place.files_port or urlsplit(place.files_address).port or FILES_PORT
