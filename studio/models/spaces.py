"""Makes a Space of this checkout on the Hugging Face Hub, or brings one up to date. No token and no secret is told."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants
from huggingface_hub.errors import RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from studio.errors import ExportError
from studio.models.hub import plain_http
from studio.models.publishing import Target, check_target, ensure_may_write, in_words, is_same, require

SENT = ("app.py", "requirements.txt", "README.md", "LICENSE", "SECURITY.md", "studio", "assets")
"""What a Space needs of a checkout, files and folders."""

_SOURCE = (".py", ".js", ".css", ".html", ".json", ".svg")
"""What the source is made of; whatever else lies in its folder is somebody's own."""

_OURS = "studio/cli/main.py"
"""The file that tells a Space of this studio from any other."""

_OF_THE_HUB = (".gitattributes", "README.md", "app.py")
"""What may lie in a Space that has just been made."""

PASSWORD, OPEN = "STUDIO_PASSWORD", "STUDIO_OPEN"
ACCOUNTS, GUESTS = "STUDIO_ACCOUNTS", "STUDIO_GUESTS"
_AGAIN = "Start the command again: it goes on from there."


@dataclass(frozen=True)
class SpaceOrder:
    """A Space by its name, owner/name, and what is set in it. Empty `hardware` leaves it as it is. `deletes` says that
    what the Space has beside this checkout goes.
    """

    name: str
    private: bool = False
    hardware: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    deletes: bool = False


@dataclass(frozen=True)
class SpaceMade:
    """Where a Space is, whether it was made just now, and the names of the files that were sent and deleted. `beside`
    are those that the checkout lacks and the Space kept.
    """

    address: str
    is_new: bool
    sent: tuple[str, ...]
    deleted: tuple[str, ...]
    beside: tuple[str, ...] = ()


def space_files(checkout: Path) -> dict[str, Path]:
    """List the files of a checkout that a Space needs, by their names there: no hidden ones, nothing compiled.

    Raises ExportError for a folder that is no checkout.
    """
    found = {}
    for name in SENT:
        top = checkout / name
        for path in (top, *sorted(top.rglob("*"))) if top.is_dir() else (top,):
            inside = path.relative_to(checkout)
            is_left_out = any(part.startswith(".") or part == "__pycache__" for part in inside.parts) or (
                name == "studio" and path.suffix not in _SOURCE
            )
            if path.is_file() and not path.is_symlink() and not is_left_out:
                found[inside.as_posix()] = path
    if "app.py" not in found or _OURS not in found:
        raise ExportError(
            f"{checkout} is not a whole checkout of the studio.", "Start the command with the app.py of one."
        )
    return found


def make_space(
    files: Mapping[str, Path],
    order: SpaceOrder,
    *,
    token: str | None,
    tell: Callable[[str], None] = lambda said: None,
    endpoint: str | None = None,
) -> SpaceMade:
    """Make a Space or bring it up to date: its secrets and variables, its hardware, then its files in one commit.

    Files that are there unchanged are not sent. Those that the checkout lacks stay unless the order says otherwise:
    they may be of an older studio, or somebody's own. Raises ExportError.
    """
    address = endpoint or constants.ENDPOINT
    check_target(order.name)
    require(address)
    if not token:
        raise ExportError(
            "Nobody is logged in on the Hugging Face Hub on this machine.",
            f"Run `hf auth login` once, with a token that may write (from {address}/settings/tokens).",
        )
    target = Target(order.name, not order.private)
    with _in_words(target, address), plain_http():
        api = huggingface_hub.HfApi(endpoint=address, token=token)
        ensure_may_write(api.whoami(token), target, address)
        there = _contents(api, order, address)
        _ensure_guarded(api, order, is_new=there is None)
        if there is None:
            tell(f"Making the Space {order.name}")
            _create(api, order)
        else:
            tell(f"Setting what the Space {order.name} needs")
            _set(api, order)
        found = _contents(api, order, address) or {}
        additions = [CommitOperationAdd(name, path) for name, path in sorted(files.items())]
        changed = [each for each in additions if not _is_there(found.get(each.path_in_repo), each)]
        beside = sorted(found.keys() - files.keys() - {".gitattributes"})
        gone = beside if order.deletes else []
        if changed or gone:
            tell(f"Sending {len(changed):,} files")
            api.create_commit(
                order.name,
                [*changed, *(CommitOperationDelete(name) for name in gone)],
                commit_message="Bring LoRA Studio up to date",
                repo_type="space",
                num_threads=1,
            )
    sent = tuple(each.path_in_repo for each in changed)
    kept = () if order.deletes else tuple(beside)
    return SpaceMade(f"{address}/spaces/{order.name}", there is None, sent, tuple(gone), kept)


