"""Has llama.cpp answer from a GGUF, and holds that against the run: prompts letter by letter, tokens, and likelihoods.

Most exports that fail elsewhere fail by their template or their tokenizer, so those must be equal and not nearly so.
"""

import itertools
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import torch

from studio import codec
from studio.data.examples import Message
from studio.data.tokenizing.rendering import ChatRenderer
from studio.errors import DataError, ExportError
from studio.ml.deadlines import load_seconds
from studio.ml.engine import takes_logits_to_keep
from studio.ml.gguf_writing import run_apart
from studio.ml.plain_asking import computing_exactly
from studio.ml.reference import whole_modules_as_loaded

ANSWER_TOKENS = 24
LIKELIEST = 512
"""So many next tokens are told apart at each place; the rest counts as one, which bounds the divergence from below."""

SECONDS_TO_ANSWER = 1800.0
_ROOM = 64
_CLOSE = 0.02
"""Two tokens whose log likelihoods are no further apart count as equally likely: rounding moves them that far."""

ALLOWED = {"f16": 5e-6, "q8_0": 0.02, "q5_k_m": 0.2, "q4_k_m": 0.3}
"""The largest mean divergence of each quantisation, in nats, beside what rounding explains. Small models lose the most:
the starter as Q8_0 has 0.003, as Q4_K_M 0.06."""

ROUNDINGS = 15.0
"""So many times what rounding does is allowed. The starter has 3 to 5 times, for its attention is rounded besides, and
24 times with one of its 211 matrices 2 % off."""

_NOT_KEPT = "It was not kept, and the run itself is untouched. Please report this with the name of the base model."


@dataclass(frozen=True)
class Prompt:
    """A conversation up to where the assistant is to speak, as the studio writes it."""

    messages: tuple[Message, ...]
    text: str
    ids: tuple[int, ...]


@dataclass(frozen=True)
class Answer:
    """A greedy answer of llama.cpp, with the likeliest tokens at each place and their log likelihoods."""

    ids: tuple[int, ...]
    likeliest: tuple[tuple[tuple[int, float], ...], ...]


@dataclass(frozen=True)
class Asked:
    """What llama.cpp said of a file: its own prompts (text and ids, or why it refused), answers, and their ends."""

    prompts: tuple[dict[str, Any], ...]
    answers: tuple[Answer, ...]
    ends: tuple[int, ...]


@dataclass(frozen=True)
class Likeness:
    """How near the answers are to what the run says: see `GgufCheck` of the exports.

    `explained` is how far the run itself diverges when it is rounded as llama.cpp rounds, in nats.
    """

    answers: int
    same_answers: int
    tokens: int
    same_tokens: int
    divergence: float
    explained: float = 0.0

    def allowed(self, quantisation: str) -> float:
        """Return the largest divergence of a whole file, in nats."""
        return ALLOWED[quantisation] + ROUNDINGS * self.explained


def prompts_of(conversations: Sequence[tuple[Message, ...]], renderer: ChatRenderer) -> list[Prompt]:
    """Write conversations as the studio does; what the template refuses is left out."""
    found = []
    for messages in conversations:
        try:
            found.append(Prompt(messages, renderer.prompt_text(messages), renderer.prompt(messages)))
        except DataError:
            continue  # a template without system messages, say
    return found


def ask_llama(
    file: Path,
    prompts: Sequence[Prompt],
    *,
    questions: Sequence[Sequence[int]],
    ends: Sequence[int],
    should_stop: Callable[[], bool],
    adapter: Path | None = None,
    scale: float = 1.0,
) -> Asked:
    """Have llama.cpp write the prompts and answer the questions, which are ids, in a process of its own.

    With `adapter` the GGUF of that is added to the file, `scale` times.

    Raises ExportError when it cannot load the file, Stopped when asked to stop.
    """
    order = {
        "adapters": [] if adapter is None else [(str(adapter), scale)],
        "conversations": [[{"role": each.role, "content": each.content} for each in one.messages] for one in prompts],
        "questions": [list(ids) for ids in questions],
        "ends": list(ends),
        "answer_tokens": ANSWER_TOKENS,
        "likeliest": LIKELIEST,
    }
    context = max(len(ids) for ids in questions) + ANSWER_TOKENS
    told = _told(file, order, context=context, seconds=SECONDS_TO_ANSWER, should_stop=should_stop)
    answers = tuple(
        Answer(tuple(each["ids"]), tuple(tuple((id, p) for id, p in place) for place in each["likeliest"]))
        for each in told["answers"]
    )
    return Asked(tuple(told["prompts"]), answers, tuple(told["ends"]))


