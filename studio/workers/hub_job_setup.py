"""Sets up a job on the Hugging Face Hub, run there as `python -c`: nothing of the studio is there yet.

Installs the packages that the image lacks, fetches the studio's code from the bucket, and becomes its agent.
"""

import hashlib
import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, MutableMapping, Sequence
from pathlib import Path

_PLAN = "STUDIO_JOB_SETUP"
_BEGAN = "STUDIO_JOB_BEGAN"
_TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "STUDIO_HUB_TOKEN")


def missing(wanted: Sequence[Sequence[str]]) -> list[str]:
    """Name those of the packages that are not installed, each with the version that is wanted."""
    found = []
    for name, version in wanted:
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name}=={version}")
    return found


def installer() -> list[str]:
    """Return the command that installs packages for this Python, and runs no code of theirs."""
    uv = shutil.which("uv")
    pip = [uv, "pip", "install", "--python", sys.executable] if uv else [sys.executable, "-m", "pip", "install"]
    return [*pip, "--only-binary", ":all:"]


def without_tokens(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of what installs packages, which has no use for the access token of a person."""
    return {name: value for name, value in environment.items() if name not in _TOKENS}


def fetch_code(bucket: str, path: str, sha256: str, *, folder: Path) -> None:
    """Unpack the studio's code into a folder. Raises ValueError where it is not what was sent."""
    from huggingface_hub import HfApi

    packed = folder / "code.zip"
    HfApi().download_bucket_files(bucket, [(path, packed)], raise_on_missing_files=True)
    if hashlib.sha256(packed.read_bytes()).hexdigest() != sha256:
        raise ValueError("the studio's code in the bucket is not what was sent")
    with zipfile.ZipFile(packed) as archive:
        archive.extractall(folder)


def main(environment: MutableMapping[str, str]) -> None:
    """Go through the steps; this process is the agent then."""
    environment[_BEGAN] = str(time.time())
    plan = json.loads(environment.pop(_PLAN))
    lacking = missing(plan["packages"])
    if lacking:
        subprocess.run([*installer(), *lacking], check=True, env=without_tokens(environment))
    folder = Path(tempfile.mkdtemp(prefix="lora-studio-"))
    fetch_code(plan["bucket"], plan["code"], plan["sha256"], folder=folder)
    os.chdir(folder)
    os.execve(sys.executable, [sys.executable, "-m", "studio.workers.agent"], dict(environment))


if __name__ == "__main__":
    main(os.environ)
