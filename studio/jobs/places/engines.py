"""From a place to what starts its jobs and keeps their files."""

from pathlib import Path
from urllib.parse import urlsplit

from studio.errors import RunError
from studio.jobs.places import book
from studio.jobs.places.book import FILES_PORT, Place, Places
from studio.jobs.places.protocol import AgentSpec, Engine, Storage
from studio.jobs.places.storage import FolderStorage, HttpStorage


def open_storage(place: Place) -> Storage:
    """Return the files of a place, as they are reached from here."""
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
        case book.PROCESS:
            from studio.jobs.places.process_jobs import ProcessEngine

            return ProcessEngine(place)
    raise RunError(f"'{place.kind}' is no kind of place.", "Choose a Ray cluster or a Slurm cluster.")


def spec_of(place: Place, *, part: str, files: str, nodes: int = 1, can_be_fewer: bool = False) -> AgentSpec:
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
    )


def files_port(place: Place) -> int:
    """Return the port at which a cluster serves the files of its runs."""
    return place.files_port or urlsplit(place.files_address).port or FILES_PORT
