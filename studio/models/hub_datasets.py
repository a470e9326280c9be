"""Lists the files of a data set of the Hub at one commit, and fetches some of them into a folder.

Only files of that repository are fetched, into plain files, within bounds on bytes and time.
"""

import queue
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import huggingface_hub
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.utils.tqdm import tqdm

from studio.data.rows import Report
from studio.errors import DataError
from studio.models.download import Stopped, Unreachable
from studio.models.hub import DEFAULT_HUB, NO_TOKEN_HINT, Hub, TransportError, plain_http

REQUEST_SECONDS = 10.0
"""How long the Hub may take to begin an answer."""

LOOK_SECONDS = 60.0
"""How long a look at a repository or at its card may take in all."""

SLOWEST_BYTES_PER_SECOND = 20_000
"""A download that is slower than this is given up."""

_POLL_SECONDS = 0.2
_COMMIT = re.compile(r"[0-9a-f]{40}")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit, with their sizes in bytes; -1 where the Hub does not say."""

    commit: str
    sizes: Mapping[str, int]


@dataclass(frozen=True)
class HubDatasets:
    """The data sets of the Hub. Whatever goes wrong is a DataError; CancelledError comes from `report`."""

    hub: Hub = DEFAULT_HUB
    look_seconds: float = LOOK_SECONDS
    clock: Callable[[], float] = field(default=time.monotonic)

    def listing(self, repo_id: str, *, report: Report) -> Listing:
        """List the files of a data set at its newest commit."""
        self._require()
        api = huggingface_hub.HfApi(endpoint=self.hub.address, token=self.hub.token)

        def look() -> Any:
            return api.dataset_info(repo_id, files_metadata=True, timeout=REQUEST_SECONDS)

        with self._translating(repo_id):
            found = self._within(self.look_seconds, look, waiting=lambda: report(f"Looking at {repo_id}", 0, 0))
        if not _COMMIT.fullmatch(found.sha or ""):
            raise DataError(f"The Hub does not say at which commit {repo_id} is.", "Try again later.")
        sizes = {each.rfilename: -1 if each.size is None else each.size for each in found.siblings or ()}
        return Listing(found.sha, sizes)

    def card(self, repo_id: str, commit: str, folder: Path, *, most_bytes: int, report: Report) -> str:
        """Return the README.md of a data set."""
        path = self._file(repo_id, commit, "README.md", folder, most_bytes, self.look_seconds, report)
        return path.read_text(encoding="utf-8", errors="replace")

    def fetch(
        self, repo_id: str, commit: str, names: Sequence[str], folder: Path, *, sizes: Mapping[str, int], report: Report
    ) -> tuple[Path, ...]:
        """Fetch files into a folder and return them. More bytes than `sizes` says are not taken."""
        total, done, paths = sum(sizes[name] for name in names), 0, []
        for name in names:

            def tell(what: str, more: int, _: int, before: int = done) -> None:
                report(what, before + more, total)

            seconds = self.look_seconds + sizes[name] / SLOWEST_BYTES_PER_SECOND
            paths.append(self._file(repo_id, commit, name, folder, sizes[name], seconds, tell))
            done += sizes[name]
        return tuple(paths)

    def _file(
        self, repo_id: str, commit: str, name: str, folder: Path, most_bytes: int, seconds: float, report: Report
    ) -> Path:
        bytes_done = [0]
        given_up = threading.Event()

        def download() -> str:
            return huggingface_hub.hf_hub_download(
                repo_id,
                name,
                repo_type="dataset",
                revision=commit,
                local_dir=folder,
                endpoint=self.hub.address,
                token=self.hub.token,
                etag_timeout=REQUEST_SECONDS,
                tqdm_class=_counter(bytes_done, most_bytes, given_up),
            )

        with self._translating(repo_id), plain_http():
            try:
                path = Path(
                    self._within(seconds, download, waiting=lambda: report(f"Fetching {repo_id}", bytes_done[0], 0))
                )
            finally:
                given_up.set()
        if path.is_symlink() or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"'{name[:80]}' of {repo_id} is not a plain file.", "Choose another data set.")
        if path.stat().st_size > most_bytes:
            raise _too_large()
        return path

    def _within(self, seconds: float, call: Callable[[], Found], *, waiting: Callable[[], None]) -> Found:
        """Call in a thread and wait at most so long: a Hub that sends a byte now and then would never end the call."""
        answers: queue.SimpleQueue[tuple[Found | None, BaseException | None]] = queue.SimpleQueue()

        def run() -> None:
            try:
                answers.put((call(), None))
            except BaseException as error:  # raised again below, in the thread that waits
                answers.put((None, error))

        threading.Thread(target=run, name="hub-dataset", daemon=True).start()
        ends = self.clock() + seconds
        while True:
            waiting()
            try:
                found, error = answers.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                if self.clock() > ends:
                    raise TimeoutError from None
                continue
            if error is not None:
                raise error
            return found  # type: ignore[return-value]

    def _require(self) -> None:
        try:
            self.hub.require()
        except Unreachable as error:
            hint = "Check the network, or download the files elsewhere and drop them here."
            raise DataError(error.message, hint) from error

    @contextmanager
    def _translating(self, repo_id: str) -> Iterator[None]:
        hint = "Accept its terms on its page and log in with 'hf auth login' on this machine."
        hint = hint if self.hub.may_use_token else NO_TOKEN_HINT
        try:
            yield
        except Stopped as error:
            raise _too_large() from error
        except GatedRepoError as error:
            raise DataError(f"{repo_id} is private or asks for its terms to be accepted.", hint) from error
        except RepositoryNotFoundError as error:
            raise DataError(
                f"There is no data set {repo_id} on the Hub, or it is private.",
                f"Check the id; it looks like 'owner/name'. {'' if self.hub.may_use_token else NO_TOKEN_HINT}".strip(),
            ) from error
        except (RemoteEntryNotFoundError, HFValidationError) as error:
            raise DataError(f"{repo_id} lacks a file that the Hub lists.", "Try again later.") from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            what = "is private or asks for its terms to be accepted" if status in (401, 403) else "was not given"
            raise DataError(
                f"{repo_id} {what} (status {status}).", hint if status in (401, 403) else "Try again in a few minutes."
            ) from error
        except TimeoutError as error:
            raise DataError(f"The Hub answers too slowly to download {repo_id}.", "Try again later.") from error
        except (OSError, TransportError, ValueError) as error:
            raise DataError(
                f"{repo_id} was not downloaded: {' '.join(str(error).split())[:200]}",
                "Check the network and the disk and try again.",
            ) from error


def _too_large() -> DataError:
    return DataError("A file of this data set is larger than the Hub says.", "Choose another data set.")


def _counter(bytes_done: list[int], most_bytes: int, given_up: threading.Event) -> type[Any]:
    """Make a progress bar that draws nothing, counts bytes, and ends a download that is too large or given up."""

    class Counter(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **(options | {"disable": True}))  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            bytes_done[0] += int(n or 0)
            if bytes_done[0] > most_bytes or given_up.is_set():
                raise Stopped("the file")

    return Counter
