"""The self-test of a conversation: compares its panes with what plain transformers and plain peft say.

The panes answer as they always do, base and tuned model in one question. Then the base is loaded a second time with
the plain libraries and asked alone, without and with the adapter. All answers are greedy and in fp32.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from peft import PeftModel
from transformers import AutoModelForCausalLM, GenerationConfig

from studio import wording
from studio.compare.chat_protocol import SelfTest, Tested
from studio.errors import ModelError, RunError
from studio.ml.generation import PaneInput, Sampling, generate
from studio.ml.loading import FP32, Placement, base_layers, ensure_sizes, load_base
from studio.ml.memory import release_memory
from studio.models.adapter_files import check_adapter
from studio.runs.store import is_whole_model
from studio.workers.chat_models import ChatModels, Wanted
from studio.workers.memory_check import needed_bytes

ROUNDING = 1e-4
"""Logits in fp32 that are no further apart may change places when sums are taken in another order."""


@dataclass(frozen=True)
class _Plain:
    """What a plain library answered. `parting` is the first token, counted from 1, in which the pane's answer differs,
    None where all are equal; `gap` how much likelier its own token is to the plain model than the pane's, in logits.
    """

    ids: list[int]
    parting: int | None
    gap: float | None = None


@dataclass(frozen=True)
class Setup:
    """What a self-test needs: the conversation's models, where their base lies, and how they are asked.

    `free_bytes` says how much memory a device has left, `tell` takes what is being done, `should_stop` says whether a
    person wants it to end.
    """

    models: ChatModels
    folder: Path
    placement: Placement
    end_ids: tuple[int, ...]
    pad_id: int
    free_bytes: Callable[[str], int]
    tell: Callable[[str], None] = lambda what: None
    should_stop: Callable[[], bool] = lambda: False


def self_test(request: SelfTest, prompt: tuple[int, ...], setup: Setup) -> Tested:
    """Answer `prompt` (ids) in both ways and compare. The second copy of the base is let go at the end.

    Raises ModelError when the memory is too small for it, RunError when it was stopped.
    """
    began = time.monotonic()
    placement = dataclasses.replace(setup.placement, precision=FP32)
    try:
        ours = _by_panes(request, prompt, setup, placement)
        theirs = _plainly(request, prompt, setup, placement, ours)
    finally:
        release_memory()
    return Tested(
        id=request.id,
        off_same=theirs[0].parting is None,
        on_same=theirs[-1].parting is None,
        tokens=sum(len(each.ids) for each in theirs),
        seconds=round(time.monotonic() - began, 3),
        note=_note(request, setup, theirs),
    )


def _by_panes(request: SelfTest, prompt: tuple[int, ...], setup: Setup, placement: Placement) -> list[list[int]]:
    """Answer as a question with two panes is answered; a base that computes in bf16 is loaded again in fp32 for it."""
    setup.tell("Self-test: asking the models")
    models = setup.models
    if setup.placement != placement:
        _ensure_room(setup, placement)
        models = ChatModels(load_base(setup.folder, placement), placement, free_bytes=setup.free_bytes)
    folders = ["", request.adapter] if request.adapter else [""]
    answers: list[list[int]] = [[] for _ in folders]
    for turn in models.passes([Wanted(folder) for folder in folders]):
        _stop_if_asked(setup)
        found = generate(
            turn.model,
            [PaneInput(name, prompt) for name in turn.adapters],
            sampling=Sampling(max_new_tokens=request.tokens),
            end_ids=setup.end_ids,
            pad_id=setup.pad_id,
            should_stop=setup.should_stop,
        )
        for pane, answer in zip(turn.panes, found, strict=True):
            answers[pane] = answer
    return answers


def _plainly(
    request: SelfTest, prompt: tuple[int, ...], setup: Setup, placement: Placement, ours: Sequence[Sequence[int]]
) -> list[_Plain]:
    """Answer with what was loaded afresh: the base, then the base with the adapter, or the whole model."""

    def ask(model: object, told: Sequence[int]) -> _Plain:
        _stop_if_asked(setup)
        ids = _answer_plainly(model, prompt, max_new_tokens=request.tokens, end_ids=setup.end_ids, pad_id=setup.pad_id)
        parting = _first_difference(told, ids)
        if parting is None or parting > min(len(told), len(ids)):
            return _Plain(ids, parting)
        same = parting - 1
        return _Plain(ids, parting, _logit_gap(model, [*prompt, *ids[:same]], one=ids[same], other=told[same]))

    release_memory()
    _stop_if_asked(setup)
    _ensure_room(setup, placement)
    setup.tell("Self-test: loading the base model a second time, without the studio")
    model = _load_plainly(setup.folder, placement)
    setup.tell("Self-test: asking plain transformers")
    answers = [ask(model, ours[0])]
    if not request.adapter:
        return answers
    if is_whole_model(Path(request.adapter)):
        del model
        release_memory()
        model = _load_plainly(Path(request.adapter), dataclasses.replace(placement, bits=0))
    else:
        setup.tell("Self-test: asking plain peft")
        model = _add_adapter_plainly(model, Path(request.adapter))
    return [*answers, ask(model, ours[1])]


def _stop_if_asked(setup: Setup) -> None:
    if setup.should_stop():
        raise RunError("The self-test was stopped.")


def _ensure_room(setup: Setup, placement: Placement) -> None:
    needed, free = needed_bytes(setup.folder, placement), setup.free_bytes(placement.device)
    if needed > free:
        raise ModelError(
            f"The self-test loads the base a second time, which takes about {wording.size(needed)}, and "
            f"{wording.size(free)} are free.",
            "Close other programs, or test with a smaller base model.",
        )


def _first_difference(ours: Sequence[int], theirs: Sequence[int]) -> int | None:
    """Return the place, counted from 1, of the first token in which two answers differ; None where they are equal."""
    pairs = enumerate(zip_longest(ours, theirs), start=1)
    return next((place for place, (one, other) in pairs if one != other), None)


def _note(request: SelfTest, setup: Setup, answers: Sequence[_Plain]) -> str:
    whole = bool(request.adapter) and is_whole_model(Path(request.adapter))
    off = f"plain transformers {transformers.__version__}"
    on = off if whole else f"plain peft {peft.__version__}"
    tuned = "the tuned model" if whole else "the adapter on"
    sentences = [
        _compared(name, library, answer)
        for name, library, answer in zip(("the base", tuned), (off, on), answers, strict=False)
    ]
    if setup.placement.bits:
        sentences.append(f"Both copies of the base were packed in {setup.placement.bits} bits in the same way.")
    if setup.placement.precision != FP32:
        sentences.append(
            f"This conversation computes in {setup.placement.precision}; for the test all was loaded in fp32."
        )
    return " ".join(("Greedy, in fp32.", *sentences))


def _compared(name: str, library: str, answer: _Plain) -> str:
    if answer.parting is None:
        return f"With {name}: the same {wording.counted(len(answer.ids), 'token')} as {library}."
    sentence = f"With {name}: token {answer.parting} is another one than that of {library}"
    if answer.gap is None:
        return f"{sentence}."
    rounding = ", which is within rounding" if answer.gap < ROUNDING else ""
    return f"{sentence}, where their logits are {answer.gap:.2g} apart{rounding}."


def _load_plainly(folder: Path, placement: Placement) -> Any:
    """Load a model as anybody would. A packed one is packed as the studio packs it: no two packings answer alike."""
    if placement.bits:
        return load_base(folder, placement)
    ensure_sizes(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder, dtype=placement.dtype, local_files_only=True)
    return model.to(placement.device).eval()


def _add_adapter_plainly(model: Any, folder: Path) -> PeftModel:
    """Put an adapter on a model as peft's documentation has it. Raises ModelError when it does not fit."""
    check_adapter(folder, base_layers(model))
    return PeftModel.from_pretrained(model, str(folder)).eval()


def _answer_plainly(
    model: Any, ids: Sequence[int], *, max_new_tokens: int, end_ids: Sequence[int], pad_id: int
) -> list[int]:
    """Continue one prompt greedily with the model's own `generate`; return the new ids, the end among them."""
    prompt = torch.tensor([list(ids)], device=model.device)
    settings = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=list(end_ids) or None,
        pad_token_id=pad_id,
    )
    with torch.inference_mode():
        output = model.generate(input_ids=prompt, attention_mask=torch.ones_like(prompt), generation_config=settings)
    answer: list[int] = output[0, len(ids) :].tolist()
    return answer


def _logit_gap(model: Any, ids: Sequence[int], *, one: int, other: int) -> float:
    """Return by how much the model finds the token `one` likelier than `other` after these ids, in logits."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([list(ids)], device=model.device)).logits[0, -1].float()
    return float(logits[one] - logits[other])
