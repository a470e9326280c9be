"""How long a run takes: the multiplications, the passes over memory and the calls that it must make, at measured rates.

Each constant says where it is from; `benchmarks/forecast.py` holds the sum against real runs.
"""

import math
from collections import Counter
from dataclasses import dataclass

from studio.models.forecast.held_out import expected_tokens_between
from studio.models.forecast.plan import (
    FORWARD_SHARE,
    FP32,
    ITEM_BYTES,
    KEPT_LENGTH,
    SAMPLE_TOKENS,
    SAVE_SHARE,
    SCORINGS,
    Plan,
    Workload,
    answer_steps,
    block_passes,
)
from studio.models.machine import Machine, Rates

PRODUCT_SHARE = {"cpu": 0.72, "cuda": 1.0, "mps": 0.72}
"""The rate of the layers' products in a training beside that of the calibration, which repeats one with its numbers in
the processor's cache. What is said of CUDA here and below was fitted to short trainings on one card, an H100."""

SKINNY_SHARE = {"cpu": 0.75, "cuda": 0.2, "mps": 0.75}
"""The rate of the adapters' products beside that of the layers': a side as narrow as the rank keeps no core busy."""

PASS_SHARE = {"cpu": 1.0, "cuda": 0.45, "mps": 1.0}
"""The rate of passes over memory beside that of the calibration: what lies in strides is read slowly by a GPU."""

HIDDEN_PASSES = 30.0
"""Numbers of the hidden size that a block reads and writes for each token beside its products, forward and backward."""

FEED_PASSES = 16.0
"""The same for numbers of the feed-forward width."""

LOGIT_PASSES = {"cpu": 80.0, "cuda": 12.0, "mps": 80.0}
"""The same for the logits of a learned token: on a processor the exponential takes longest."""

BLOCK_CALLS = {"cpu": 90.0, "cuda": 300.0, "mps": 90.0}
"""Operations that a block starts for a micro-batch, forward and backward, and what Python does between them."""

PACKED_CALLS = {"cpu": 0.0, "cuda": 90.0, "mps": 0.0}
"""Those beside that unpacking a packed block takes, twice."""

UPDATE_BYTES = 40.0
"""Bytes read and written for each trained number in a step: gradient, norm, moments, master and copy."""

ATTENTION_SHARE = {"cpu": 0.5, "cuda": 0.4, "mps": 0.5}
"""The rate of attention's products beside that of the layers': they are many and small, and the softmax is between."""

FORWARD_ATTENTION, BACKWARD_ATTENTION, KEPT_ATTENTION = 2, 5, 4
"""Attention's products in a pass (Dao et al. 2022, algorithm 4); the last where the scores need not be made again."""

BLOCK_SECONDS = 0.125
"""What a block costs once: its modules and adapters are made and tried out."""

TRIED_TOKENS = 3500.0
"""Loading a model, trying its parts out and asking it for a few answers at the end, word by word, takes as long as so
many tokens forward."""

UNPACKED_ONCE = 80.0
"""How often a packed base is unpacked beside the steps, for each word of those answers; packing it counts as some."""

WORD_CALLS = 245.0
"""What a block costs for each word of an answer, in calls: it is asked word by word, through transformers' own code.
Measured on four models of 6 to 30 blocks, with the next."""

READ_SHARE = 0.3
"""The rate at which weights are read from memory beside that of sums, which lie in the processor's cache."""

CHECKPOINT_BYTES = 16
"""Bytes of a checkpoint for each trained number: its master, its moments, and the result so far, in fp32."""

SAVING_BYTES_PER_SECOND = 0.35e9
"""Writing a checkpoint or the result, making sure of it, and removing the one before. Measured by the clock: 0.2 s for
the 78 MB of an adapter, 8 s for the 2.2 GB of a full fine-tuning."""


def run_seconds(plan: Plan, *, machine: Machine, workload: Workload) -> float | None:
    """Estimate the seconds of a run from the start of its process to its end; None without a calibration."""
    loop = loop_seconds(plan, machine=machine, workload=workload)
    return None if loop is None else fixed_seconds(plan, machine=machine) + loop


