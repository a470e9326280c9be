"""The one place where the studio speaks to the Hugging Face Hub, and where the Hub's errors become sentences.

The Hub's own cache is used, so that models are shared with other programs.
"""

import errno
import fnmatch
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    NotASafetensorsRepoError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    SafetensorsParsingError,
)
from huggingface_hub.hf_api import RepoFile
from huggingface_hub.utils.tqdm import tqdm

from studio import codec
from studio.errors import ModelError
from studio.limits import LAPTOP, Limits, raised_by
from studio.models.download import DownloadProgress, Listener, Unreachable, answers
from studio.models.licences import Licence, named
from studio.wording import size

TransportError: type[Exception] = HfHubHTTPError.__bases__[0]
"""The base of all errors of the HTTP library below huggingface_hub, whichever that is in the installed version."""

SMALL_FILES = ("*.json", "*.jinja", "*.txt", "tokenizer.model")
"""Configuration and tokenizer. Never code: no model may bring its own."""

NO_TOKEN_HINT = "This studio asks the Hub without an access token, so choose one that everybody may read."
"""What to do about gated and private repositories where visitors must not use the token of this machine."""

PATIENCE_SECONDS = 4.0
"""How long the Hub may take to give a first sign of life."""


def status_of(error: HfHubHTTPError) -> int:
    """Return the status with which the Hub refused."""
    return int(error.response.status_code)


def only_reads(who: Mapping[str, Any]) -> bool:
    """Tell whether an access token may read and nothing else, by what the Hub says of who has it."""
    auth = who.get("auth")
    told = auth.get("accessToken") if isinstance(auth, dict) else None
    return isinstance(told, dict) and told.get("role") == "read"