def _contents(api: huggingface_hub.HfApi, order: SpaceOrder, address: str) -> dict[str, RepoFile] | None:
    """Return the files of a Space by name, None where there is none. Raises ExportError for somebody else's."""
    try:
        info = api.space_info(order.name)
    except RepositoryNotFoundError as error:
        if error.response.status_code == 401:
            raise
        return None
    if order.private and not info.private:
        raise ExportError(
            f"There is a Space '{order.name}' already, and everybody can see it.",
            f"Change that on {address}/spaces/{order.name}/settings, or leave out --private.",
        )
    tree = api.list_repo_tree(order.name, recursive=True, repo_type="space")
    found = {each.path: each for each in tree if isinstance(each, RepoFile)}
    strange = sorted(found.keys() - set(_OF_THE_HUB))
    if strange and _OURS not in found:
        raise ExportError(
            f"The Space '{order.name}' is another program: it has {len(strange):,} files, such as '{strange[0][:80]}'.",
            "Choose another name. Nothing in that Space was changed.",
        )
    return found


def _ensure_guarded(api: huggingface_hub.HfApi, order: SpaceOrder, *, is_new: bool) -> None:
    """Raises ExportError where the studio in the Space would not start: nobody said who may use it."""
    if PASSWORD in order.secrets or not {OPEN, ACCOUNTS}.isdisjoint(order.variables):
        return
    if not is_new and (
        PASSWORD in api.get_space_secrets(order.name)
        or not {OPEN, ACCOUNTS}.isdisjoint(api.get_space_variables(order.name))
    ):
        return
    raise ExportError(
        "The studio in a Space asks for a password, and none is given.",
        f"Set {PASSWORD} to one of 8 characters or more before the command, or say --sign-in to have visitors sign in "
        "with Hugging Face. Or let everybody in: python app.py --open space ...",
    )


def _create(api: huggingface_hub.HfApi, order: SpaceOrder) -> None:
    api.create_repo(
        order.name,
        repo_type="space",
        space_sdk="gradio",
        private=order.private,
        space_hardware=order.hardware or None,  # type: ignore[arg-type]
        space_secrets=[{"key": key, "value": value} for key, value in order.secrets.items()],
        space_variables=[{"key": key, "value": value} for key, value in order.variables.items()],
    )


def _set(api: huggingface_hub.HfApi, order: SpaceOrder) -> None:
    for key, value in order.secrets.items():
        api.add_space_secret(order.name, key, value)
    for key, value in order.variables.items():
        api.add_space_variable(order.name, key, value)
    if order.hardware:
        api.request_space_hardware(order.name, order.hardware)  # type: ignore[arg-type]


def _is_there(file: RepoFile | None, addition: CommitOperationAdd) -> bool:
    return file is not None and is_same(file, addition)


@contextmanager
def _in_words(target: Target, address: str) -> Iterator[None]:
    """Say in sentences what the Hub refuses, as for an export, but nothing of publishing again."""
    try:
        with in_words(target, address):
            yield
    except ExportError as error:
        hint = _AGAIN if "ublish" in error.hint else error.hint
        raise ExportError(error.message, hint) from error
