"""Loads an export with plain libraries and asks it, in a process of its own without any of the studio's settings."""

import functools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from studio import codec
from studio.errors import ExportError
from studio.ml import plain_asking
from studio.ml.deadlines import load_seconds
from studio.ml.loading import Placement, ensure_sizes, packing, remote_code_is_allowed
from studio.ml.reference import ANSWER_TOKENS, POSITIONS, Probe, Reference

CONVERSATION = ({"role": "user", "content": "Hello."},)
"""What is written with the shipped template, to see whether it comes out as the studio writes it."""

SECONDS_TO_ANSWER = 1800.0

Answers = tuple[dict[str, torch.Tensor], dict[str, Any]]
Asker = Callable[[dict[str, Any]], Answers]
"""Takes an order and answers it, as `plain_asking.ask` does."""

Run = Callable[..., "subprocess.CompletedProcess[bytes]"]
"""Runs a program as `subprocess.run` does."""


@dataclass(frozen=True)
class Shipped:
    """The answers of an export, where it ends them, and `CONVERSATION` as ids where its template takes that.

    `rounding` is how far its logits moved when every weight was off by up to one rounding, 0 where nothing was rounded;
    and where they were not computed in fp32, how far they are from those that are.
    """

    reference: Reference
    rounding: float
    end_ids: tuple[int, ...]
    prompt: tuple[int, ...] | None
    transformers: str


def ask_shipped(
    folder: Path,
    probes: Sequence[Probe],
    *,
    placement: Placement,
    base: Path | None = None,
    exact: bool = True,
    was_rounded: bool = False,
    ask: Asker | None = None,
) -> Shipped:
    """Ask the model in `folder`, or the adapter there on the model in `base`, with plain transformers and peft.

    With `exact` the logits are computed in fp32. `was_rounded` says that the weights were rounded when they were
    written: then what one rounding does is measured. `ask` does all of it; without it a process of its own. Raises
    ExportError when the files cannot be loaded so.
    """
    ensure_sizes(folder if base is None else base)
    seconds = load_seconds(base or folder) + SECONDS_TO_ANSWER
    ask = ask or functools.partial(ask_apart, seconds=seconds)
    order = _order(folder, probes, placement=placement, base=base)
    measured = exact and was_rounded and placement.dtype != torch.float32
    tensors, told = ask({**order, "exact": exact, "measure_rounding": measured})
    return Shipped(
        reference=Reference(
            probes=tuple(probes),
            logits=tuple(tensors[str(number)] for number in range(len(probes))),
            answers=tuple(map(tuple, told["answers"])),
        ),
        rounding=float(told["rounding"]),
        end_ids=tuple(told["end_ids"]),
        prompt=None if told["prompt"] is None else tuple(told["prompt"]),
        transformers=told["transformers"],
    )


def ask_apart(
    order: dict[str, Any], *, seconds: float, python: str = sys.executable, run: Run = subprocess.run
) -> Answers:
    """Have a process of its own answer an order within so many seconds. Raises ExportError when it does not."""
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch) / "order.json", Path(scratch) / "answer.safetensors"
        asked.write_text(json.dumps(order), encoding="utf-8")
        # With -P it imports nothing from its own folder, where modules may have the names of libraries.
        _ensure_answered(run, [python, "-P", plain_asking.__file__, str(asked), str(answered)], scratch, seconds)
        with safe_open(answered, framework="pt") as file:
            told = codec.parse(file.metadata()["told"])
        return load_file(answered), told


def _order(folder: Path, probes: Sequence[Probe], *, placement: Placement, base: Path | None) -> dict[str, Any]:
    packed: dict[str, Any] = {}
    if placement.bits and base is not None:
        packed = {key: value for key, value in packing(placement).to_dict().items() if not key.startswith("_")}
        packed.pop("quant_method", None)
    return {
        "shipped": str(folder),
        "base": None if base is None else str(base),
        "dtype": str(placement.dtype).removeprefix("torch."),
        "device": placement.device,
        "packing": packed,
        "trust_remote_code": remote_code_is_allowed(),
        "questions": [{"ids": probe.ids, "prompt": probe.prompt} for probe in probes],
        "conversation": CONVERSATION,
        "positions": POSITIONS,
        "answer_tokens": ANSWER_TOKENS,
    }


def _ensure_answered(run: Run, command: Sequence[str], scratch: str, seconds: float) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STUDIO_")}
    environment |= {"HF_HUB_OFFLINE": "1", "PYTHONWARNINGS": "ignore"}
    try:
        done = run(
            command,
            capture_output=True,
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise ExportError(
            "The export was loaded back, and did not answer in time.", "Close other programs and export again."
        ) from error
    if done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        sys.stderr.write(f"{text}\n")
        said = text.splitlines()[-1][:300] if text else f"it ended with {done.returncode}"
        raise ExportError(
            f"The export cannot be loaded by plain transformers: {said}",
            "It was not kept. Free some memory and disk space and export again; the run itself is untouched.",
        )