def answer_whole(
    file: Path,
    questions: Sequence[tuple[Sequence[int], int]],
    *,
    ends: Sequence[int],
    should_stop: Callable[[], bool],
) -> list[list[int]]:
    """Have llama.cpp answer questions greedily, each with its ids and the tokens that it may have at most.

    Returns the ids of the answers without the end. Raises ExportError and Stopped as `ask_llama` does.
    """
    order = {"adapters": [], "whole": [[list(ids), most] for ids, most in questions]}
    context = max(len(ids) + most for ids, most in questions)
    seconds = SECONDS_TO_ANSWER + sum(most for _, most in questions)
    told = _told(file, order, context=context, seconds=seconds, should_stop=should_stop)
    return [list(takewhile(lambda id: id not in ends, each)) for each in told]


def _told(file: Path, order: dict[str, Any], *, context: int, seconds: float, should_stop: Callable[[], bool]) -> Any:
    """Have a process of its own answer an order with llama.cpp; see `ask_llama`. `context` is in tokens."""
    order = {
        **order,
        "file": str(file),
        # Its threads spin while they wait: on two cores with another program, two are forty times slower than one.
        "threads": max(1, (os.cpu_count() or 1) // 2),
        "context": context + _ROOM,
    }
    with tempfile.TemporaryDirectory() as scratch:
        asked, answered = Path(scratch) / "order.json", Path(scratch) / "answer.json"
        asked.write_text(json.dumps(order), encoding="utf-8")
        script = Path(__file__).with_name("llama_asking.py")
        seconds += load_seconds(file.parent)
        said = run_apart([script, asked, answered], seconds=seconds, should_stop=should_stop)
        try:
            return codec.parse_file(answered)
        except (OSError, codec.Damaged) as error:
            raise ExportError(f"llama.cpp cannot load the GGUF: {said}", _NOT_KEPT) from error


def ensure_same_prompts(prompts: Sequence[Prompt], asked: Asked, renderer: ChatRenderer) -> None:
    """Raises ExportError, with the place, where llama.cpp writes or reads a prompt in another way, or does not stop."""
    for prompt, said in zip(prompts, asked.prompts, strict=True):
        if "refused" in said:
            raise ExportError(
                f"llama.cpp refuses a conversation that the studio writes: {said['refused'][:300]}", _NOT_KEPT
            )
        ids, text = tuple(said["ids"]), said["text"]
        if ids == prompt.ids and prompt.text.endswith(text):
            continue  # llama.cpp puts the start of a text in front as a token of its own
        if text != prompt.text:
            raise ExportError(f"The GGUF writes a prompt in another way: {_texts_differ(prompt.text, text)}", _NOT_KEPT)
        raise ExportError(
            f"The GGUF reads a prompt as other tokens: {_ids_differ(prompt.ids, ids, renderer)}", _NOT_KEPT
        )
    end = renderer.answer_end
    if end is not None and end not in asked.ends:
        raise ExportError(
            f"The GGUF does not stop where the run does: {renderer.spell(end)!r} does not end an answer there.",
            _NOT_KEPT,
        )


def hold_against(model: Any, questions: Sequence[Sequence[int]], asked: Asked) -> Likeness:
    """Have the model of the run read the answers of llama.cpp, computed in fp32, and compare place by place.

    Equal answers are those of which every token is what the run finds likeliest after all before it, or finds so when
    it is rounded.
    """
    equal, tokens, same = 0, 0, 0
    divergences: list[float] = []
    explained: list[float] = []
    for question, answer in zip(questions, asked.answers, strict=True):
        read, places = (*question, *answer.ids), len(answer.ids)
        likely, rounded = _likely(model, read, places=places), _likely(model, read, places=places, rounded=True)
        right = [
            bool(exact.max() - exact[id] <= _CLOSE) or int(near.argmax()) == id
            for exact, near, id in zip(likely, rounded, answer.ids, strict=True)
        ]
        explained += (likely.exp() * (likely - rounded)).sum(-1).tolist()
        told = [(place, offered) for place, offered in zip(likely, answer.likeliest, strict=True) if offered]
        divergences += [_divergence(place, offered) for place, offered in told]
        equal, same, tokens = equal + all(right), same + sum(right), tokens + len(right)
    divergence = sum(divergences) / len(divergences) if divergences else float("nan")
    return Likeness(len(asked.answers), equal, tokens, same, divergence, sum(explained) / len(explained))


def ensure_like(likeness: Likeness, *, quantisation: str) -> None:
    """Raises ExportError, with what was measured, for a file that does not answer like the run."""
    differ = likeness.tokens - likeness.same_tokens
    if quantisation == "f16" and differ:
        raise ExportError(
            f"The GGUF does not answer like the run: {differ} of {likeness.tokens} next tokens are others, and in "
            "16 bits none may be.",
            _NOT_KEPT,
        )
    allowed = likeness.allowed(quantisation)
    if not likeness.divergence <= allowed:  # nor what is no number
        raise ExportError(
            f"The GGUF does not answer like the run: what it finds likely as the next token diverges by "
            f"{likeness.divergence:.2g} nats (mean KL), and at most {allowed:.2g} is allowed.",
            _NOT_KEPT,
        )


def _likely(model: Any, ids: Sequence[int], *, places: int, rounded: bool = False) -> torch.Tensor:
    """Return the log likelihoods from which each of the last `places` tokens is chosen, (places, words)."""
    keep = {"logits_to_keep": places} if takes_logits_to_keep(model) else {}
    read = torch.tensor([list(ids[:-1])], device=model.device)
    shaken = computing_exactly(model, shaken=0 if rounded else None)
    with torch.no_grad(), shaken, whole_modules_as_loaded(model), _rounding(model) if rounded else nullcontext():
        logits: torch.Tensor = model(input_ids=read, use_cache=False, **keep).logits
    return torch.log_softmax(logits[0, -places:].cpu().double(), -1)


@contextmanager
def _rounding(model: Any) -> Iterator[None]:
    """Have products take their inputs and their fp32 weights in fp16, as those of llama.cpp do with an F16 file."""
    held: dict[Any, torch.Tensor] = {}

    def narrow(module: Any, arguments: Any) -> Any:
        if module in held:
            module.weight.data = held[module].half().float()
        return tuple(each.half().to(each.dtype) if _is_float(each) else each for each in arguments)

    def restore(module: Any, arguments: Any, output: Any) -> None:
        if module in held:
            module.weight.data = held[module]

    rounded = [module for module in model.modules() if isinstance(module, torch.nn.Linear | torch.nn.Embedding)]
    held = {module: module.weight.data for module in rounded if module.weight.dtype == torch.float32}
    hooks = [module.register_forward_pre_hook(narrow) for module in rounded]
    hooks += [module.register_forward_hook(restore, always_call=True) for module in rounded]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _is_float(value: Any) -> bool:
    return torch.is_tensor(value) and value.is_floating_point()


def _divergence(likely: torch.Tensor, told: Sequence[tuple[int, float]]) -> float:
    """Return the KL divergence in nats of what llama.cpp told from what the run finds likely, a lower bound of it."""
    known = [(id, p) for id, p in told if id < len(likely)]
    mine = likely[[id for id, _ in known]]
    theirs = torch.tensor([p for _, p in known], dtype=torch.double).clamp(min=-100.0)
    rests = [max(1 - float(part.exp().sum()), 1e-6) for part in (mine, theirs)]
    rest = rests[0] * float(torch.log(torch.tensor(rests[0] / rests[1])))
    return float((mine.exp() * (mine - theirs)).sum()) + rest


def _texts_differ(studio: str, llama: str) -> str:
    place = next((n for n, (one, other) in enumerate(zip(studio, llama, strict=False)) if one != other), None)
    place = min(len(studio), len(llama)) if place is None else place
    start = max(0, place - 20)
    return (
        f"from character {place + 1} on, the studio has {studio[start : place + 30]!r} and llama.cpp "
        f"{llama[start : place + 30]!r}."
    )


def _ids_differ(studio: Sequence[int], llama: Sequence[int], renderer: ChatRenderer) -> str:
    pairs = itertools.zip_longest(studio, llama)
    place, (one, other) = next((n, pair) for n, pair in enumerate(pairs) if pair[0] != pair[1])
    spelled = ["nothing" if id is None else f"{id} ({renderer.spell(id)!r})" for id in (one, other)]
    return f"token {place + 1} of {len(studio)} is {spelled[0]} in the studio and {spelled[1]} in llama.cpp."