def fixed_seconds(plan: Plan, *, machine: Machine) -> float:
    """Return the seconds before the first step and after the last, whatever the data is."""
    architecture, rates = plan.architecture, machine.rates_in(plan.precision)
    tried = 0.0 if rates is None else 2 * architecture.parameters * TRIED_TOKENS / rates.flops
    if rates is not None and plan.config.base_bits and rates.unpacked_per_second:
        tried += UNPACKED_ONCE * architecture.linear_parameters / rates.unpacked_per_second
    saving = plan.trainable * ITEM_BYTES[FP32] / SAVING_BYTES_PER_SECOND
    return machine.start_seconds + architecture.layers * BLOCK_SECONDS + tried + saving


def loop_seconds(plan: Plan, *, machine: Machine, workload: Workload) -> float | None:
    """Return the seconds of all steps, with the scorings and savings between them; None without a calibration."""
    rates = machine.rates_in(plan.precision)
    if rates is None or not workload.examples:
        return None
    clock = _Clock(plan, rates, machine.rates_in(FP32) or rates, workload)
    devices = machine.devices if plan.config.data_parallel else 1
    steps = plan.config.steps_per_epoch(workload.examples)
    epoch = clock.training_seconds(workload.tokens) / devices + steps * clock.update_seconds()
    saves = min(SCORINGS, plan.config.epochs * steps)
    scoring = 2 * clock.scoring_seconds(workload.held_out_tokens)
    scoring += (saves - 1) * clock.scoring_seconds(expected_tokens_between(workload, plan.config))
    scoring /= devices
    if workload.held_out_examples or plan.config.sample_prompts:
        asked = 1 + len(answer_steps(plan.config.epochs * steps, plan.device))
        scoring += asked * SAMPLE_TOKENS[plan.device] * clock.word_seconds()
    saving = plan.trainable * CHECKPOINT_BYTES / SAVING_BYTES_PER_SECOND
    working = plan.config.epochs * epoch + scoring
    return working + min(saves * saving, saving + SAVE_SHARE * working)


