"""Publishing an export on the Hugging Face Hub: each by a worker of its own, to a repository of whoever is logged in.

<run>/published/<kind>.card.md    the model card, as the person saw it
                <kind>.json       where to, and what was sent; written before the first byte is
                <kind>.{task.json,lock,events.jsonl,log}    of the worker; the access token is in none of them
"""

import logging
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.errors import ExportError, ModelError
from studio.files import disk_trouble, write_whole
from studio.jobs.exports import ONE_FILE, ExportReport, export_folder, export_state, exported_files, read_report
from studio.jobs.jobs import Jobs, JobState
from studio.jobs.model_card import is_of_hub
from studio.jobs.published_card import CardOrder, published_card
from studio.jobs.snippets import base_name
from studio.jobs.tasks import Publish
from studio.logs import logged
from studio.models.front_matter import read_front_matter
from studio.models.hub import Hub
from studio.models.licences import OTHER, Licence, known_licence, named
from studio.models.locate import locate_settled
from studio.models.publishing import CARD, check_target, is_token
from studio.runs.store import RunFolder
from studio.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Publication:
    """What was published, or begun: to which repository, and the names of the files there.

    `address` is that of its page, empty until all of it is there; `size` is the size of the export in bytes, which
    tells it from a later one.
    """

    kind: str
    to: str
    public: bool
    names: tuple[str, ...]
    size: int
    address: str = ""
    commit: str = ""


PublicationState = JobState[Publication]
"""How far a publication is: "none", "working", "ready", "stopped" or "failed"."""


def start_publication(
    jobs: Jobs, run: RunFolder, task: Publish, *, card: str, settings: Settings, token: str = ""
) -> PublicationState:
    """Start to publish an export that is ready, with a card that the person has seen; return its state.

    Raises ExportError for what cannot be published, RunError when the work cannot be started.
    """
    check_target(task.to)
    state = publication_state(jobs, run, task.kind)
    if state.working:
        return state
    if export_state(jobs, run, task.kind).result is None:
        raise ExportError("This export is not ready, so it cannot be published.", "Prepare it first.")
    if not card.strip():
        raise ExportError("The model card was not made yet.", "Look at the card first, then publish.")
    token = token.strip()
    if not is_token(token):
        raise ExportError("This is no access token of the Hugging Face Hub.", "Copy it again: it begins with hf_.")
    if settings.is_public and not token:
        raise ExportError(
            "On an address that others can reach nobody publishes with the login of this machine.",
            "Give an access token of your own. It is used for this once and kept nowhere.",
        )
    with disk_trouble("The model card", run.published, ExportError):
        run.published.mkdir(exist_ok=True)
        write_whole(card_path(run, task.kind), card.rstrip("\n"))
    jobs.start(Publish(task.run, task.kind, task.to, task.public, token))
    return publication_state(jobs, run, task.kind)


def make_card(run: RunFolder, kind: str, to: str, *, licence: str, home: Path, hub: Hub) -> str:
    """Write the model card of an export for a repository. `licence` is what a person says that of the base is.

    May ask the Hub for the licence of the base. Raises ExportError where that is not known or forbids publishing, or
    where the name cannot be that of a repository; RunError for a damaged run.
    """
    check_target(to)
    base = None
    with logged(log, "The base is not here to tell its revision and its licence", ModelError):
        files = locate_settled(run.config.model, home)
        base = None if files is None else files.folder
    meant = _licence_of_base(run, base, hub=hub, given=licence)
    ensure_allowed(meant)
    ensure_named(meant, to)
    card = published_card(run, CardOrder(kind, to, meant, base))
    read_front_matter(card)
    return card


def ensure_allowed(licence: Licence) -> None:
    """Raises ExportError for a licence that forbids to hand on what was made from the base."""
    if licence.forbids:
        raise ExportError(
            f"The licence of the base, {licence.shown}, forbids that models made from it are handed on.",
            "Keep this one to yourself, or train on a base with another licence.",
        )


