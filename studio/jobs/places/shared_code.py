"""The studio's code in a folder that a place shares, so that its jobs can run it."""

from pathlib import Path

from studio.files import disk_trouble, whole_folder
from studio.jobs.places.code import code_digest, code_files
from studio.runs import lock


def write_code_folder(shared: Path) -> Path:
    """Write the code to a shared folder, unless it is there; return the folder to run it in. Raises RunError."""
    target = shared / "code" / code_digest()[:24]
    if not target.is_dir():
        with disk_trouble("The studio's code", shared):
            target.parent.mkdir(parents=True, exist_ok=True)
        with lock.in_turn(shared / "code.lock", busy="Another studio is writing its code to the shared folder."):
            _write(target)
    return target


def _write(target: Path) -> None:
    if not target.is_dir():
        with disk_trouble("The studio's code", target), whole_folder(target) as folder:
            for name, path in code_files():
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(path.read_bytes())
