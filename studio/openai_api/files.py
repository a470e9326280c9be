"""Files of examples: what is uploaded for a fine-tuning becomes a data set of the studio at once.

The id of a file is that of its data set behind "file-". Every data set of the studio is listed, also those that were
brought on the page.
"""

import json
from pathlib import Path
from typing import Any

from studio.data.dataset_folders import Dataset
from studio.errors import DataError
from studio.jobs.imports import ImportRequest
from studio.openai_api.shapes import not_found, refused, without
from studio.studio import Studio

PREFIX = "file-"
PURPOSE = "fine-tune"
NOUN = "file"
_MOST_LINES_READ = 20
_LONGEST_LINE = 2**20


def add_file(studio: Studio, path: Path, purpose: str) -> dict[str, Any]:
    """Keep an uploaded file as a data set and return it in OpenAI's shape. Raises ApiError, DataError and RunError."""
    if purpose != PURPOSE:
        raise refused(f"Files are taken for fine-tuning alone: give '{PURPOSE}' as the purpose.", "purpose")
    _require_chats(path)
    before = {each.id for each in studio.data.all()}
    dataset = studio.add_dataset(ImportRequest(files=(str(path),)))
    if dataset.inspection.verdict or not dataset.inspection.usable:
        if dataset.id not in before:
            studio.data.delete(dataset.id)
        problems = " ".join(f"Line {each.row}: {each.text}" for each in dataset.inspection.problems[:3])
        why = dataset.inspection.verdict or "No line of it can be learned."
        raise refused(f"This file cannot be learned from. {why} {problems}".strip(), "file")
    return document(studio, dataset)


def files(studio: Studio) -> list[dict[str, Any]]:
    """List the data sets as files, the newest first."""
    return [document(studio, each) for each in studio.data.all()]


def find(studio: Studio, id: str) -> Dataset:
    """Find the data set of a file. Raises ApiError where there is none."""
    try:
        return studio.data.get(without(PREFIX, id, noun=NOUN))
    except DataError as error:
        raise not_found(NOUN, id) from error


def delete(studio: Studio, id: str) -> dict[str, Any]:
    """Move the data set of a file to the bin, from where the page can put it back. Raises ApiError."""
    studio.data.delete(find(studio, id).id)
    return {"id": id, "object": "file", "deleted": True}


def content(studio: Studio, id: str) -> Path:
    """Return the file as it was brought. Raises ApiError."""
    return _source(studio, find(studio, id))


def document(studio: Studio, dataset: Dataset) -> dict[str, Any]:
    """Return a data set as a file in OpenAI's shape."""
    source = _source(studio, dataset)
    return {
        "id": f"{PREFIX}{dataset.id}",
        "object": "file",
        "bytes": source.stat().st_size,
        "created_at": int(dataset.created),
        "expires_at": None,
        "filename": source.name,
        "purpose": PURPOSE,
        "status": "processed",
        "status_details": None,
    }


def _source(studio: Studio, dataset: Dataset) -> Path:
    """Return the first file that a data set was made from; its examples where that is gone."""
    folder = studio.data.folder(dataset.id)
    found = sorted(path for path in (folder / "source").rglob("*") if path.is_file())
    return found[0] if found else folder / "examples.jsonl"


def _require_chats(path: Path) -> None:
    """Raise ApiError where the first lines are no chats as JSON Lines."""
    with path.open("rb") as file:
        lines = [file.readline(_LONGEST_LINE) for _ in range(_MOST_LINES_READ)]
    found = 0
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or not isinstance(value.get("messages"), list):
            raise refused(
                f"Line {number} is no chat. Each line of the file must be an object of JSON with a list 'messages', "
                'such as {"messages": [{"role": "user", "content": "..."}, {"role": "assistant", "content": "..."}]}.',
                "file",
            )
        found += 1
    if not found:
        raise refused("The file is empty. Each of its lines must be a chat.", "file")
