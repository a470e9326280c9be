"""Publishes files to a repository of the person who is logged in on the Hugging Face Hub.

What the Hub refuses becomes a sentence. An access token is an argument here and is kept nowhere.
"""

import hashlib
import io
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import CommitOperationAdd, CommitOperationDelete, constants
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, RepositoryNotFoundError
from huggingface_hub.hf_api import RepoFile

from studio.errors import ExportError
from studio.models.download import REPORT_EVERY_SECONDS, Listener, Stopped, answers
from studio.models.hub import PATIENCE_SECONDS, TransportError, is_offline, only_reads, plain_http, status_of

log = logging.getLogger(__name__)

CARD = "README.md"

_REPOSITORY = re.compile(r"(?=[^/]{1,96}/)[A-Za-z0-9][\w.-]*/(?=.{1,96}\Z)[A-Za-z0-9_][\w.-]*", re.ASCII)
_MAY_NOT_WRITE = ("read",)
_OF_THE_HUB = (".gitattributes",)
"""What the Hub itself puts into a new repository."""

_KEPT = "What was uploaded is kept there: publish again, and it goes on from there. The export itself is untouched."
_MOST_NAMED = 3
_LONGEST_TOKEN = 500


@dataclass(frozen=True)
class Target:
    """A repository by its name, owner/name, and whether everybody may see it."""

    name: str
    public: bool = False

    @property
    def owner(self) -> str:
        """The person or the organisation that it belongs to."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Published:
    """What was published: the address of its page and the commit. `names` are its files."""

    address: str
    commit: str
    names: tuple[str, ...]


def check_target(name: str) -> None:
    """Raises ExportError for what cannot be the name of a repository of somebody."""
    if not _REPOSITORY.fullmatch(name) or ".." in name or "--" in name or name.endswith((".git", ".ipynb", ".", "-")):
        raise ExportError(
            f"'{name[:80]}' cannot be the name of a repository on the Hugging Face Hub.",
            "Give your name there, a slash and a name of letters, digits, points and dashes, such as me/my-model.",
        )


def publish(
    files: Mapping[str, Path],
    card: str,
    target: Target,
    *,
    token: str | None,
    listener: Listener,
    ours: Collection[str] = (),
    begun: Callable[[], None] = lambda: None,
    endpoint: str | None = None,
) -> Published:
    """Upload files by their names, and the card, in one commit, and look whether they arrived.

    A repository that is not there is made. What an earlier try uploaded is not sent again. `ours` are the names of
    files that were published there before, which are replaced; any other content stays, and is a reason to refuse.
    `begun` is called once it is clear that they may be. Raises ExportError and Stopped.
    """
    address = endpoint or constants.ENDPOINT
    check_target(target.name)
    require(address)
    if not token:
        raise ExportError(
            "Nobody is logged in on the Hugging Face Hub on this machine.",
            f"Run `hf auth login` once, or give an access token that may write (from {address}/settings/tokens).",
        )
    progress = _Progress(listener)
    with in_words(target, address), plain_http(), ExitStack() as opened:
        api = huggingface_hub.HfApi(endpoint=address, token=token)
        ensure_may_write(api.whoami(token), target, address)
        progress.tell("Reading the files")
        additions = [
            CommitOperationAdd(name, opened.enter_context(_Watched(path, progress)))
            for name, path in sorted(files.items())
        ]
        additions.append(CommitOperationAdd(CARD, card.encode()))
        there = _look(api, target, address)
        if there is None:
            api.create_repo(target.name, private=not target.public)
            there = {}
        _ensure_ours(there, additions, target, ours=ours)
        begun()
        progress.total = sum(each.upload_info.size for each in additions)
        for each in additions:
            progress.begin(each, f"Uploading {each.path_in_repo}")
            api.preupload_lfs_files(target.name, [each], num_threads=1, free_memory=False)
        progress.tell("Writing the commit")
        names = tuple(each.path_in_repo for each in additions)
        gone = [CommitOperationDelete(name) for name in sorted(ours) if name in there and name not in names]
        done = api.create_commit(
            target.name, [*additions, *gone], commit_message="Publish from LoRA Studio", num_threads=1
        )
        progress.tell("Looking whether all of it arrived")
        _ensure_arrived(_contents(api, target), additions)
    return Published(f"{address}/{target.name}", done.oid, names)


def require(address: str) -> None:
    """Raises ExportError where the Hub is switched off or cannot be reached."""
    if is_offline(os.environ):
        raise ExportError("The Hugging Face Hub is switched off by HF_HUB_OFFLINE.", "Unset HF_HUB_OFFLINE.")
    if not answers(address, seconds=PATIENCE_SECONDS):
        raise ExportError(
            f"The Hugging Face Hub ({address}) cannot be reached.",
            "Check the network and publish again. The export itself is untouched.",
        )


def ensure_may_write(who: Any, target: Target, address: str) -> None:
    """Raises ExportError where the token is another's, or may only read. `who` is what the Hub says of its owner."""
    who = who if isinstance(who, dict) else {}
    me = str(who.get("name", ""))
    orgs = {
        str(each.get("name")): str(each.get("roleInOrg", ""))
        for each in who.get("orgs") or ()
        if isinstance(each, dict) and each.get("roleInOrg") not in _MAY_NOT_WRITE
    }
    owners = {name.lower() for name in (me, *orgs) if name}
    if target.owner.lower() not in owners:
        raise ExportError(
            f"The access token is that of '{me[:80]}', who may not write to repositories of '{target.owner}'.",
            f"Publish to {me[:80]}/{target.name.partition('/')[2]}, or give a token of {target.owner}.",
        )
    if only_reads(who):
        raise ExportError(
            f"The access token of '{me[:80]}' may read and not write.",
            f"Make one with the right to write on {address}/settings/tokens.",
        )


