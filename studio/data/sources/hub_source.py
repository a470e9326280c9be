"""A data set of the Hugging Face Hub as a file on this machine. Knows nothing of what its columns mean."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from studio.data.rows import Report, silent
from studio.errors import DataError

MOST_ROWS = 1_000_000
"""Further rows are not fetched."""

_BATCH_ROWS = 1000
_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)
"""An owner is asked for: `datasets` takes some plain words, such as "text", for readers of files on this machine."""


@dataclass(frozen=True)
class HubName:
    """A data set on the Hub: its id ("owner/name"), its configuration (may be empty) and its split."""

    id: str
    config: str = ""
    split: str = "train"


class Rows(Protocol):
    """The part of a streamed `datasets` data set that is used here. `features` may be None: they are not known."""

    @property
    def features(self) -> Any:
        """The columns with their types."""

    def iter(self, batch_size: int) -> Iterable[Mapping[str, Any]]:
        """Yield the columns of so many rows at a time."""


class Load(Protocol):
    """The shape of `datasets.load_dataset`."""

    def __call__(self, path: str, name: str | None, *, split: str, streaming: bool) -> Rows: ...


def fetch_from_hub(name: HubName, folder: Path, *, report: Report = silent, load: Load | None = None) -> Path:
    """Fetch a data set into a Parquet file in `folder`, row by row, at most `MOST_ROWS`.

    No code of the data set is run: `datasets` reads data files only. Raises DataError when the id is none, or the Hub
    does not give the data set, the configuration or the split; CancelledError from `report`.
    """
    if not _ID.fullmatch(name.id) or Path(name.id).exists():
        raise DataError(
            f"'{name.id[:80]}' is not the id of a data set on the Hub.", "An id looks like 'owner/name'; copy it there."
        )
    rows = _open(name, load)
    target = folder / f"{name.id.replace('/', '--')}.parquet"
    written = _write(rows, target, name, report)
    if not written:
        raise DataError(f"The split '{name.split}' of {name.id} has no rows.", "Choose another split.")
    return target


def _open(name: HubName, load: Load | None) -> Rows:
    if load is None:
        from datasets import load_dataset

        load = load_dataset
    try:
        return load(name.id, name.config or None, split=name.split, streaming=True)
    except Exception as error:  # `datasets` raises errors of many libraries here, without a class in common.
        raise _not_given(name, error) from error


def _write(rows: Rows, target: Path, name: HubName, report: Report) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    done = 0
    labels = _label_names(rows.features)
    writer: pq.ParquetWriter | None = None
    batches = iter(rows.iter(_BATCH_ROWS))
    try:
        while done < MOST_ROWS:
            report(f"Fetching {name.id}", done, 0)
            try:
                batch = next(batches, None)
            except Exception as error:  # as in `_open`: the rows come over the network
                raise _not_given(name, error) from error
            if batch is None:
                break
            table = _as_table(_named(batch, labels), writer.schema if writer is not None else None, pa)
            if writer is None:
                writer = pq.ParquetWriter(target, table.schema)
            writer.write_table(table)
            done += table.num_rows
    finally:
        if writer is not None:
            writer.close()
    return done


def _as_table(batch: Mapping[str, Any], schema: Any, pa: Any) -> Any:
    try:
        return pa.table(dict(batch), schema=schema)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise DataError(
            "The rows of this data set are not alike enough to be kept in one table, or hold images or sound.",
            "Download its files from the Hub's page, and drop the JSON Lines or CSV file here.",
        ) from error


def _label_names(features: Any) -> Mapping[str, list[str]]:
    """Find the columns whose whole numbers stand for names, as in a set for classification."""
    return {column: list(feature.names) for column, feature in (features or {}).items() if hasattr(feature, "names")}


def _named(batch: Mapping[str, Any], labels: Mapping[str, list[str]]) -> dict[str, Any]:
    def name(column: str, value: Any) -> Any:
        return labels[column][value] if isinstance(value, int) and 0 <= value < len(labels[column]) else None

    return {
        column: [name(column, value) for value in values] if column in labels else values
        for column, values in batch.items()
    }


def _not_given(name: HubName, error: Exception) -> DataError:
    kind, text = type(error).__name__, " ".join(str(error).split())[:300]
    offline = ("ConnectionError", "OfflineModeIsEnabled", "ConnectError", "LocalEntryNotFoundError", "MaxRetryError")
    if kind in offline or "resolve" in text or "offline" in text.lower():
        return DataError(
            f"{name.id} was not fetched: the Hugging Face Hub cannot be reached from this machine.",
            "Check the network, or download the files elsewhere and drop them here.",
        )
    if "gated" in text.lower() or "401" in text or "403" in text:
        return DataError(
            f"{name.id} is private or asks for its terms to be accepted.",
            "Accept them on its page and log in with 'hf auth login' on this machine.",
        )
    if kind == "DatasetNotFoundError" or "doesn't exist" in text:
        return DataError(f"There is no data set {name.id} on the Hub.", "Check the id; it looks like 'owner/name'.")
    return DataError(
        f"{name.id} was not fetched (configuration '{name.config or 'default'}', split '{name.split}'): {text}",
        "Choose one of the configurations and splits that its page on the Hub names.",
    )
