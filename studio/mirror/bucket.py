"""A private bucket on the Hugging Face Hub in which the contents of files lie under their hashes, and one table.

What the Hub refuses becomes a sentence. Everything here may take long, and runs in the process of the mirror alone.
"""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import BucketBatchError, HfHubHTTPError, HFValidationError

from studio.errors import MirrorError
from studio.mirror.contents import CONTENTS, TABLE
from studio.models.hub import TransportError, status_of

_MOST_AT_ONCE = 200

_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)

log = logging.getLogger(__name__)


class Store(Protocol):
    """Where a mirror lies."""

    def prepare(self) -> None:
        """Make it where it is not there, and check that it is private."""

    def version(self) -> str:
        """Name the table that lies there; empty where there is none."""

    def table(self, to: Path) -> bool:
        """Fetch the table into a file; say whether there is one."""

    def contents(self) -> set[str]:
        """Name what lies there by its hashes."""

    def put(self, files: Mapping[str, Path]) -> None:
        """Send contents by their hashes."""

    def put_table(self, file: Path) -> None:
        """Send the table, and put it in the place of the one before."""

    def fetch(self, files: Mapping[str, Path]) -> None:
        """Fetch contents by their hashes, each into a file."""

    def delete(self, hashes: Iterable[str]) -> None:
        """Delete contents."""


def check_bucket(name: str) -> None:
    """Raises MirrorError for what cannot be the name of somebody's bucket."""
    if not _NAME.fullmatch(name) or ".." in name or "--" in name:
        raise MirrorError(
            f"'{name[:80]}' in STUDIO_MIRROR cannot be the name of a bucket on the Hugging Face Hub.",
            "Give your name there, a slash and a name of letters, digits, points and dashes, such as me/my-studio.",
        )


