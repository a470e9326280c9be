"""How the engine will run a training: what is trained, in which precision, and how many tokens at once.

What the forecasts of memory and of time have in common. Arithmetic only.
"""

import math
import os
from dataclasses import dataclass

from studio.config import FULL, RunConfig
from studio.models.architecture import Architecture
from studio.models.layout import LinearLayer, select_modules
from studio.models.machine import Machine

BF16 = "bf16"
FP32 = "fp32"
FP16 = "fp16"
ITEM_BYTES = {BF16: 2, FP16: 2, FP32: 4}

TOKENS_AT_ONCE = {"cpu": 512, "cuda": 8192, "mps": 2048}
"""Tokens of a micro-batch where nobody says otherwise. More keep a GPU busy; a processor is busy with fewer, and pays
for fresh memory."""

SIDE_BY_SIDE = 2
"""So many micro-batches a processor computes at once, each with its share of the cores."""

FEWEST_TOKENS = {"cpu": 256, "cuda": 1024, "mps": 512}
"""Smaller micro-batches than this cost more time than computing the blocks twice does."""

LOGIT_POSITIONS = 256
"""Logits are made for so many learned positions at once on a processor, and for no fewer on a GPU."""

LOGIT_CHUNK_BYTES = {"cuda": 2**30, "mps": 2**29}
"""What a chunk of logits may take on a GPU, which is busy only with many positions: at 256 of them it reads the head's
weight about as long as it multiplies with it."""

LOGIT_BYTES = 12.0
"""Bytes for each logit of a chunk: in the model's precision, in fp32, and its gradient in the model's."""

QUERY_BLOCK = 128
"""Queries whose attention scores are computed at once, on a processor. A block sees no key after its last query, so
smaller blocks compute less in vain above the diagonal."""

KEPT_LENGTH = 1024
"""The weights of attention within a sequence are kept from the forward pass to the backward one up to this length, on a
processor: to make them again costs a third of attention's time. They grow with the square of the length."""

SCORINGS = 6
"""How often the held-out rows are scored and a checkpoint is saved after step 0; the last time after the last step."""

ANSWER_SHARE, ANSWERS_IN_STEPS, FEWEST_ANSWERS = 0.1, {"cpu": 2.0}, 2
"""Asking the prompts to watch after step 0 takes about this share of a run's steps at most, but is done twice at least.
On a processor it takes as long as so many steps (7 s beside steps of 4 s for the starter on one core); on a GPU too
little to count.
"""

SAVE_SHARE = 0.05
"""Saving checkpoints takes at most this share of a run's time; the first is saved whatever it costs."""

SAMPLE_TOKENS = {"cpu": 24, "cuda": 64, "mps": 32}
"""The longest answer that is shown at each scoring. A processor reads all weights from memory for each token."""

FORWARD_SHARE = 1 / 3
"""The part of a training's passes over memory and calls that the forward pass alone has."""

SPREAD = 0.75
"""The largest of n steps lies this times sqrt(2 ln n) standard deviations above the mean one: sqrt(2 ln n) is what
extreme value theory gives for many, and this is what it is for some dozens."""


@dataclass(frozen=True)
class Workload:
    """The data of a run, after the split and after what is too long went. Tokens are those of one epoch."""

    examples: int
    tokens: int
    longest: int
    learned_tokens: int
    held_out_examples: int
    held_out_tokens: int

    @property
    def mean_length(self) -> float:
        """The mean length of a training row, in tokens."""
        return self.tokens / max(1, self.examples)

    @property
    def learned_share(self) -> float:
        """The share of the tokens that are learned."""
        return self.learned_tokens / max(1, self.tokens)


