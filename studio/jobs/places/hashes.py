"""The SHA-256 of files, by which a place knows what it has."""

import hashlib
from pathlib import Path

from studio.files import open_plain

_PIECE_BYTES = 2**20


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content. Raises OSError."""
    digest = hashlib.sha256()
    with open_plain(path) as file:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()
