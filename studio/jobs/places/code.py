"""The studio's own code, as it is sent to a place: a job there runs the same version as the page here."""

import hashlib
import zipfile
from pathlib import Path

from studio.files import whole_file
from studio.runs.launcher import PROJECT_ROOT

_LEFT_OUT = ("ui", "openai_api", "accounts", "cli", "mirror", "planning")
"""What only the page and the command line need."""

_THEN = (1980, 1, 1, 0, 0, 0)
"""The same content makes the same file, so that it is sent once."""


def code_files() -> tuple[tuple[str, Path], ...]:
    """List the files of the code that a worker needs, each with its name below the folder that it runs in."""
    folder = PROJECT_ROOT / "studio"
    found = []
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if path.is_file() and parts[0] not in _LEFT_OUT and "__pycache__" not in parts:
            found.append((path.relative_to(PROJECT_ROOT).as_posix(), path))
    return tuple(found)


def code_digest() -> str:
    """Return the SHA-256 of the code, by which a place knows whether it has it."""
    digest = hashlib.sha256()
    for name, path in code_files():
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def write_code_zip(folder: Path) -> Path:
    """Pack the code into a zip file in `folder`, unless it is there; return its path. Raises OSError."""
    target = folder / f"code-{code_digest()[:24]}.zip"
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(target, shared=True) as temporary, zipfile.ZipFile(temporary, "w") as archive:
            for name, path in code_files():
                entry = zipfile.ZipInfo(name, _THEN)
                entry.external_attr = 0o644 << 16
                archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 1)
    return target