@dataclass(frozen=True)
class Plan:
    """A run as the engine will do it."""

    architecture: Architecture
    config: RunConfig
    device: str
    precision: str
    adapted: tuple[LinearLayer, ...]
    trainable: int
    micro_batch_tokens: int
    """The budget: no micro-batch holds more tokens, but for one example that is longer."""
    fullest_tokens: int
    """The tokens of the fullest micro-batch of the run."""
    longest: int
    """The tokens of the longest row."""
    micro_batches: int
    """How many micro-batches an epoch has; 0 without data."""
    cuts_steps: bool
    """Whether a step has more tokens than may go through the model at once."""
    learned_share: float
    checkpointing: bool
    at_once: float
    """How many of the fullest micro-batches are computed side by side."""

    @property
    def item_bytes(self) -> int:
        """The bytes of a number in the precision that is computed in."""
        return ITEM_BYTES[self.precision]

    @property
    def full(self) -> bool:
        """Whether every weight is trained."""
        return self.config.method == FULL

    @property
    def has_masters(self) -> bool:
        """Whether what is trained is kept in fp32 as well as in the precision that is computed in. For fp16 it is kept
        in fp32 alone, and cast as it is used.
        """
        return self.precision == BF16 and "low-precision-adapters" not in self.config.switched_off

    @property
    def joins(self) -> bool:
        """Whether projections of the same input are joined to one product."""
        off = {"joined-projections", "fused-adapters"}.intersection(self.config.switched_off)
        plain = not self.config.base_bits and not self.config.dora and not self.config.dropout
        return bool(self.adapted) and plain and not off and joining_pays(self.device, self.precision)


def evaluation_steps(total: int) -> frozenset[int]:
    """Return after which of so many steps the held-out rows are scored: evenly spread, always the last."""
    return frozenset(math.ceil(total * part / SCORINGS) for part in range(1, SCORINGS + 1))


def block_passes(*, full: bool) -> int:
    """Return how often a training multiplies with each weight of a block: forward, backward to what came in, and to the
    weight itself where that is trained.
    """
    return 3 if full else 2


def answer_steps(total: int, device: str) -> frozenset[int]:
    """Return after which of the scored steps the prompts to watch are asked: evenly spread, always the last."""
    scored = sorted(evaluation_steps(total))
    each = ANSWERS_IN_STEPS.get(device)
    wanted = len(scored) if each is None else int(ANSWER_SHARE * total / each)
    count = min(len(scored), max(FEWEST_ANSWERS, wanted))
    return frozenset(scored[math.ceil(len(scored) * part / count) - 1] for part in range(1, count + 1))


