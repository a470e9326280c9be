"""The places that were added beside this machine: one folder each, with its settings and what the last check found.

<home>/places/<name>/place.json    the settings; only its owner can read it, because it may hold the key of its files
                     check.json    what the last check found
"""

import logging
import os
import re
import secrets
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from studio import codec
from studio.errors import ConfigError, RunError
from studio.files import disk_trouble, write_whole
from studio.homes import shared_home
from studio.jobs.places.protocol import Facts

RAY = "ray"
SLURM = "slurm"
PROCESS = "process"
"""A process on this machine that shares nothing with the studio but a folder. Nobody is offered it; tests use it."""

HUB = "hub"

KINDS = {RAY: "a Ray cluster", SLURM: "a Slurm cluster", HUB: "Hugging Face Jobs"}
"""What can be added, in words."""

KINDS_IN_WORDS = "a Ray cluster, a Slurm cluster or Hugging Face Jobs"

FILES_PORT = 8266
"""Where a Ray cluster without a shared folder serves the files of its runs, unless another port is set."""

IMAGE = "ghcr.io/astral-sh/uv:python3.12-bookworm"
"""The Docker image of jobs on the Hugging Face Hub, unless another is named: Python and uv, as for its own uv jobs."""

LEAST_MINUTES = 10
"""A cap that pays for less than so many minutes is none to train with: the packages alone take some."""

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_MOST_BYTES = 2**20
_MOST_AT_ONCE = 1000
_MOST_USD = 100_000
_FLAVOR = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_OWNER = re.compile(r"[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
_LONGEST_IMAGE = 300

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """A place where runs can train.

    `address` is where a Ray cluster takes jobs. `folder` is a folder that both sides see under this path; without one
    the files go through `files_address`, which answers to whoever knows `files_key`. `python` is the command there.
    Each run asks for `cpus`, `gpus` and `memory_gib`, 0 where the place decides.
    """

    name: str
    kind: str
    address: str = ""
    folder: str = ""
    files_address: str = ""
    files_key: str = ""
    files_port: int = 0
    """Where the files are served there, where `files_address` leads to that by another port."""
    python: str = "python"
    scratch: str = ""
    """The folder there in which a run works; empty for the usual folder for temporary files."""
    runs_at_once: int = 1
    cpus: float = 1.0
    gpus: float = 0.0
    memory_gib: float = 0.0
    send_models: bool = False
    """Whether base models of the Hub are sent from here, for a place that cannot download them."""
    partition: str = ""
    hours: float = 24.0
    """How long Slurm lets a run work; it goes on in another job when that is not enough. On the Hugging Face Hub the
    longest time of a job, after which the run stops."""
    namespace: str = ""
    """Whose jobs these are on the Hugging Face Hub; empty for whoever trains."""
    flavor: str = ""
    """The hardware there, by the name that the Hub has for it."""
    cap_usd: float = 0.0
    """What a run may cost there at most, in US dollars, over all of its jobs."""
    image: str = IMAGE
    look_seconds: float = 0.0
    """So often both sides look what is new; 0 for what is usual at such a place."""
    executor: str = "slurm"
    """"slurm", or "local" for processes on this machine, which tests use."""


@dataclass(frozen=True)
class Check:
    """What the last check of a place found: `trouble` is empty where runs can train there."""

    at: float
    trouble: str = ""
    hint: str = ""
    doubts: tuple[str, ...] = ()
    facts: Facts | None = None


class Places:
    """The places of a studio. All accounts share them."""

    def __init__(self, home: Path) -> None:
        """`home` is the data folder of any account."""
        self.folder = shared_home(home) / "places"

    def names(self) -> tuple[str, ...]:
        """List the names of all places, also of those whose settings cannot be read."""
        try:
            return tuple(sorted(each for each in os.listdir(self.folder) if NAME.fullmatch(each)))
        except OSError:
            return ()

    def all(self) -> tuple[Place, ...]:
        """List the places that can be read."""
        found = []
        for name in self.names():
            try:
                found.append(self.get(name))
            except RunError as error:
                log.warning("%s", error, exc_info=True)
        return tuple(found)

    def get(self, name: str) -> Place:
        """Return a place. Raises RunError when there is none of that name, or its settings are damaged."""
        path = self.folder / name / "place.json"
        try:
            if not NAME.fullmatch(name):
                raise FileNotFoundError
            place = codec.read(Place, path, most_bytes=_MOST_BYTES)
            check_place(place)
            return replace(place, name=name)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise RunError(
                f"There is no place '{name[:80]}' where runs train.",
                "Add it again under this name, or choose another place.",
            ) from error
        except (OSError, codec.Damaged, ConfigError) as error:
            raise RunError(
                f"The settings of the place '{name}' cannot be read: {path} is damaged.",
                "Forget the place and add it again; its runs stay.",
            ) from error

    def runs_at_once(self, name: str) -> int:
        """Return how many runs may train at a place at once: one on this machine, and where nothing is known."""
        try:
            return self.get(name).runs_at_once if name else 1
        except RunError:
            log.debug("A run names a place that is not there", exc_info=True)
            return 1

    def nodes_of(self, name: str) -> int:
        """Return on how many nodes of a place one run can train, as its last check found; 1 where it cannot."""
        check = self.last_check(name) if name else None
        return 1 if check is None or check.facts is None or check.trouble else check.facts.nodes

    def is_on_hub(self, name: str) -> bool:
        """Tell whether a place is on the Hugging Face Hub; one that is not there is not."""
        try:
            return bool(name) and self.get(name).kind == HUB
        except RunError:
            log.debug("A run names a place that is not there", exc_info=True)
            return False

    def require(self, name: str, *, nodes: int) -> None:
        """Raise RunError where there is no such place, and ConfigError where no run trains on several nodes of it."""
        if not name and nodes > 1:
            raise ConfigError(
                f"The run asks for {nodes:,} nodes, and this machine is one.",
                "Choose a Ray cluster where it trains (--place), or one node.",
            )
        if name and self.get(name).kind != RAY and nodes > 1:
            raise ConfigError(
                f"At {name} a run trains on one node, and it asks for {nodes:,}.",
                "Only a Ray cluster gives one run several: choose such a place, or one node.",
            )

    def add(self, place: Place) -> Place:
        """Keep a new place. Raises ConfigError for settings that cannot be, RunError where the name is taken."""
        check_place(place)
        if place.kind == RAY and not place.folder:
            address = place.files_address or _beside(place.address)
            place = replace(place, files_address=address, files_key=place.files_key or secrets.token_urlsafe(32))
        folder = self.folder / place.name
        if folder.exists():
            raise RunError(
                f"There is a place '{place.name}' already.", "Choose another name, or forget that one first."
            )
        with disk_trouble("The place", self.folder):
            folder.mkdir(parents=True)
            os.chmod(folder, 0o700)
            write_whole(folder / "place.json", codec.dumps(place))
        return place

    def remove(self, name: str) -> None:
        """Forget a place. Its runs stay, and those at work there go on. Raises RunError where there is none."""
        if not NAME.fullmatch(name) or not (self.folder / name).is_dir():
            raise RunError(f"There is no place '{name[:80]}'.", "`python app.py places list` names all of them.")
        gone = self.folder / f".{name}.gone"
        with disk_trouble("The place", self.folder):
            shutil.rmtree(gone, ignore_errors=True)
            (self.folder / name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)

    def last_check(self, name: str) -> Check | None:
        """Return what the last check of a place found; None before the first, and where that cannot be read."""
        try:
            return codec.read(Check, self.folder / name / "check.json", most_bytes=_MOST_BYTES)
        except FileNotFoundError:
            return None
        except (OSError, codec.Damaged):
            log.debug("What a place was found to be cannot be read", exc_info=True)
            return None

    def keep_check(self, name: str, check: Check) -> None:
        """Write down what a check found. Raises RunError."""
        with disk_trouble("What the place was found to be", self.folder):
            write_whole(self.folder / name / "check.json", codec.dumps(check))


def check_place(place: Place) -> None:
    """Check the settings of a place. Raises ConfigError for what cannot be."""
    if not NAME.fullmatch(place.name):
        raise ConfigError(
            f"'{place.name[:80]}' cannot be the name of a place.",
            "Use small letters, digits and hyphens, at most 40, such as lab-cluster.",
        )
    if place.kind not in (*KINDS, PROCESS):
        raise ConfigError(f"'{place.kind[:80]}' is no kind of place.", f"Choose {KINDS_IN_WORDS}.")
    if place.kind == HUB:
        return _check_hub(place)
    if place.kind == RAY:
        _check_address(place.address, example="http://127.0.0.1:8265")
        if place.files_address:
            _check_address(place.files_address, example=f"http://127.0.0.1:{FILES_PORT}")
    elif not place.folder:
        raise ConfigError(
            "A Slurm cluster needs a folder that it shares with this machine.",
            "Name one that both see under the same path (--folder).",
        )
    _check_folders(place)
    _check_amounts(place)


def _check_hub(place: Place) -> None:
    if not _FLAVOR.fullmatch(place.flavor):
        raise ConfigError(
            f"'{place.flavor[:80]}' cannot be hardware of the Hugging Face Hub.",
            "Give its name there, such as t4-small.",
        )
    if place.namespace and (not _OWNER.fullmatch(place.namespace) or "--" in place.namespace):
        raise ConfigError(
            f"'{place.namespace[:80]}' cannot be the name of somebody on the Hugging Face Hub.",
            "Give yours or that of an organization, or leave it empty for whoever trains.",
        )
    if not 0 < place.cap_usd <= _MOST_USD:
        raise ConfigError(
            "What a run may cost at most is not set, and without that nothing is started on rented hardware.",
            f"Give an amount in US dollars, up to {_MOST_USD:,} (--cap).",
        )
    if not place.image or not place.image.isprintable() or " " in place.image or len(place.image) > _LONGEST_IMAGE:
        raise ConfigError(f"'{place.image[:120]}' is no name of a Docker image.", f"Give one such as {IMAGE}.")
    _check_folders(place)
    _check_amounts(place)


def _check_folders(place: Place) -> None:
    for folder in filter(None, (place.folder, place.scratch)):
        if not Path(folder).is_absolute() or "\0" in folder:
            raise ConfigError(f"The folder '{folder[:200]}' is no whole path.", "Begin it with a slash.")


def _check_amounts(place: Place) -> None:
    if not 1 <= place.runs_at_once <= _MOST_AT_ONCE:
        raise ConfigError(
            f"{place.runs_at_once:,} runs at once cannot be.", f"Choose a number from 1 to {_MOST_AT_ONCE:,}."
        )
    if min(place.cpus, place.gpus, place.memory_gib) < 0 or max(place.cpus, place.gpus, place.memory_gib) > 100_000:
        raise ConfigError(
            "What each run asks for cannot be.", "Give the cores, GPUs and GB of memory as numbers from 0."
        )
    if not 0 < place.hours <= 10_000:
        raise ConfigError(f"A job of {place.hours:g} hours cannot be.", "Choose a number of hours up to 10,000.")


def _check_address(address: str, *, example: str) -> None:
    try:
        parts = urlsplit(address)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query and not parts.username
        _ = parts.port
    except ValueError:
        fits = False
    if not fits or not address.isprintable() or " " in address:
        raise ConfigError(f"'{address[:120]}' is not the address of a cluster.", f"Give one such as {example}.")


def _beside(address: str) -> str:
    """Return the usual address of the files of a Ray cluster: on the same machine, at the port for that."""
    host = urlsplit(address).hostname or ""
    return f"http://{f'[{host}]' if ':' in host else host}:{FILES_PORT}"
