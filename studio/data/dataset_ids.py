"""What data sets are called: their ids, which follow from what they hold, and the names that files give them."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from studio import codec
from studio.data.dataset_folders import Dataset, one_line
from studio.data.inspection import Inspection
from studio.data.reading_choices import GUESSED, Change


def make_id(name: str, inspection: Inspection, changes: Sequence[Change], parent: Dataset | None) -> str:
    """Make the id of a data set. The same files, read and changed in the same way, give the same id in one family."""
    origin = f"{parent.root if parent is not None else name}\n{inspection.sha256}"
    recipe = [f"{change.kind}:{','.join(sorted(change.keys))}{_edits(change)}" for change in changes]
    recipe += [codec.dumps(inspection.choices)] if inspection.choices != GUESSED else []
    text = "\n".join((origin, codec.dumps(inspection.roles), *recipe))
    return f"{slug(name) or 'data'}-{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def slug(name: str) -> str:
    """Return a name as the beginning of an id or of a file's name; "" where nothing of it can stand there."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40].strip("-")


def name_after(files: Sequence[Path]) -> str:
    """Name a data set after its first file. A name that is not valid text, as a file system may hold it, is fixed."""
    if not files:
        return "data"
    first = files[0].stem.encode("utf-8", "replace").decode()
    return one_line(first if len(files) == 1 else f"{first} and {len(files) - 1} more") or "data"


def _edits(change: Change) -> str:
    return codec.dumps(change.edits) if change.edits else ""