def logit_positions(device: str, words: int) -> int:
    """Return for how many learned positions a device makes the logits at once."""
    fitting = int(LOGIT_CHUNK_BYTES.get(device, 0) / (LOGIT_BYTES * words))
    return max(LOGIT_POSITIONS, min(4096, fitting // 128 * 128))


def joining_pays(device: str, precision: str) -> bool:
    """Tell whether one wide product beats the narrow ones that it is joined from.

    Not in fp32 on a processor: there it was not faster, and the joined copy costs memory. Not on CUDA either: what
    comes out of a joined product lies in strides, which what follows reads slowly (`benchmarks/README.md`).
    """
    return device == "mps" or (device == "cpu" and precision != FP32)


def why_not_side_by_side(config: RunConfig, device: str, *, cores: int) -> str:
    """Say why a run computes one micro-batch after the other; empty where it computes `SIDE_BY_SIDE` at once."""
    if device != "cpu":
        return "this device is busy with one batch"
    if cores < SIDE_BY_SIDE:
        return "there is one core"
    if config.method == FULL or config.train_embeddings:
        return "gradients of whole weights take much memory"
    if config.dropout:
        return "adapters drop out at random"
    if config.base_bits == 8:
        return "layers in 8 bits change while they compute"
    return "switched off" if "side-by-side" in config.switched_off else ""


def make_plan(
    architecture: Architecture,
    config: RunConfig,
    *,
    machine: Machine,
    workload: Workload | None,
    checkpointing: bool,
    micro_batch_tokens: int,
) -> Plan:
    """Say how the engine will run a config. Raises ConfigError for target modules that the model does not have."""
    adapted = adapted_layers(architecture, config)
    fullest, in_step = fullest_tokens(config, workload, budget=micro_batch_tokens), tokens_of_a_step(config, workload)
    alone = why_not_side_by_side(config, machine.device, cores=os.cpu_count() or 1)
    return Plan(
        architecture=architecture,
        config=config,
        device=machine.device,
        precision=machine.precision_of(config.precision),
        adapted=adapted,
        trainable=trainable(architecture, config, adapted=adapted),
        micro_batch_tokens=micro_batch_tokens,
        fullest_tokens=fullest,
        longest=config.max_length if workload is None else workload.longest,
        micro_batches=0 if workload is None else micro_batch_count(config, workload, budget=micro_batch_tokens),
        cuts_steps=in_step > micro_batch_tokens,
        learned_share=1.0 if workload is None else workload.learned_share,
        checkpointing=checkpointing,
        at_once=1.0 if alone else max(1.0, min(float(SIDE_BY_SIDE), in_step / fullest)),
    )


def adapted_layers(architecture: Architecture, config: RunConfig) -> tuple[LinearLayer, ...]:
    """List the layers that get an adapter; none in full fine-tuning. Raises ConfigError for unknown modules."""
    if config.method == FULL:
        return ()
    names = [layer.name for layer in architecture.layout.layers]
    targets = select_modules(names, targets=config.targets, chosen=config.chosen_modules)
    endings = tuple(f".{target}" for target in targets)
    return tuple(layer for layer in architecture.layout.layers if layer.name in targets or layer.name.endswith(endings))


def trainable(architecture: Architecture, config: RunConfig, *, adapted: tuple[LinearLayer, ...]) -> int:
    """Count what is trained. LoRA: A is rank x inputs, B is outputs x rank (Hu et al. 2021); DoRA adds a magnitude for
    each output (Liu et al. 2024).
    """
    if config.method == FULL:
        return architecture.parameters
    count = sum(config.rank * (layer.inputs + layer.outputs) for layer in adapted)
    if config.dora:
        count += sum(layer.outputs for layer in adapted)
    if config.train_embeddings:
        count += architecture.embedding_parameters + architecture.head_parameters
    return count


def fullest_tokens(config: RunConfig, workload: Workload | None, *, budget: int) -> int:
    """Estimate the tokens of the fullest micro-batch as `studio.ml.batches.cut` makes them: a whole step where the
    budget holds it, else one of about equally large groups, which are exceeded by up to half of the longest row.

    Rows are taken to be spread evenly around their mean; without data every row is as long as allowed.
    """
    longest = config.max_length if workload is None else workload.longest
    mean = float(longest) if workload is None else workload.mean_length
    deviation = (longest - mean) / 3**0.5  # of an even distribution
    shortest = max(0.0, 2 * mean - longest)
    rows = config.batch_size if workload is None else min(config.batch_size, workload.examples)
    spread = step_spread(config, workload) * math.sqrt(rows) * deviation
    fullest = float(longest)
    for times in (-1.0, -0.5, 0.0, 0.5, 1.0):
        step = rows * mean + times * spread
        parts = max(1, math.ceil(step / budget))
        room = min(budget, step / parts + longest / 2)
        group = step if parts == 1 else max(room - shortest / 2, room // longest * longest)
        fullest = max(fullest, group)
    return round(fullest)


def tokens_of_a_step(config: RunConfig, workload: Workload | None) -> float:
    """Return the mean tokens of a step."""
    if workload is None:
        return float(config.batch_size * config.max_length)
    return min(config.batch_size, workload.examples) * workload.mean_length


def micro_batch_count(config: RunConfig, workload: Workload, *, budget: int) -> int:
    """Estimate the micro-batches of an epoch: steps are cut by the budget, which long rows do not fill, rows never."""
    steps = config.steps_per_epoch(workload.examples)
    rows = min(config.batch_size, workload.examples)
    parts = min(rows, math.ceil(tokens_of_a_step(config, workload) / budget))
    return max(steps * parts, math.ceil(workload.tokens / fullest_tokens(config, workload, budget=budget)))


def step_spread(config: RunConfig, workload: Workload | None) -> float:
    """Return how many standard deviations the largest step lies above the mean one; an epoch's steps share its rows."""
    if workload is None:
        return 0.0
    each = max(1, config.steps_per_epoch(workload.examples))
    return SPREAD * math.sqrt(2 * math.log(max(1, each * config.epochs)) * (1 - 1 / each))