@dataclass(frozen=True)
class Hub:
    """The Hugging Face Hub as this machine sees it. None takes the address and the cache that the environment names.

    `token` is False where no access token may be used; None takes that of whoever runs the studio, if there is one.
    """

    endpoint: str | None = None
    cache: Path | None = None
    token: Literal[False] | None = None

    @property
    def address(self) -> str:
        return self.endpoint or constants.ENDPOINT

    @property
    def may_use_token(self) -> bool:
        """Whether an access token of this machine may be sent. The environment tells workers."""
        return self.token is None and not constants.HF_HUB_DISABLE_IMPLICIT_TOKEN

    def require(self) -> None:
        """Check that the Hub may be asked and answers. Raises Unreachable within five seconds when it does not."""
        if is_offline(os.environ):
            raise Unreachable("The Hugging Face Hub is switched off by HF_HUB_OFFLINE.", "Unset HF_HUB_OFFLINE.")
        if not answers(self.address, seconds=PATIENCE_SECONDS):
            raise Unreachable(
                f"The Hugging Face Hub ({self.address}) cannot be reached.",
                "Check the network and try again, or choose the starter model or a local folder.",
            )

    def file_url(self, repo_id: str, *, name: str, revision: str) -> str:
        """Name the address of one file."""
        return huggingface_hub.hf_hub_url(repo_id, name, revision=revision, endpoint=self.address)

    def cached(self, repo_id: str) -> Path | None:
        """Find a model's folder in the cache without the network. Its weights may still be missing.

        Raises ModelError when the id is malformed.
        """
        try:
            folder = huggingface_hub.snapshot_download(
                repo_id,
                cache_dir=self.cache,
                local_files_only=True,
                token=self.token,
                allow_patterns=list(SMALL_FILES),
                ignore_patterns=["*/*"],
            )
        except LocalEntryNotFoundError:
            return None
        except HFValidationError as error:
            raise _malformed(repo_id) from error
        return Path(folder)

    def download(self, repo_id: str, *, listener: Listener, limits: Limits = LAPTOP) -> Path:
        """Fetch a model's configuration, tokenizer and weights and return their folder, if `limits` let it in.

        Whole files that were fetched before are kept. Raises Stopped, and ModelError for everything that can go wrong.
        """
        self.require()
        with translating(repo_id, self.address, has_token=self.may_use_token), plain_http():
            api = huggingface_hub.HfApi(endpoint=self.address, token=self.token)
            sizes = {item.path: item.size for item in api.list_repo_tree(repo_id) if isinstance(item, RepoFile)}
            names = choose_files(sizes)
            if not names:
                raise ModelError(
                    f"'{repo_id}' holds no model that can be trained: it needs config.json and safetensors weights.",
                    "Choose the original model instead of an adapter or a GGUF conversion of it.",
                )
            total = sum(sizes[name] for name in names)
            done = sum(sizes[name] for name in names if self._holds(repo_id, name))
            self._require_room(repo_id, total=total, left=total - done, limits=limits)
            progress = DownloadProgress(
                f"Downloading {repo_id}",
                total=total,
                listener=listener,
                done=done,
            )
            folder = huggingface_hub.snapshot_download(
                repo_id,
                cache_dir=self.cache,
                endpoint=self.address,
                token=self.token,
                allow_patterns=list(names),
                tqdm_class=_bar_for(progress),
            )
        return Path(folder)

    def _require_room(self, repo_id: str, *, total: int, left: int, limits: Limits) -> None:
        """Raise ModelError for a model that is too large, or that would fill the disk. Sizes are in bytes."""
        most, kept_free = limits.model_gib * 2**30, limits.free_disk_gib * 2**30
        if total > most:
            raise ModelError(
                f"'{repo_id}' has {size(total)}, and a base model may have {size(most)} here.",
                f"Choose a smaller model. {raised_by('model_gib')}",
            )
        folder = Path(self.cache or constants.HF_HUB_CACHE)
        there = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
        free = shutil.disk_usage(there).free
        if left > free - kept_free:
            raise ModelError(
                f"'{repo_id}' needs {size(left)} more; {size(free)} of the disk are free, and "
                f"{size(kept_free)} have to stay free.",
                f"Free some space, or choose a smaller model. {raised_by('free_disk_gib')}",
            )

    def config(self, repo_id: str) -> Mapping[str, Any]:
        """Read a model's config.json from the Hub without its weights. Raises ModelError."""
        self.require()
        with translating(repo_id, self.address, has_token=self.may_use_token), plain_http():
            path = huggingface_hub.hf_hub_download(
                repo_id, "config.json", cache_dir=self.cache, endpoint=self.address, token=self.token
            )
        try:
            document = codec.parse_file(Path(path))
        except (OSError, ValueError) as error:
            raise ModelError(f"The config.json of '{repo_id}' is damaged.", "Choose another model.") from error
        if not isinstance(document, dict):
            raise ModelError(f"The config.json of '{repo_id}' does not describe a model.", "Choose another model.")
        return document

    def licence(self, repo_id: str) -> Licence | None:
        """Return the licence that a model's card on the Hub names; None where it names none. Raises ModelError."""
        self.require()
        with translating(repo_id, self.address, has_token=self.may_use_token):
            info = huggingface_hub.HfApi(endpoint=self.address, token=self.token).model_info(repo_id)
        card: Any = info.card_data
        data = card.to_dict() if card is not None else {}
        found = named(str(data.get("license") or ""))
        if found is None:
            return None
        link = str(data.get("license_link") or "")[:200]
        return Licence(found.id, str(data.get("license_name") or "")[:200], link if link.startswith("https://") else "")

    def shapes(self, repo_id: str) -> Mapping[str, tuple[int, ...]]:
        """Read the names and shapes of a model's tensors from the Hub without its weights. Raises ModelError."""
        self.require()
        with translating(repo_id, self.address, has_token=self.may_use_token):
            api = huggingface_hub.HfApi(endpoint=self.address, token=self.token)
            api.model_info(repo_id)  # the next call takes a model that is not there for one without such files
            found = api.get_safetensors_metadata(repo_id)
        return {
            name: tuple(tensor.shape) for file in found.files_metadata.values() for name, tensor in file.tensors.items()
        }

    def _holds(self, repo_id: str, name: str) -> bool:
        return isinstance(huggingface_hub.try_to_load_from_cache(repo_id, name, cache_dir=self.cache), str)


DEFAULT_HUB = Hub()


def is_offline(environment: Mapping[str, str]) -> bool:
    """Tell whether the environment forbids asking the Hub."""
    value = environment.get("HF_HUB_OFFLINE") or environment.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in {"1", "ON", "YES", "TRUE"}