@dataclass(frozen=True)
class _Clock:
    """The seconds of each piece of work of a plan. On a processor the scores of attention are products in fp32."""

    plan: Plan
    rates: Rates
    fp32: Rates
    workload: Workload

    def training_seconds(self, tokens: int) -> float:
        """Return the seconds of forward and backward passes over the tokens of an epoch."""
        plan = self.plan
        again = 1 if plan.checkpointing else 0
        head_trained = plan.full or plan.config.train_embeddings
        each = self._blocks() * (block_passes(full=plan.full) + again)
        each += self._adapters() * (3 + again)
        each += self._attention(FORWARD_ATTENTION, scores=1) * (1 + again) + self._attention_backward()
        each += self._passes() * (1 + again * FORWARD_SHARE)
        each += self._head() * (3 if head_trained else 2) + self._logit_passes()
        calls = plan.micro_batches * self._calls() * (1 + again * FORWARD_SHARE)
        return self._beside(tokens * each + plan.micro_batches * self._unpacking(), calls)

    def scoring_seconds(self, tokens: float) -> float:
        """Return the seconds of one forward pass over so many held-out tokens."""
        each = self._blocks() + self._adapters() + self._attention(FORWARD_ATTENTION, scores=1) + self._head()
        each += (self._passes() + self._logit_passes()) * FORWARD_SHARE
        micro_batches = math.ceil(tokens / self.plan.micro_batch_tokens)
        work = tokens * each + micro_batches * self._unpacking() / 2
        return self._beside(work, micro_batches * self._calls() * FORWARD_SHARE)

    def word_seconds(self) -> float:
        """Return the seconds of one word of an answer: every weight is read once, however many are asked."""
        architecture = self.plan.architecture
        read = architecture.parameters * self.plan.item_bytes / (self.rates.bytes_per_second * READ_SHARE)
        seconds = read + architecture.layers * WORD_CALLS * self.rates.seconds_per_call
        if self.plan.config.base_bits and self.rates.unpacked_per_second:
            seconds += architecture.linear_parameters / self.rates.unpacked_per_second
        return seconds

    def update_seconds(self) -> float:
        """Return the seconds of one step of the optimiser."""
        return self.plan.trainable * UPDATE_BYTES / self.rates.bytes_per_second

    def _blocks(self) -> float:
        """The products of all blocks' layers with one token, forward."""
        architecture = self.plan.architecture
        kinds = Counter((layer.inputs, layer.outputs) for layer in architecture.layout.layers)
        seconds = sum(count * self._product(*sides) for sides, count in kinds.items())
        if architecture.experts:
            width = architecture.intermediate - shared_width(self.plan)
            seconds += architecture.layers * 3 * self._product(architecture.hidden, width)
        return seconds

    def _product(self, inputs: int, outputs: int) -> float:
        return (
            2 * inputs * outputs / (self.rates.flops_at(math.sqrt(inputs * outputs)) * PRODUCT_SHARE[self.plan.device])
        )

    def _adapters(self) -> float:
        """Both halves of all adapters with one token, forward."""
        sides = sum(layer.inputs + layer.outputs for layer in self.plan.adapted)
        return 2 * self.plan.config.rank * sides / (self.rates.flops * SKINNY_SHARE[self.plan.device])

    def _attention_backward(self) -> float:
        if self.plan.device == "cpu" and self.plan.longest <= KEPT_LENGTH:
            return self._attention(KEPT_ATTENTION, scores=0)
        return self._attention(BACKWARD_ATTENTION, scores=1)

    def _attention(self, products: int, *, scores: int) -> float:
        """So many products of one token with half of its sequence, of which `scores` are the scores themselves."""
        architecture, workload = self.plan.architecture, self.workload
        # A token is more often in a long sequence: the mean over tokens is nearer to the longest than that over rows.
        seen = (workload.mean_length + workload.longest) / 4
        flops = 2 * architecture.layers * architecture.heads * architecture.head_size * seen
        exact = self.fp32 if self.plan.device == "cpu" else self.rates
        seconds = scores / exact.flops + (products - scores) / self.rates.flops
        return flops * seconds / ATTENTION_SHARE[self.plan.device]

    def _head(self) -> float:
        """The logits of one token, forward, at the share of tokens that is learned."""
        architecture = self.plan.architecture
        share = 1.0 if "learned-logits" in self.plan.config.switched_off else self.workload.learned_share
        return self._product(architecture.hidden, architecture.vocabulary) * share

    def _logit_passes(self) -> float:
        numbers = LOGIT_PASSES[self.plan.device] * self.plan.architecture.vocabulary * self.workload.learned_share
        return numbers * ITEM_BYTES[FP32] / self.rates.bytes_per_second

    def _passes(self) -> float:
        """What norms, activations, residuals and rotations read and write for one token, forward and backward."""
        architecture = self.plan.architecture
        numbers = HIDDEN_PASSES * architecture.hidden + FEED_PASSES * architecture.intermediate
        rate = self.rates.bytes_per_second * PASS_SHARE[self.plan.device]
        return architecture.layers * numbers * self.plan.item_bytes / rate

    def _calls(self) -> float:
        """What one micro-batch costs whatever it holds: starting operations."""
        device, packed = self.plan.device, bool(self.plan.config.base_bits)
        calls = BLOCK_CALLS[device] + packed * PACKED_CALLS[device]
        return self.plan.architecture.layers * calls * self.rates.seconds_per_call

    def _unpacking(self) -> float:
        """What unpacking a packed base twice costs in one micro-batch."""
        if not self.plan.config.base_bits or not self.rates.unpacked_per_second:
            return 0.0
        return 2 * self.plan.architecture.linear_parameters / self.rates.unpacked_per_second

    def _beside(self, work: float, calls: float) -> float:
        """Put work and the starting of it together: a GPU does both at once, a processor one after the other in each of
        the micro-batches that it computes side by side.
        """
        return max(work, calls) if self.plan.device == "cuda" else work + calls / self.plan.at_once


def shared_width(plan: Plan) -> int:
    """Return the width of the expert that reads every token; 0 where there is none."""
    layers = plan.architecture.layout.layers
    return next((layer.inputs for layer in layers if layer.name.endswith(".shared_expert.down_proj")), 0)
