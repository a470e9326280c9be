"""Has a process of its own turn a folder of transformers into a GGUF.

auto-round (Apache-2.0, 1.5 MB, no compiler) ships llama.cpp's own converter and its K-quants in torch; the gguf
package alone writes neither K-quants nor what each family needs, and no binding of llama.cpp with built wheels
quantises.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from studio import codec
from studio.errors import ExportError
from studio.ml.deadlines import finish_within, load_seconds
from studio.ml.loading import remote_code_is_allowed
from studio.ml.shipped_settings import read_settings, write_settings

SECONDS_TO_WRITE = 3600.0
_SECONDS_PER_GIB = 1800.0
_OTHER_SETTINGS = ("STUDIO_", "LLAMA_", "AR_", "AUTO_ROUND")
"""What would have the libraries read other files than their own, or fetch some."""

_INSTEAD = "Export the merged model instead, which transformers reads. The run itself is untouched."


def write_gguf(
    folder: Path, file: Path, *, quantisation: str, should_stop: Callable[[], bool], adapter: Path | None = None
) -> None:
    """Write the model in `folder`, which is whole, to `file`, or an adapter of it. Code that lies there is deleted
    first.

    Raises ExportError for a model that llama.cpp does not know or whose tokenizer it cannot carry, for an adapter that
    it cannot add to a model, and when the work fails; Stopped when asked to stop.
    """
    if not remote_code_is_allowed():
        _remove_code(folder)
    script, told = Path(__file__).with_name("gguf_converting.py"), file.with_suffix(".json")
    gib = sum(path.stat().st_size for path in folder.glob("*.safetensors")) / 2**30
    seconds = load_seconds(folder) + SECONDS_TO_WRITE + _SECONDS_PER_GIB * gib
    order: list[Path | str] = [script, folder, file, quantisation, *([] if adapter is None else [adapter]), told]
    said = run_apart(order, seconds=seconds, should_stop=should_stop)
    try:
        refused: Any = codec.parse_file(told)
    except (OSError, codec.Damaged) as error:
        raise ExportError(
            f"The GGUF could not be written: {said}",
            "It was not kept. Free some memory and disk space and export again; the run itself is untouched.",
        ) from error
    found = str(refused.get("found", ""))[:200].rstrip(".")
    if refused.get("part") == "architecture":
        raise ExportError(f"llama.cpp does not know models of this kind ({found}), so there can be no GGUF.", _INSTEAD)
    if refused.get("part") == "layer":
        raise ExportError(
            f"A GGUF cannot carry this adapter: llama.cpp has no place for what it learned at {found}.",
            "Export the GGUF of the whole model instead. The run itself is untouched.",
        )
    if refused:
        raise ExportError(f"A GGUF cannot carry the tokenizer of this model: {found}.", _INSTEAD)


def _remove_code(folder: Path) -> None:
    """Delete code and all that names it: the converter would run what a base brings, without asking."""
    for path in folder.rglob("*"):
        if path.suffix.lower() in (".py", ".so", ".pyd", ".pyc"):
            path.unlink()
        elif path.suffix == ".json" and path.name.endswith("config.json"):
            settings = read_settings(path)
            if settings.pop("auto_map", None) is not None:
                write_settings(path, settings)


def run_apart(command: Sequence[Path | str], *, seconds: float, should_stop: Callable[[], bool]) -> str:
    """Run a script that imports no studio in a process of its own; return the last line of its errors if it failed.

    Raises Stopped when asked to stop, and ExportError when it takes longer than it may.
    """
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_OTHER_SETTINGS)}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    script, *arguments = command
    # With -P it imports nothing from its own folder, where modules may have the names of libraries.
    process = subprocess.Popen(
        [sys.executable, "-P", script, *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        cwd=Path(arguments[-1]).parent,
    )
    try:
        text = finish_within(process, seconds=seconds, should_stop=should_stop)
    except TimeoutError as error:
        raise ExportError("The GGUF was not done in time.", "Close other programs and export again.") from error
    if not process.returncode:
        return ""
    errors = text.decode(errors="replace").strip()
    sys.stderr.write(f"{errors[-8000:]}\n")
    return errors.splitlines()[-1][:300] if errors else f"it ended with {process.returncode}"