def choose_files(names: Iterable[str]) -> tuple[str, ...]:
    """Choose the files that are needed to load a model from those in its repository; none when there is no model."""
    top = sorted(name for name in names if "/" not in name)
    weights = [name for name in top if name == "model.safetensors"]
    weights = weights or [name for name in top if re.fullmatch(r"model-\d+-of-\d+\.safetensors", name)]
    weights = weights or [name for name in top if re.fullmatch(r"pytorch_model(-\d+-of-\d+)?\.bin", name)]
    if not weights or "config.json" not in top:
        return ()
    small = [name for name in top if any(fnmatch.fnmatchcase(name, pattern) for pattern in SMALL_FILES)]
    return (*small, *weights)


@contextmanager
def plain_http() -> Iterator[None]:
    """Download over plain HTTP inside the block: the Xet protocol runs in native threads that cannot be stopped."""
    before = constants.HF_HUB_DISABLE_XET
    constants.HF_HUB_DISABLE_XET = True
    try:
        yield
    finally:
        constants.HF_HUB_DISABLE_XET = before


@contextmanager
def translating(repo_id: str, address: str, *, has_token: bool = True) -> Iterator[None]:
    """Turn what huggingface_hub raises inside the block into a ModelError about `repo_id`."""
    try:
        yield
    except GatedRepoError as error:
        raise ModelError(
            f"'{repo_id}' is gated: its authors ask you to accept their terms first.",
            f"Accept the licence on {address}/{repo_id}, set HF_TOKEN to an access token of yours, and try again."
            if has_token
            else NO_TOKEN_HINT,
        ) from error
    except RemoteEntryNotFoundError as error:
        raise ModelError(
            f"'{repo_id}' holds no model that can be trained: it has no config.json.",
            "Choose the original model instead of an adapter or a GGUF conversion of it.",
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"There is no model '{repo_id}' on the Hugging Face Hub, or it is private.",
            "Check the spelling (owner/name). For a private model set HF_TOKEN to an access token that may read it."
            if has_token
            else f"Check the spelling (owner/name). {NO_TOKEN_HINT}",
        ) from error
    except HFValidationError as error:
        raise _malformed(repo_id) from error
    except HfHubHTTPError as error:
        raise _refused(repo_id, error, has_token=has_token) from error
    except NotASafetensorsRepoError as error:
        raise ModelError(
            f"'{repo_id}' has no safetensors files, so its layers are known only once it is loaded.",
            "You can still train it.",
        ) from error
    except SafetensorsParsingError as error:
        raise ModelError(f"The model files of '{repo_id}' are damaged.", "Choose another model.") from error
    except (OSError, TransportError) as error:
        raise _broken(repo_id, error) from error


def _malformed(repo_id: str) -> ModelError:
    return ModelError(
        f"'{repo_id}' is neither the id of a model on the Hugging Face Hub nor a local folder.",
        "Give an id such as owner/name, as it stands on the model's page, or the path of a folder.",
    )


def _refused(repo_id: str, error: HfHubHTTPError, *, has_token: bool) -> ModelError:
    status = error.response.status_code
    if status in (401, 403):
        return ModelError(
            f"The Hugging Face Hub does not let this machine read '{repo_id}' (status {status}).",
            "Set HF_TOKEN to an access token that may read it, or unset it when it has expired."
            if has_token
            else NO_TOKEN_HINT,
        )
    return ModelError(f"The Hugging Face Hub refused '{repo_id}' with status {status}.", "Try again in a few minutes.")


def _broken(repo_id: str, error: Exception) -> ModelError:
    # Only trouble with a file names a file; a write to a full disk does not, but has a number of its own.
    if isinstance(error, OSError) and (error.filename or error.errno in (errno.ENOSPC, errno.EDQUOT)):
        place = f" ({error.filename})" if error.filename else ""
        return ModelError(
            f"'{repo_id}' cannot be written to the disk{place}: {error.strerror}.",
            "Free some space or correct the permissions, or set HF_HOME to a folder with more room.",
        )
    return ModelError(
        f"The connection to the Hugging Face Hub broke off at '{repo_id}'.",
        "Check the network and try again: what was downloaded in full is kept.",
    )


def _bar_for(progress: DownloadProgress) -> type[Any]:
    """Make a progress bar that draws nothing and tells `progress` of the bytes that were written to the disk."""

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            self.counts = options.get("unit") == "B" and not str(options.get("name", "")).endswith(".transfer")
            super().__init__(*arguments, **(options | {"disable": True}))  # type: ignore[no-untyped-call]

        def update(self, n: float | None = 1) -> None:
            if self.counts and n:
                progress.advance(int(n))

    return Bar
