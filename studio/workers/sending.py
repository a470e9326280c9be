"""Sends what a run needs to another place: examples and settings, base model, and the checkpoints it goes on from.

What is there already, by its content, is not sent again.
"""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from studio import codec
from studio.config import RunConfig
from studio.errors import RunError
from studio.files import hash_file, open_plain
from studio.jobs.places.book import Place
from studio.jobs.places.protocol import Storage, StoredFile, Work
from studio.models.elsewhere import ELSEWHERE, OWN_FOLDERS, without_place
from studio.models.locate import ModelFiles, locate_settled
from studio.runs import archive_paths
from studio.runs.store import RunFolder

_NEVER = (".bin", ".pt", ".pth", ".ckpt", ".h5", ".onnx", ".msgpack", ".gguf")
_CODE = (".py", ".pyc", ".so")
START_FOLDER = "start-adapter"

Report = Callable[[str, int, int], object]


@dataclass(frozen=True)
class Sent:
    """A file to send, or its content where it is another one there; `path` is its place in the data folder there."""

    path: str
    source: Path | None = None
    content: bytes = b""
    made: bool = False
    """Whether the run made it: it goes when the run is done."""


def send_run(
    run: RunFolder,
    place: Place,
    storage: Storage,
    *,
    files: str,
    begun: str,
    evaluates: bool,
    report: Report,
    should_stop: Callable[[], bool],
) -> Work:
    """Send what is not at the place yet, and return the work of a job there. Raises RunError and ModelError.

    `files` is where in the storage the files of this run lie; `begun` and `evaluates` are as in `Work`.
    """
    sent = list(_all(run, place))
    total = sum(_size(each) for each in sent)
    stored, done = [], 0
    for each in sent:
        if should_stop():
            break
        digest = hashlib.sha256(each.content).hexdigest() if each.source is None else hash_file(each.source)
        at = f"{files}/{digest}" if each.made else f"inputs/{digest}"
        if not storage.has(at):
            report(f"Sending the run to {place.name}", done, total)
            if each.source is None:
                storage.write(at, each.content)
            else:
                storage.send(at, each.source)
        done += _size(each)
        stored.append(StoredFile(each.path, at, digest, _size(each)))
    return Work(run_id=run.id, files=tuple(stored), begun=begun, evaluates=evaluates)


def base_here(config: RunConfig, home: Path) -> str:
    """Return how the base model is called in what a run on this machine learns."""
    found = locate_settled(config.model, home)
    return config.model if found is None else str(found.folder)


def _all(run: RunFolder, place: Place) -> Iterator[Sent]:
    config, home = run.config, run.path.absolute().parent.parent
    model = locate_settled(config.model, home)
    settings = dataclasses.replace(config, place="")
    if model is not None and _is_sent(model, place):
        settings = dataclasses.replace(settings, model=ELSEWHERE + _folder_name(model.folder))
        yield from _model(model)
    if config.start_adapter:
        start, files = _start(config, home, there=settings.model)
        settings = dataclasses.replace(settings, start_adapter=start)
        yield from files
    inside = f"runs/{run.id}"
    yield Sent(f"{inside}/config.json", content=codec.dumps(settings).encode())
    yield Sent(f"{inside}/origin.json", source=run.path / "origin.json")
    yield Sent(f"{inside}/train.jsonl", source=run.train_path)
    if run.validation_path.stat().st_size:
        yield Sent(f"{inside}/val.jsonl", source=run.validation_path)
    for path in sorted(run.path.rglob("*")):
        inner = path.relative_to(run.path).as_posix()
        if archive_paths.is_made(inner) and path.is_file() and not path.is_symlink():
            yield Sent(f"{inside}/{inner}", source=path, made=True)


def _is_sent(model: ModelFiles, place: Place) -> bool:
    """Tell whether a base model is sent: one in a folder that is not there, and others where that is asked."""
    if model.source == "folder":
        return not (place.folder and model.folder.resolve().is_relative_to(Path(place.folder).resolve()))
    return place.send_models


def _model(model: ModelFiles) -> Iterator[Sent]:
    name, found = _folder_name(model.folder), False
    weights = any(path.suffix == ".safetensors" for path in model.folder.iterdir())
    for path in sorted(model.folder.iterdir()):
        left_out = path.suffix in _CODE or (weights and path.suffix in _NEVER) or path.name.startswith(".")
        if path.is_file() and not left_out:
            found = True
            yield Sent(f"{OWN_FOLDERS}/{name}/{path.name}", source=path.resolve())
    if not found:
        raise RunError(f"The base model in {model.folder} has no files to send.", "Choose another base model.")


def _folder_name(folder: Path) -> str:
    return without_place(str(folder)).removeprefix(ELSEWHERE).replace(" ", "-")


def _start(config: RunConfig, home: Path, *, there: str) -> tuple[str, list[Sent]]:
    """Return how the adapter that is trained further is called there, and its files. Raises RunError."""
    first = RunFolder(home / "runs" / config.start_adapter)
    if "/" not in config.start_adapter and first.path.is_dir():
        if first.result is None:
            raise RunError(f"The run '{first.name}' has no adapter to go on from.", "Choose a finished LoRA run.")
        inside, adapter, name = f"runs/{first.id}", f"runs/{first.id}/adapter", first.id
        model = there if first.config.model == config.model else first.config.model
        told = codec.dumps(dataclasses.replace(first.config, model=model, place="")).encode()
        files = [Sent(f"{inside}/config.json", content=told), Sent(f"{inside}/origin.json", first.path / "origin.json")]
        folder = first.result
    else:
        folder, adapter, name, files = (
            Path(config.start_adapter).expanduser(),
            f"runs/{START_FOLDER}/adapter",
            START_FOLDER,
            [],
        )
        if not (folder / "adapter_config.json").is_file():
            raise RunError(f"There is no adapter to go on from at '{folder}'.", "Choose a finished LoRA run.")
    inner = [
        path for path in sorted(folder.iterdir()) if archive_paths.is_made(f"adapter/{path.name}") and path.is_file()
    ]
    return name, [
        *files,
        *(Sent(f"{adapter}/{path.name}", source=path) for path in inner if path.name != "progress.safetensors"),
    ]


def _size(file: Sent) -> int:
    if file.source is None:
        return len(file.content)
    with open_plain(file.source) as opened:
        return opened.seek(0, 2)
