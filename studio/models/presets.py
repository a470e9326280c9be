"""Three ready-made ways to train, and the settings that follow from data, model and machine, each with its reason.

The sources, which the rules below name:
    LoRA            Hu et al. 2021, arXiv 2106.09685
    QLoRA           Dettmers et al. 2023, arXiv 2305.14314
    rsLoRA          Kalajdzievski 2023, arXiv 2312.03732
    LoRA+           Hayou et al. 2024, arXiv 2402.12354
    DoRA            Liu et al. 2024, arXiv 2402.09353
    Without Regret  Schulman et al., "LoRA Without Regret", Thinking Machines Lab 2025, and that lab's "LoRA Primer" and
                    learning-rate sweep (tinker_cookbook/hyperparam_utils.py)
    Unsloth         the vendor's "LoRA fine-tuning Hyperparameters Guide"

rsLoRA, LoRA+ and DoRA are never suggested: each is a choice that can gain something, and no source says for which data.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from studio.config import FULL, LORA, QLORA, RunConfig
from studio.models.architecture import Architecture
from studio.models.catalog import KNOWN_MODELS
from studio.models.forecast.forecast import DOES_NOT_FIT, Forecast, Workload, forecast
from studio.models.machine import Machine
from studio.wording import counted, size

QUICK = "quick"
BALANCED = "balanced"
THOROUGH = "thorough"

Value = str | int | float
Estimate = Callable[..., Forecast]
"""What `forecast` is; another one in tests."""

_FIRST = ("method", "epochs", "learning_rate", "rank", "batch_size", "max_length")
DERIVED = (*_FIRST, "alpha", "dropout", "schedule", "warmup_share")
"""The fields that are suggested, in the order of `derive`."""

_FIRST_RANK = {QUICK: 8, BALANCED: 16, THOROUGH: 32}
_WIDEST_RANK = 64
_USUAL_LENGTH = 512
_LONGEST = {QUICK: 1024, BALANCED: 2048, THOROUGH: 131_072}
_RATES = ((1_000_000_000, 5e-4), (30_000_000_000, 2e-4), (math.inf, 1e-4))
_FEW, _MANY, _VERY_MANY = 64, 5_000, 20_000


@dataclass(frozen=True)
class Preset:
    """One ready-made way to train: what it gives and how long it takes, in a sentence for a newcomer."""

    id: str
    title: str
    text: str


PRESETS = (
    Preset(
        QUICK, "Quick look", "One pass, a small adapter: a first look at how it goes, in about a third of the time."
    ),
    Preset(BALANCED, "Balanced", "A few passes: suits most data, and a good place to begin."),
    Preset(THOROUGH, "Thorough", "More passes, a larger adapter: learns the most, in about twice the time."),
)


@dataclass(frozen=True)
class Derived:
    """What one field of `RunConfig` should be, and why, as one sentence."""

    field: str
    value: Value
    reason: str


@dataclass(frozen=True)
class Case:
    """What the suggestions follow from. `own` holds the fields that a person has set: others follow from them."""

    preset: str = BALANCED
    examples: int = 0
    """How many are trained on; 0 while there is no data."""
    workload: Workload | None = None
    """Their tokens, before any is left out as too long; None while they are not counted."""
    architecture: Architecture | None = None
    machine: Machine | None = None
    model: str = ""
    own: Mapping[str, Value] = field(default_factory=dict)

    def number(self, name: str, otherwise: int) -> int:
        """Return a whole number that the person has set, as far as it can be one."""
        value = self.own.get(name)
        return value if isinstance(value, int) and value > 0 else otherwise


def derive(case: Case, *, estimate: Estimate = forecast) -> tuple[Derived, ...]:
    """Suggest each field of `DERIVED`, except those of an adapter where there is none."""
    return tuple(_derive(case, estimate))


def _derive(case: Case, estimate: Estimate) -> Iterator[Derived]:
    epochs, batch, rank, length = _epochs(case), _batch(case), _rank(case), _length(case)
    method = _method(case, RunConfig(rank=int(rank.value), max_length=int(length.value)), estimate)
    chosen = str(case.own.get("method", method.value))
    yield from (method, epochs)
    yield _learning_rate(case, chosen)
    if chosen != FULL:
        yield rank
    yield from (batch, length)
    if chosen != FULL:
        yield Derived("alpha", 2 * case.number("rank", int(rank.value)), "Twice the rank is usual.")
        yield _dropout(case)
    yield Derived("schedule", "cosine", "Falls slowly to zero, so that the last steps make small corrections.")
    yield _warmup(case, epochs=int(epochs.value), batch=int(batch.value))


def _method(case: Case, settings: RunConfig, estimate: Estimate) -> Derived:
    """LoRA, or QLoRA where memory demands it.

    Without Regret: LoRA does as well as full fine-tuning on small and medium data sets. QLoRA: a base in NF4 does as
    well as one in 16 bits.
    """
    usual = Derived("method", LORA, "Learns as well as full fine-tuning on small and medium data sets.")
    if case.architecture is None or case.machine is None:
        return usual
    work = case.workload and replace(case.workload, longest=min(case.workload.longest, settings.max_length))
    whole = estimate(case.architecture, settings, machine=case.machine, workload=work)
    if whole.verdict != DOES_NOT_FIT:
        return usual
    packed = replace(settings, method=QLORA)
    if estimate(case.architecture, packed, machine=case.machine, workload=work).verdict == DOES_NOT_FIT:
        return usual
    need, have = size(whole.memory_bytes), size(case.machine.memory_bytes)
    return Derived("method", QLORA, f"LoRA would need {need}, and {have} are free; with a 4-bit base it fits.")


def _epochs(case: Case) -> Derived:
    """Unsloth: 1 to 3; more gains little and risks learning by heart. The many examples of a large set need fewer."""
    number = case.examples
    if case.preset == QUICK:
        return Derived("epochs", 1, "One pass is enough to see whether the loss falls.")
    if number > _VERY_MANY:
        value, reason = 1, f"One pass is enough with {number:,} examples."
    elif number > _MANY:
        value, reason = 2, f"{number:,} examples need fewer passes than a few hundred."
    else:
        value, reason = 3, "With more than three passes, most data is learned by heart."
    if case.preset == THOROUGH:
        value += 2 if value == 3 else 1
        reason = "More passes than usual: watch the held-out loss, which shows when the data is learned by heart."
    return Derived("epochs", value, reason)


def _learning_rate(case: Case, method: str) -> Derived:
    """By the model's size, and a tenth of it where every weight moves.

    QLoRA: 2e-4 up to 13B, 1e-4 for 33B and 65B. Unsloth: 2e-4 to start with. Without Regret: small models take more
    (1e-3 for 1B to 3B at a batch of 128, 3e-4 from 8B on), and LoRA ten times what full fine-tuning does. 5e-4 below
    one billion lies between the two, for a smaller batch.
    """
    rate = next(rate for limit, rate in _RATES if _parameters(case) < limit)
    if method == FULL:
        return Derived(
            "learning_rate", round(rate / 10, 12), "Every weight changes, so the steps are a tenth of those for LoRA."
        )
    more = ", and small models need more than large ones" if rate == _RATES[0][1] else ""
    return Derived("learning_rate", rate, f"LoRA needs about ten times as much as full fine-tuning{more}.")


def _parameters(case: Case) -> int:
    if case.architecture is not None:
        return case.architecture.parameters
    return next((known.parameters for known in KNOWN_MODELS if known.id == case.model), 0)


def _rank(case: Case) -> Derived:
    """As large as the data needs: an adapter with at least as many weights as there are learned tokens.

    Without Regret (Primer): LoRA does well while that holds. LoRA: ranks of 4 to 32 did as well as higher ones. rsLoRA:
    ranks far above that learn less than they could, so the suggestion ends at 64. Unsloth: 16 or 32. Never wider than
    the narrowest layer.
    """
    first, layers = _FIRST_RANK[case.preset], case.architecture.layout.layers if case.architecture else ()
    rank, learned = first, case.workload.learned_tokens if case.workload else 0
    per_rank = sum(layer.inputs + layer.outputs for layer in layers)
    while per_rank and case.preset != QUICK and rank < _WIDEST_RANK and rank * per_rank < learned:
        rank *= 2
    narrowest = min((min(layer.inputs, layer.outputs) for layer in layers), default=rank)
    if narrowest < rank:
        return Derived("rank", max(1, narrowest), "The width of the narrowest layer of this model.")
    if rank > first:
        return Derived("rank", rank, f"A smaller adapter has no room for {learned:,} learned tokens.")
    examples = counted(case.examples, "example") if case.examples else "a few hundred examples"
    if case.preset == THOROUGH:
        return Derived("rank", rank, f"Twice what {examples} need, to be safe.")
    return Derived("rank", rank, f"Large enough for {examples} of one task.")


def _batch(case: Case) -> Derived:
    """Unsloth: about 16 in effect. Without Regret: LoRA loses more than full fine-tuning with large batches."""
    number = case.examples
    if 0 < number < _FEW:
        return Derived("batch_size", 4, f"Only {counted(number, 'example')}: small batches give more steps.")
    if number > _MANY:
        return Derived("batch_size", 16, "Larger, as there are many examples; very large batches suit LoRA less.")
    return Derived("batch_size", 8, "Stable, and a few hundred examples still give enough steps.")


def _length(case: Case) -> Derived:
    """The next power of two above the longest example, within what the model can read and the preset has time for."""
    if case.workload is None or not case.workload.longest:
        return Derived("max_length", _USUAL_LENGTH, "Suits most data; yours is not counted yet.")
    longest, mean = case.workload.longest, case.workload.tokens / max(1, case.workload.examples)
    wanted = _power_of_two(max(longest, _USUAL_LENGTH))
    most = max(_LONGEST[case.preset], _power_of_two(4 * mean))
    context = case.architecture.context if case.architecture is not None else None
    value = min(wanted, most, context or wanted)
    if value >= longest:
        return Derived("max_length", value, f"The longest example to learn from has {longest:,} tokens.")
    if value == context:
        return Derived(
            "max_length", value, f"This model cannot read more; the longest example to learn from has {longest:,}."
        )
    return Derived("max_length", value, f"Longer examples, up to {longest:,} tokens, would need much memory.")


def _power_of_two(least: float) -> int:
    return int(min(131_072, 2 ** math.ceil(math.log2(max(least, 1)))))


def _dropout(case: Case) -> Derived:
    """Unsloth: 0. QLoRA found 0.05 useful for its smaller models; here only where few examples are seen often."""
    if case.preset == THOROUGH and case.examples <= 1_000:
        return Derived("dropout", 0.05, "A little dropout keeps many passes from learning by heart.")
    return Derived("dropout", 0.0, "Rarely helps in a short run, and makes it slower.")


def _warmup(case: Case, *, epochs: int, batch: int) -> Derived:
    """Unsloth: 5 to 10 % of the steps; the upper end where so few would be none."""
    steps = math.ceil(case.examples / case.number("batch_size", batch)) * case.number("epochs", epochs)
    if 0 < steps < 20:
        return Derived("warmup_share", 0.1, f"With only {counted(steps, 'step')}, a tenth of them for a gentle start.")
    return Derived("warmup_share", 0.05, "Small first steps keep the start stable.")