def _look(api: Any, target: Target, address: str) -> dict[str, RepoFile] | None:
    """Return the files of a repository by name, None where there is none.

    Raises ExportError for a public one where a private one is meant, and the other way round.
    """
    try:
        info = api.model_info(target.name)
    except RepositoryNotFoundError as error:
        if status_of(error) == 401:
            raise
        return None
    if bool(info.private) == target.public:
        raise ExportError(
            f"There is a repository '{target.name}' already, and it is private."
            if info.private
            else f"There is a repository '{target.name}' already, and it is public.",
            f"Change that on {address}/{target.name}/settings, or choose another name.",
        )
    return _contents(api, target)


def _contents(api: Any, target: Target) -> dict[str, RepoFile]:
    return {each.path: each for each in api.list_repo_tree(target.name, recursive=True) if isinstance(each, RepoFile)}


def _ensure_ours(
    there: Mapping[str, RepoFile], additions: list[CommitOperationAdd], target: Target, *, ours: Collection[str]
) -> None:
    """Raises ExportError where a repository holds what this run did not publish there."""
    adding = {each.path_in_repo: each for each in additions}
    strange = [
        name
        for name, file in sorted(there.items())
        if name not in (*ours, *_OF_THE_HUB) and not (name in adding and is_same(file, adding[name]))
    ]
    if strange:
        named = ", ".join(f"'{name[:80]}'" for name in strange[:_MOST_NAMED])
        raise ExportError(
            f"The repository '{target.name}' is in use: {len(strange):,} of its files are others, such as {named}.",
            "Choose another name. Nothing in that repository was changed.",
        )


def is_same(file: RepoFile, addition: CommitOperationAdd) -> bool:
    """Tell whether a file of a repository has the content that is about to be sent."""
    if file.size != addition.upload_info.size:
        return False
    if file.lfs is not None:
        return bool(file.lfs.sha256 == addition.upload_info.sha256.hex())
    with addition.as_file() as opened:
        content = opened.read()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest() == file.blob_id


def _ensure_arrived(there: Mapping[str, RepoFile], additions: list[CommitOperationAdd]) -> None:
    wrong = [
        each.path_in_repo
        for each in additions
        if each.path_in_repo not in there or not is_same(there[each.path_in_repo], each)
    ]
    if wrong:
        raise ExportError(
            f"The Hugging Face Hub does not have what was sent: {wrong[0][:80]} is a different file there.", _KEPT
        )


