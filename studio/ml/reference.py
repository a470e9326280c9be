"""What a model says about a few fixed rows, kept so that another copy of it can be compared with the original.

At the end of a training the live model's logits and greedy answers are written to the run; an export is loaded back
and must reproduce them.
"""

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.utils.other import ModulesToSaveWrapper
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from studio import codec
from studio.errors import ExportError
from studio.files import whole_file
from studio.ml.engine import takes_logits_to_keep
from studio.ml.generation import BASE, PaneInput, Sampling, generate
from studio.ml.plain_asking import computing_exactly

ROWS = 3
LONGEST = 256
"""A longer row is asked about up to here: a run waits for this at its end."""

POSITIONS = 24
ANSWER_TOKENS = 24


@dataclass(frozen=True)
class Probe:
    """A row to ask about: `ids` is the whole example, `prompt` its part before the last answer."""

    ids: tuple[int, ...]
    prompt: tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """Per probe: the logits at its last positions, (positions, words) in fp32, and the greedy answer's tokens.

    `learned` is the `hash_learned` of the files that were asked; empty where it is not known. `exact` says that the
    logits were computed in fp32, whatever the number format of the weights.
    """

    probes: tuple[Probe, ...]
    logits: tuple[torch.Tensor, ...]
    answers: tuple[tuple[int, ...], ...]
    learned: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Agreement:
    """How far two references are apart: the largest difference of a logit, and how many answers are the same."""

    largest_difference: float
    largest_logit: float
    same_answers: int
    answers: int


def observe(model: Any, probes: Sequence[Probe], *, end_ids: Sequence[int], pad_id: int) -> Reference:
    """Ask a model, with the adapter that is active in it if it has one, about every probe.

    The logits are of each alone and unpadded; the answers are written side by side.
    """
    model.eval()
    exact = _computes_exactly(model)
    adapter = model.active_adapter if isinstance(model, PeftModel) else BASE
    with whole_modules_as_loaded(model):
        logits = [_logits(model, probe, exact=exact) for probe in probes]
        panes = [PaneInput(adapter, probe.prompt) for probe in probes]
        sampling = Sampling(max_new_tokens=ANSWER_TOKENS)
        answers = generate(model, panes, sampling=sampling, end_ids=end_ids, pad_id=pad_id) if panes else []
    return Reference(tuple(probes), tuple(logits), tuple(map(tuple, answers)), exact=exact)


def _computes_exactly(model: Any) -> bool:
    """Tell whether a model can be made to compute in fp32; 8-bit products are rounded whatever they are given."""
    return not getattr(model, "is_loaded_in_8bit", False)


def _logits(model: Any, probe: Probe, *, exact: bool) -> torch.Tensor:
    ids = torch.tensor([probe.ids], device=model.device)
    keep = {"logits_to_keep": POSITIONS} if takes_logits_to_keep(model) else {}
    with torch.no_grad(), computing_exactly(model) if exact else contextlib.nullcontext():
        row = model(input_ids=ids, use_cache=False, **keep).logits[0, -POSITIONS:]
    return row.float().cpu().clone()


@contextlib.contextmanager
def whole_modules_as_loaded(model: Any) -> Iterator[None]:
    """Have modules that were trained as a whole compute in the precision of the base, as peft loads them.

    A training leaves them in fp32, and a bf16 base cannot go on from what an fp32 word table gives.
    """
    lowered = []
    for module in model.modules():
        if isinstance(module, ModulesToSaveWrapper):
            dtype = module.original_module.weight.dtype
            for parameter in module.modules_to_save.parameters():
                if dtype.is_floating_point and parameter.dtype != dtype:
                    lowered.append((parameter, parameter.data))
                    parameter.data = parameter.data.to(dtype)
    try:
        yield
    finally:
        for parameter, data in lowered:
            parameter.data = data


def compare(first: Reference, second: Reference) -> Agreement:
    """Hold two references of the same probes against each other."""
    differences = [(one - other).abs().max().item() for one, other in zip(first.logits, second.logits, strict=True)]
    return Agreement(
        largest_difference=max(differences),
        largest_logit=max(row.abs().max().item() for row in first.logits),
        same_answers=sum(one == other for one, other in zip(first.answers, second.answers, strict=True)),
        answers=len(first.answers),
    )


def save_reference(reference: Reference, path: Path) -> None:
    """Write a reference to one safetensors file, through a temporary name."""
    told = [
        {"ids": probe.ids, "prompt": probe.prompt, "answer": answer}
        for probe, answer in zip(reference.probes, reference.answers, strict=True)
    ]
    tensors = {str(index): row for index, row in enumerate(reference.logits)}
    metadata = {"probes": json.dumps(told), "learned": reference.learned, "exact": str(reference.exact)}
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_reference(path: Path) -> Reference:
    """Read what `save_reference` wrote. Raises ExportError when there is none."""

    if not path.is_file():
        raise ExportError("This run kept no reference answers to check an export against.", "Train the run again.")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
        told = codec.parse(metadata["probes"])
        tensors = load_file(path)
        return Reference(
            probes=tuple(Probe(ids=_ids(row["ids"]), prompt=_ids(row["prompt"])) for row in told),
            logits=tuple(tensors[str(index)] for index in range(len(told))),
            answers=tuple(_ids(row["answer"]) for row in told),
            learned=metadata.get("learned", ""),
            exact=metadata.get("exact") == "True",
        )
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as error:
        raise ExportError(
            f"The reference answers of this run are damaged: {path.name} cannot be read.", "Train the run again."
        ) from error


def _ids(value: object) -> tuple[int, ...]:
    return codec.from_plain(tuple[int, ...], value)