class Bucket:
    """A bucket by its name. With a `prefix`, such as "people/ada/", several mirrors lie in one."""

    def __init__(self, name: str, *, token: str, prefix: str = "", endpoint: str | None = None) -> None:
        self._name = name
        self._prefix = prefix
        self._address = endpoint or constants.ENDPOINT
        self._api = huggingface_hub.HfApi(endpoint=self._address, token=token)

    def prepare(self) -> None:
        """Make the bucket where it is not there. Raises MirrorError, also for one that everybody can see."""
        with self._in_words():
            self._api.create_bucket(self._name, private=True, exist_ok=True)
            if not self._api.bucket_info(self._name).private:
                raise MirrorError(
                    f"The bucket '{self._name}' is public: everybody could read what is kept in it.",
                    f"Make it private on {self._address}/buckets/{self._name}, or name another in STUDIO_MIRROR.",
                )

    def version(self) -> str:
        """Name the table that lies there; empty where there is none. Raises MirrorError."""
        with self._in_words():
            found = list(self._api.get_bucket_paths_info(self._name, [self._prefix + TABLE]))
        return str(found[0].xet_hash) if found else ""

    def table(self, to: Path) -> bool:
        """Fetch the table into a file; say whether there is one. Raises MirrorError."""
        with self._in_words():
            found = list(self._api.get_bucket_paths_info(self._name, [self._prefix + TABLE]))
            if found:
                self._api.download_bucket_files(self._name, [(found[0], to)], raise_on_missing_files=True)
        return bool(found)

    def contents(self) -> set[str]:
        """Name what lies there by its hashes. Raises MirrorError."""
        with self._in_words():
            try:
                tree = list(self._api.list_bucket_tree(self._name, self._prefix + CONTENTS, recursive=True))
            except HfHubHTTPError as error:
                if status_of(error) != 404:
                    raise
                self._api.bucket_info(self._name)  # the bucket is there, and the folder is not yet
                return set()
            names = {each.path.rpartition("/")[2]: each.path for each in tree if each.type == "file"}
            return {name for name, path in names.items() if len(name) == 64 and path == self._place(name)}

    def put(self, files: Mapping[str, Path]) -> None:
        """Send contents by their hashes. Raises MirrorError."""
        self._change(add=[(str(path), self._place(sha256)) for sha256, path in files.items()])

    def put_table(self, file: Path) -> None:
        """Send the table, and put it in the place of the one before. Raises MirrorError."""
        self._change(add=[(str(file), self._prefix + TABLE)])

    def fetch(self, files: Mapping[str, Path]) -> None:
        """Fetch contents by their hashes, each into a file. Raises MirrorError, also where one is not there."""
        wanted: list[tuple[str | huggingface_hub.BucketFile, str | Path]] = [
            (self._place(sha256), path) for sha256, path in files.items()
        ]
        with self._in_words():
            self._api.download_bucket_files(self._name, wanted, raise_on_missing_files=True)

    def delete(self, hashes: Iterable[str]) -> None:
        """Delete contents. Raises MirrorError."""
        names = [self._place(each) for each in hashes]
        for start in range(0, len(names), _MOST_AT_ONCE):
            self._change(delete=names[start : start + _MOST_AT_ONCE])

    def _place(self, sha256: str) -> str:
        return f"{self._prefix}{CONTENTS}/{sha256[:2]}/{sha256}"

    def _change(self, *, add: Sequence[tuple[str, str]] = (), delete: Sequence[str] = ()) -> None:
        with self._in_words():
            self._api.batch_bucket_files(self._name, add=list(add) or None, delete=list(delete) or None)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        """Turn what huggingface_hub and hf_xet raise inside the block into a MirrorError."""
        try:
            yield
        except MirrorError:
            raise
        except BucketBatchError as error:
            raise MirrorError(
                f"The Hugging Face Hub did not take all that was sent to the bucket '{self._name}'.", _AGAIN
            ) from error
        except HFValidationError as error:
            raise MirrorError(f"'{self._name[:80]}' cannot be the name of a bucket.", "Choose another.") from error
        except HfHubHTTPError as error:
            raise self._refused(error) from error
        except (OSError, TransportError) as error:
            raise MirrorError("The connection to the Hugging Face Hub broke off.", _AGAIN) from error
        except Exception as error:  # hf_xet raises kinds of its own for whatever its storage answers
            if type(error).__module__.partition(".")[0] not in ("builtins", "hf_xet"):
                raise
            log.warning("The storage of the Hub: %s", error, exc_info=True)
            raise MirrorError("The storage of the Hugging Face Hub cannot be reached, or refuses.", _AGAIN) from error

    def _refused(self, error: HfHubHTTPError) -> MirrorError:
        status, tokens = status_of(error), f"{self._address}/settings/tokens"
        if status == 401:
            return MirrorError(
                "The Hugging Face Hub does not know the access token in HF_TOKEN: it is wrong, or has expired.",
                f"Make one that may write to the bucket '{self._name}' on {tokens}.",
            )
        if status in (402, 413, 507):
            return MirrorError(
                f"There is no room left for the bucket '{self._name}' (status {status}).",
                f"Delete something, or look at {self._address}/settings/billing.",
            )
        if status == 403:
            return MirrorError(
                f"The access token in HF_TOKEN may not write to the bucket '{self._name}'.",
                f"Give one that may, from {tokens}.",
            )
        if status == 404:
            return MirrorError(
                f"The bucket '{self._name}' is not there, or the access token in HF_TOKEN may not see it.",
                f"Check its name in STUDIO_MIRROR, and the token on {tokens}.",
            )
        if status == 429:
            return MirrorError("The Hugging Face Hub was asked too often.", _AGAIN)
        if status >= 500:
            return MirrorError(f"The Hugging Face Hub has trouble of its own (status {status}).", _AGAIN)
        return MirrorError(f"The Hugging Face Hub refuses the bucket '{self._name}' (status {status}).", _AGAIN)


_AGAIN = "It is tried again."