class _Progress:
    """How far an upload is, told four times a second. The steps ask here whether to go on."""

    def __init__(self, listener: Listener) -> None:
        self.total = 0
        self._listener = listener
        self._what = ""
        self._before = self._size = 0
        self._told = listener.clock()

    def tell(self, what: str) -> None:
        """Say what comes next. Raises Stopped when asked to."""
        self._before, self._size = self._before + self._size, 0
        self._what = what
        self._say()

    def begin(self, addition: CommitOperationAdd, what: str) -> None:
        """Say which file is sent next. Raises Stopped when asked to."""
        self.tell(what)
        self._size = addition.upload_info.size

    def at(self, place: int) -> None:
        """Take note that so many bytes of the file were read to be sent. Raises Stopped when asked to."""
        if self._listener.should_stop():
            raise Stopped(self._what)
        if self._size and self._listener.clock() - self._told >= REPORT_EVERY_SECONDS:
            self._say(min(place, self._size))

    def _say(self, place: int = 0) -> None:
        if self._listener.should_stop():
            raise Stopped(self._what)
        self._told = self._listener.clock()
        self._listener.report(self._what, min(self._before + place, self.total), self.total)


class _Watched(io.BufferedReader):
    """A file that tells how far it was read."""

    def __init__(self, path: Path, progress: _Progress) -> None:
        super().__init__(io.FileIO(path))
        self._progress = progress

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes. Raises Stopped when asked to."""
        found = super().read(size)
        self._progress.at(self.tell())
        return found


@contextmanager
def in_words(target: Target, address: str) -> Iterator[None]:
    """Turn what huggingface_hub raises inside the block into an ExportError."""
    try:
        yield
    except HFValidationError as error:
        raise ExportError(
            f"'{target.name[:80]}' cannot be the name of a repository on the Hugging Face Hub.", "Choose another."
        ) from error
    except HfHubHTTPError as error:
        raise _refused(target, error, address) from error
    except RuntimeError as error:  # so it tells of trouble with a large file
        cause: BaseException | None = error.__cause__
        if isinstance(cause, Stopped):
            raise cause from None
        if isinstance(cause, HfHubHTTPError):
            raise _refused(target, cause, address) from error
        if isinstance(cause, OSError | TransportError):
            raise _broken(cause) from error
        raise
    except ValueError as error:  # so it tells of a card that the Hub does not take, and of answers that make no sense
        said = " ".join(str(error).split())[:300]
        raise ExportError(f"The Hugging Face Hub does not take this: {said}.", _KEPT) from error
    except (OSError, TransportError) as error:
        raise _broken(error) from error


def _refused(target: Target, error: HfHubHTTPError, address: str) -> ExportError:
    status = status_of(error)
    if status == 401:
        return ExportError(
            "The Hugging Face Hub does not know this access token (status 401): it is wrong, or has expired.",
            f"Make one with the right to write on {address}/settings/tokens, and give that or run `hf auth login`.",
        )
    if status == 403:
        return ExportError(
            f"This access token may not write to '{target.name}' (status 403).",
            f"Give a token with the right to write to repositories of {target.owner} ({address}/settings/tokens).",
        )
    if status == 404:
        return ExportError(
            f"The repository '{target.name}' is gone, or this access token may not see it (status 404).",
            "Publish again, or choose another name.",
        )
    if status in (409, 412):
        return ExportError(
            f"Somebody else made or changed '{target.name}' at the same time (status {status}).", "Publish again."
        )
    if status == 429:
        after = re.fullmatch(r"\d{1,6}", error.response.headers.get("Retry-After", ""))
        wait = f"Wait {int(after[0]):,} seconds." if after else "Wait a few minutes."
        return ExportError("The Hugging Face Hub was asked too often (status 429).", f"{wait} {_KEPT}")
    if status >= 500:
        return ExportError(f"The Hugging Face Hub has trouble of its own (status {status}).", f"Wait a little. {_KEPT}")
    said = " ".join(str(error.server_message or "").split())[:200]
    return ExportError(
        f"The Hugging Face Hub refused '{target.name}' with status {status}{f': {said}' if said else ''}.", _KEPT
    )


def _broken(error: BaseException) -> ExportError:
    if isinstance(error, FileNotFoundError):
        return ExportError("The export was deleted while it was uploaded.", "Prepare it again, then publish it.")
    return ExportError("The connection to the Hugging Face Hub broke off.", f"Check the network. {_KEPT}")


def is_token(text: str) -> bool:
    """Tell whether a text can be an access token."""
    return len(text) <= _LONGEST_TOKEN and text.isascii() and text.isprintable() and " " not in text


def own_token() -> str | None:
    """Return the access token of the person at this machine, None where there is none or where it must not be used."""
    return None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else huggingface_hub.get_token()
