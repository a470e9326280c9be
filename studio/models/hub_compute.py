"""Jobs and buckets of one person on the Hugging Face Hub. What the Hub refuses becomes a sentence.

An access token is an argument here and is kept nowhere.
"""

import itertools
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import constants
from huggingface_hub.errors import BucketBatchError, HfHubHTTPError, HFValidationError
from huggingface_hub.utils.tqdm import disable_progress_bars

from studio.errors import NoAnswer, RunError, StorageFull
from studio.models.hub import TransportError, only_reads, status_of

_AGAIN = "It is tried again."
_UNITS = {"second": 3600.0, "minute": 60.0, "hour": 1.0}
"""How many of what the Hub sells by there are in an hour."""

_NOT_THE_HUBS = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError)
"""What huggingface_hub and this module raise where an answer is none that the Hub gives."""

_MOST_JOBS = 1000
_MOST_SECONDS = 10**9
_LONGEST_SAID = 1000
_LAST_LINES = 20
_NAME = "name"
"""The label that the Hub shows as the name of a job."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hardware:
    """What a job can run on. `about` says what it has; the price is that of an hour, in US dollars."""

    name: str
    title: str
    about: str
    price_per_hour: float


@dataclass(frozen=True)
class SeenJob:
    """A job as the Hub sees it. `seconds` is how long it has run."""

    id: str
    stage: str
    message: str
    seconds: int


class HubCompute:
    """The Hub by one access token. Every method raises RunError, and NoAnswer where the Hub does not answer now."""

    def __init__(self, token: str, *, endpoint: str | None = None) -> None:
        disable_progress_bars()  # they would be drawn into the log
        self._address = endpoint or constants.ENDPOINT
        self._api = huggingface_hub.HfApi(endpoint=self._address, token=token)
        self._owners: dict[str, str] = {}

    def owner(self, namespace: str) -> str:
        """Return whose jobs and buckets are used: `namespace`, or who has the token where that is empty."""
        if namespace not in self._owners:
            self._owners[namespace] = self._find_owner(namespace)
        return self._owners[namespace]

    def _find_owner(self, namespace: str) -> str:
        with self._in_words():
            who: Any = self._api.whoami()
            me, orgs = who["name"], [each for each in who.get("orgs") or () if isinstance(each, dict)]
            if not isinstance(me, str) or not me:
                raise ValueError("the Hub names nobody")
        theirs = {name.lower(): name for name in (me, *(str(each.get("name", "")) for each in orgs)) if name}
        if namespace and namespace.lower() not in theirs:
            raise RunError(
                f"The access token is that of '{me[:80]}', who is not in '{namespace}' on the Hugging Face Hub.",
                f"Give a token of somebody who is, or let the place use {me[:80]}.",
            )
        if only_reads(who):
            raise RunError(
                f"The access token of '{me[:80]}' may read and nothing else, and a job and its files need more.",
                f"Make one with the right to write, or with those to Jobs and buckets, on {self._tokens}.",
            )
        return theirs[namespace.lower()] if namespace else me

    def hardware(self) -> tuple[Hardware, ...]:
        """List what jobs can run on, with the prices that the Hub names now."""
        with self._in_words():
            found = self._api.list_jobs_hardware()
            return tuple(filter(None, map(_hardware, found)))

    def run(
        self,
        owner: str,
        *,
        name: str,
        image: str,
        command: Sequence[str],
        flavor: str,
        seconds: int,
        variables: Mapping[str, str],
        secrets: Mapping[str, str],
    ) -> None:
        """Start a job that the Hub ends after so many seconds. After NoAnswer it may have been taken all the same."""
        with self._in_words(is_job=True):
            self._api.run_job(
                image=image,
                command=list(command),
                flavor=flavor,
                timeout=seconds,
                attempts=1,
                labels={_NAME: name},
                env=dict(variables),
                secrets=dict(secrets),
                namespace=owner,
            )

    def find(self, owner: str, name: str) -> SeenJob | None:
        """Find a job by its name; None where there is none."""
        with self._in_words(is_job=True):
            for each in itertools.islice(self._api.list_jobs(labels={_NAME: name}, namespace=owner), _MOST_JOBS):
                if (each.labels or {}).get(_NAME) == name:
                    return _seen(each)
        return None

    def look(self, owner: str, id: str) -> SeenJob | None:
        """Say how a job is; None where the Hub has no record of it."""
        with self._in_words(is_job=True):
            try:
                return _seen(self._api.inspect_job(job_id=id, namespace=owner))
            except HfHubHTTPError as error:
                if status_of(error) != 404:
                    raise
                log.info("The Hub has no record of the job %s", id, exc_info=True)
                return None

    def cancel(self, owner: str, id: str) -> None:
        """End a job."""
        with self._in_words(is_job=True):
            self._api.cancel_job(job_id=id, namespace=owner)

    def last_line(self, owner: str, id: str) -> str:
        """Return the last line that a job printed; empty where there is none."""
        with self._in_words(is_job=True):
            lines = list(self._api.fetch_job_logs(job_id=id, namespace=owner, tail=_LAST_LINES))
            return next((line.strip() for line in reversed(lines) if line.strip()), "")

    def make_bucket(self, bucket: str) -> None:
        """Make a private bucket where it is not there. Raises RunError for one that everybody can see."""
        with self._in_words():
            self._api.create_bucket(bucket, private=True, exist_ok=True)
            is_private = self._api.bucket_info(bucket).private
        if not is_private:
            raise RunError(
                f"The bucket '{bucket}' is public: everybody could read what runs learn from.",
                f"Make it private on {self._address}/buckets/{bucket}.",
            )

    def content(self, bucket: str, path: str) -> tuple[str, int] | None:
        """Name the content of a file by its hash, and say its size; None where there is no such file."""
        with self._in_words():
            found = list(self._api.get_bucket_paths_info(bucket, [path]))
            if found and int(found[0].size) < 0:
                raise ValueError("a size below 0")
            return (str(found[0].xet_hash), int(found[0].size)) if found else None

    def fetch(self, bucket: str, path: str, target: Path) -> bool:
        """Write a file of a bucket to a local path; False where it is not there."""
        with self._in_words():
            found = list(self._api.get_bucket_paths_info(bucket, [path]))
            if not found:
                return False
            try:
                self._api.download_bucket_files(bucket, [(found[0], target)], raise_on_missing_files=True)
            except (HfHubHTTPError, ValueError):  # so it tells of one that was deleted meanwhile, among others
                if list(self._api.get_bucket_paths_info(bucket, [path])):
                    raise
                log.info("A file was deleted from the bucket while it was fetched", exc_info=True)
                return False
        return True

    def send(self, bucket: str, path: str, content: bytes | Path) -> None:
        """Write a file of a bucket, whole. Raises FileNotFoundError where the local one is not there any more."""
        try:
            with self._in_words():
                source = content if isinstance(content, bytes) else str(content)
                self._api.batch_bucket_files(bucket, add=[(source, path)])
        except NoAnswer:
            if isinstance(content, Path) and not content.exists():  # hf_xet does not say so in a way of its own
                raise FileNotFoundError(str(content)) from None
            raise

    def delete(self, bucket: str, path: str) -> None:
        """Delete a file of a bucket, or a folder with all in it."""
        with self._in_words():
            gone = [each.path for each in self._api.get_bucket_paths_info(bucket, [path])]
            gone = gone or self._below(bucket, path)
            if gone:
                self._api.batch_bucket_files(bucket, delete=gone)

    def _below(self, bucket: str, folder: str) -> list[str]:
        try:
            tree = self._api.list_bucket_tree(bucket, folder, recursive=True)
            return [each.path for each in tree if each.type == "file" and each.path.startswith(f"{folder}/")]
        except HfHubHTTPError as error:
            if status_of(error) != 404:
                raise
            log.debug("There is no folder %s", folder, exc_info=True)
            return []

    @property
    def _tokens(self) -> str:
        return f"{self._address}/settings/tokens"

    @contextmanager
    def _in_words(self, *, is_job: bool = False) -> Iterator[None]:
        """Turn what huggingface_hub and hf_xet raise inside the block into a RunError."""
        try:
            yield
        except BucketBatchError as error:
            raise NoAnswer("The Hugging Face Hub did not take all that was sent.", _AGAIN) from error
        except HFValidationError as error:
            raise RunError(f"A name is none that the Hugging Face Hub can have: {error}.") from error
        except HfHubHTTPError as error:
            raise self._refused(error, is_job=is_job) from error
        except (ConnectionError, TimeoutError, TransportError) as error:
            raise NoAnswer(
                f"The Hugging Face Hub ({self._address}) cannot be reached.", f"Check the network. {_AGAIN}"
            ) from error
        except _NOT_THE_HUBS as error:
            raise NoAnswer(
                f"What came back from {self._address} is no answer of the Hugging Face Hub.",
                f"A proxy or a sign-in page of the network may stand in between. {_AGAIN}",
            ) from error
        except Exception as error:  # hf_xet raises kinds of its own, and errors of the system without a number
            is_of_xet = type(error).__module__.partition(".")[0] == "hf_xet" or isinstance(error, RuntimeError)
            if not is_of_xet and (not isinstance(error, OSError) or error.errno is not None):
                raise
            raise NoAnswer("The storage of the Hugging Face Hub cannot be reached, or refuses.", _AGAIN) from error

    def _refused(self, error: HfHubHTTPError, *, is_job: bool) -> RunError:
        status, billing = status_of(error), f"{self._address}/settings/billing"
        if status == 401:
            return RunError(
                "The Hugging Face Hub does not know this access token (status 401): it is wrong, or has expired.",
                f"Make one on {self._tokens} and give that, then resume the run. Its checkpoints are here.",
            )
        if status == 402 and is_job:
            return RunError(
                "There is no credit left for jobs on the Hugging Face Hub (status 402).",
                f"Add some on {billing}, then resume the run. Its checkpoints are here.",
            )
        if status in (402, 413, 507):
            return StorageFull(
                f"There is no room left in the storage of the Hugging Face Hub (status {status}).",
                f"Delete something there, or look at {billing}.",
            )
        if status == 403:
            return RunError(
                "This access token has no right to jobs there (status 403)."
                if is_job
                else "This access token has no right to write to the bucket there (status 403).",
                f"Give one with the rights to write, to Jobs and to buckets, from {self._tokens}.",
            )
        if status == 429:
            return NoAnswer("The Hugging Face Hub was asked too often.", _AGAIN)
        if status >= 500:
            return NoAnswer(f"The Hugging Face Hub has trouble of its own (status {status}).", _AGAIN)
        said = " ".join(str(error.server_message or "").split())[:200] or "no reason is given"
        return RunError(
            f"The Hugging Face Hub refused (status {status}): {said}.",
            "Check the settings of the place: `python app.py places check NAME` says what is wrong.",
        )


def _hardware(found: Any) -> Hardware | None:
    """Read one kind of hardware; None for one whose price is no number."""
    gpus = found.accelerator
    cards = "" if gpus is None else f" + {gpus.quantity} x {gpus.model} {gpus.vram}"
    try:
        price = float(found.unit_cost_usd) * _UNITS.get(str(found.unit_label), float("nan"))
    except (TypeError, ValueError):
        log.info("The Hub names a price that is no number: %.200r", found.unit_cost_usd, exc_info=True)
        return None
    return Hardware(str(found.name), str(found.pretty_name), f"{found.cpu} + {found.ram}{cards}", round(price, 6))


def _seen(found: Any) -> SeenJob:
    seconds = None if found.durations is None else found.durations.running_secs
    return SeenJob(
        str(found.id),
        str(getattr(found.status.stage, "value", found.status.stage)),
        str(found.status.message or "")[:_LONGEST_SAID],
        min(max(0, int(seconds or 0)), _MOST_SECONDS),
    )