def ensure_named(licence: Licence, repository: str) -> None:
    """Raises ExportError for a repository whose name leaves out what the licence wants in it."""
    name = repository.partition("/")[2]
    if licence.wants_its_name and not name.lower().startswith("llama"):
        raise ExportError(
            f"The licence of the base, {licence.shown}, wants the name of a model made from it to begin with Llama.",
            f"Call the repository Llama-{name}, for example.",
        )


def _licence_of_base(run: RunFolder, base: Path | None, *, hub: Hub, given: str) -> Licence:
    """Return the licence that the base has, or that a person says it has where nothing tells."""
    model = run.config.model
    found = known_licence(model, base)
    if found is None and is_of_hub(run.config):
        with logged(log, "The Hub does not tell the licence of a base", ModelError):
            found = hub.licence(model)
    said = named(given)
    if given.strip() and said is None:
        raise ExportError(
            f"'{given[:80]}' cannot be the id of a licence.", "Give one as the Hub has it, such as apache-2.0."
        )
    if found is not None and found.is_known:
        if said is not None and said.id != found.id:
            raise ExportError(
                f"The base has the licence {found.id}, and what is made from it keeps that.",
                "Leave the licence empty.",
            )
        return found
    if said is None:
        raise ExportError(
            f"Nothing tells the licence of the base, {base_name(run)}."
            if found is None
            else f"The base, {base_name(run)}, has the licence '{found.shown}', which the studio does not know.",
            "Read it, and name it here as the Hub does, such as apache-2.0, or other.",
        )
    if found is not None and said.id == found.id:
        return found
    return said if said.is_known or said.id == OTHER else Licence(OTHER, said.id)


def publication_state(jobs: Jobs, run: RunFolder, kind: str) -> PublicationState:
    """Say how far a publication is, or what was published last. Raises ExportError for an unknown kind."""
    export_state(jobs, run, kind)
    state = jobs.state(Publish(run.path, kind, ""), starting="Starting to publish.")
    found = read_publication(run, kind)
    if state.working or state.status in ("failed", "stopped"):
        return state.giving(found)
    if found is not None and found.address:
        return JobState("ready", f"Published: {found.address}", found)
    return JobState("none", "")


def card_path(run: RunFolder, kind: str) -> Path:
    """Say where the card lies that goes with an export."""
    return run.published / f"{kind}.card.md"


def published_files(run: RunFolder, kind: str) -> dict[str, Path]:
    """List the files of an export by their names in the repository, without its card.

    Raises ExportError where they are not those that were checked.
    """
    report = read_report(run.exports, kind)
    if kind in ONE_FILE:
        found = {path.name: path for path in exported_files(run, kind)}
    else:
        folder = export_folder(run, kind)
        found = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if _is_plain(path)}
    if report is None or not found or _size(found) != report.folder_bytes:
        raise ExportError(
            "The files of this export are not those that were checked.", "Delete the export, and prepare it again."
        )
    found.pop(CARD, None)
    return found


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _size(files: dict[str, Path]) -> int:
    return sum(path.stat().st_size for path in files.values() if path.is_file())


def write_publication(run: RunFolder, publication: Publication) -> None:
    """Write down what is published, whole. Raises ExportError when the disk does not take it."""
    path = run.published / f"{publication.kind}.json"
    with disk_trouble("The record of the publication", path, ExportError):
        write_whole(path, codec.dumps(publication))


def read_publication(run: RunFolder, kind: str) -> Publication | None:
    """Read what was published last; None where there is nothing, or nothing that can be read."""
    try:
        return codec.read(Publication, run.published / f"{kind}.json")
    except (OSError, codec.Damaged):
        log.debug("No record of a publication can be read", exc_info=True)
        return None


def is_of(publication: Publication, report: ExportReport | None) -> bool:
    """Tell whether what was published is the export that is there now."""
    return report is not None and publication.size == report.archive_bytes
