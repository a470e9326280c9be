"""How much memory a run takes at its highest, part by part: arithmetic over the numbers of a model.

Each constant says where it is from; `benchmarks/forecast.py` holds the sum against real runs.
"""

from collections import Counter
from dataclasses import dataclass

from studio.config import ADAMW, BASE_BITS
from studio.models.forecast.plan import BF16, ITEM_BYTES, KEPT_LENGTH, LOGIT_BYTES, QUERY_BLOCK, Plan, logit_positions

MIB = 2**20

PROGRAM_BYTES = {"cpu": 525 * MIB, "cuda": 500 * MIB, "mps": 700 * MIB}
"""PyTorch, transformers, peft and the tokenizer in memory, without a model; on a GPU the context of CUDA."""

PRODUCT_BYTES = 0.55 * MIB
"""PyTorch's library for products in bf16 on a processor (oneDNN) keeps so much for each size of product that it met."""

MOST_PRODUCTS = 128
"""It forgets the oldest beyond this number, which `runs.launcher` sets for every worker."""

PRODUCTS_PER_SIZE = 36
"""Different products that a micro-batch makes, forward and backward, each again for another number of tokens."""

NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""A weight in NF4 with double quantisation: half a byte, one byte of scale for 64, four of its scale for 256 of those
(Dettmers et al. 2023, section 3)."""

MASTER_BYTES = 4
"""What is trained is kept in fp32 beside the copy that is computed with."""

PACKING_BYTES = 45 * MIB
"""bitsandbytes in memory."""

HELD_OVER_PACKED = {"cpu": 1.95, "cuda": 1.0, "mps": 1.0}
"""So many times more over a packed base: each layer makes its unpacked weights and, in peft, three copies of its output
between what is kept, and leaves holes. Measured; the caching allocator of a GPU fills them."""

GRADIENT_BYTES = 4
"""Gradients are summed in fp32."""

MOMENT_BYTES = {ADAMW: 8.0}
"""AdamW keeps two moments for each trained number, in fp32."""

MOMENT_BYTES_8BIT = 2 + 2 * 4 / 256
"""In 8 bits, each block of 256 with an fp32 scale (Dettmers et al. 2022, 8-bit optimizers)."""

HIDDEN_KEPT = 4.0
"""Tensors of the hidden size that a block keeps for its backward pass: two residuals and two normed ones. This and the
next two were counted by `torch.autograd.graph.saved_tensors_hooks` over the engine."""

FEED_KEPT = 3.0
"""Tensors of the feed-forward width that a block keeps: gate, up and their product."""

UNGATED_FEED = 2 / 3
"""Without a gate there are two for each three."""

BACKWARD_HIDDEN = 7.0
"""Tensors of the hidden size that live at once in the backward pass of one block."""

BACKWARD_FEED = 6.0
"""Tensors of the feed-forward width that live at once in the backward pass of one block."""

HELD_SHARE = {"cpu": 1.02, "cuda": 1.05, "mps": 1.1}
"""What the allocator holds for each byte of the passes: freed pieces that nothing fits into."""

HELD_SHARE_OF_SEVERAL = {"cpu": 1.27, "cuda": 1.05, "mps": 1.1}
"""The same where a step is cut into micro-batches: they differ in size, and one does not fit where another was. Seen
with the allocator of glibc."""

HELD_BY_SIZES = 0.9
"""What is held besides, as a share, in bf16 on a processor once many micro-batches were done: each has another number
of tokens, and the products' buffers of each size leave holes of their own. Measured, as the next."""

SIZES_UNTIL_FULL = 30
"""After so many micro-batches the holes grow no more."""

HEAD_GRADIENT_BYTES = 8
"""Bytes for each weight of a head that is trained: its gradient as gathered, and as it is handed on."""

SCORE_BYTES = 12
"""Bytes for each attention score of a block of queries: the score, its weight, and the gradient, in fp32."""


@dataclass(frozen=True)
class Part:
    """One share of the memory at its highest, by a name that a person reads."""

    name: str
    bytes: int


def memory_parts(plan: Plan) -> tuple[Part, ...]:
    """Split the highest memory of a run into its parts; their sum is the forecast, in bytes."""
    trained = plan.trainable
    held = (HELD_SHARE_OF_SEVERAL if plan.cuts_steps else HELD_SHARE)[plan.device] + held_by_sizes(plan)
    packed = bool(plan.config.base_bits)
    gradients = float(trained * GRADIENT_BYTES)
    activations = activation_bytes(plan) * held * (HELD_OVER_PACKED[plan.device] if packed else 1.0) * plan.at_once
    logits = logit_bytes(plan) * held * plan.at_once + head_gradient_bytes(plan)
    if not plan.cuts_steps:
        # Gradients come while what was kept of the forward pass goes: the two are never there in full.
        activations -= min(activations, gradients)
    parts = [
        ("Weights", weight_bytes(plan)),
        ("Adapters", 0.0 if plan.full else trained * (MASTER_BYTES + (plan.item_bytes if plan.has_masters else 0))),
        ("Gradients", gradients),
        ("Optimiser", optimizer_bytes(plan)),
        ("Activations", activations),
        ("Logits", logits),
        ("Program", PROGRAM_BYTES[plan.device] + product_bytes(plan) + packed * PACKING_BYTES),
    ]
    loading = loading_bytes(plan) + PROGRAM_BYTES[plan.device] - sum(size for _, size in parts)
    if loading > 0:
        parts.append(("Loading", loading))
    return tuple(Part(name, round(size)) for name, size in parts)


def weight_bytes(plan: Plan) -> float:
    """Count the bytes of the base model; where it is packed, with the unpacked copy of its largest layer."""
    architecture = plan.architecture
    bits = BASE_BITS.get(plan.config.method, 0)
    if not bits:
        each = MASTER_BYTES if plan.full and not plan.has_masters else plan.item_bytes
        return float(architecture.parameters * each) + joined_copies_bytes(plan)
    packed = architecture.linear_parameters
    rest = (architecture.parameters - packed) * plan.item_bytes
    largest = max((layer.inputs * layer.outputs for layer in architecture.layout.layers), default=0)
    return rest + packed * (NF4_BYTES if bits == 4 else 1.0) + largest * plan.item_bytes


def joined_copies_bytes(plan: Plan) -> float:
    """Count the projections that are joined to one: a copy, while the file that they came from stays in memory.

    That is so where the file has the precision that is computed in, on a processor; elsewhere the parts are let go.
    """
    if plan.device != "cpu" or not plan.joins or plan.architecture.stored != plan.precision:
        return 0.0
    inputs = Counter((layer.name.rsplit(".", 1)[0], layer.inputs) for layer in plan.adapted)
    joined = [layer for layer in plan.adapted if inputs[layer.name.rsplit(".", 1)[0], layer.inputs] > 1]
    return float(sum(layer.inputs * layer.outputs for layer in joined) * plan.item_bytes)


def loading_bytes(plan: Plan) -> float:
    """Count what is in memory while weights are read: the file's pages, and the weights where they are converted."""
    stored = plan.architecture.parameters * ITEM_BYTES.get(plan.architecture.stored, 2)
    if plan.device != "cpu":
        return 0.0
    return stored + (weight_bytes(plan) if plan.architecture.stored != plan.precision or plan.config.base_bits else 0)


def product_bytes(plan: Plan) -> float:
    """Count what is kept of products that were made before, on a processor in bf16: nearly every micro-batch of packed
    rows has another number of tokens.
    """
    if plan.device != "cpu" or plan.precision != BF16:
        return 0.0
    sizes = min(plan.config.epochs * plan.micro_batches, plan.fullest_tokens) if plan.micro_batches else plan.longest
    return min(MOST_PRODUCTS, PRODUCTS_PER_SIZE * sizes) * PRODUCT_BYTES


def held_by_sizes(plan: Plan) -> float:
    """Return the share that the holes between buffers of different sizes add."""
    if plan.device != "cpu" or plan.precision != BF16 or not plan.cuts_steps:
        return 0.0
    return HELD_BY_SIZES * min(1.0, plan.config.epochs * plan.micro_batches / SIZES_UNTIL_FULL)


def optimizer_bytes(plan: Plan) -> float:
    """Count the moments; in full fine-tuning the fp32 masters of the weights as well."""
    masters = MASTER_BYTES if plan.full and plan.has_masters else 0
    return plan.trainable * (masters + MOMENT_BYTES.get(plan.config.optimizer, MOMENT_BYTES_8BIT))


def activation_bytes(plan: Plan) -> float:
    """Count what is kept of the forward pass, and what one block needs besides while its gradient is made."""
    architecture, tokens = plan.architecture, plan.fullest_tokens
    kept = tokens * (block_kept_numbers(plan) + kept_weights(plan)) * plan.item_bytes
    hidden, feed = (tokens * width * plan.item_bytes for width in (architecture.hidden, architecture.intermediate))
    whole = architecture.layers * (hidden if plan.checkpointing else kept) + (kept if plan.checkpointing else 0)
    longest = min(tokens, plan.longest)
    scores = SCORE_BYTES * min(QUERY_BLOCK, longest) * longest * architecture.heads if plan.device == "cpu" else 0
    return whole + BACKWARD_HIDDEN * hidden + BACKWARD_FEED * feed + scores


def kept_weights(plan: Plan) -> float:
    """Count the weights of attention that one block keeps for each token: those of half of its sequence."""
    longest = min(plan.fullest_tokens, plan.longest)
    if plan.device != "cpu" or longest > KEPT_LENGTH:
        return 0.0
    return plan.architecture.heads * (longest + min(QUERY_BLOCK, longest)) / 2


def block_kept_numbers(plan: Plan) -> float:
    """Count the numbers that one block keeps for each token until its backward pass."""
    architecture = plan.architecture
    # The output of attention; queries, keys and values, the first two turned by their position; where the three are one
    # product, that is kept whole for the sake of the values.
    per_head = (
        3 * (architecture.heads + architecture.kv_heads)
        if plan.joins
        else (2 * architecture.heads + 2 * architecture.kv_heads)
    )
    feed = FEED_KEPT * (1.0 if is_gated(plan) else UNGATED_FEED) * architecture.intermediate
    ranks = plan.config.rank * len(plan.adapted) / max(1, architecture.layers)
    return HIDDEN_KEPT * architecture.hidden + per_head * architecture.head_size + feed + ranks


def is_gated(plan: Plan) -> bool:
    """Tell whether the feed-forward part has a gate: then its layers into it are twice as wide together."""
    architecture = plan.architecture
    into = sum(layer.outputs for layer in architecture.layout.layers if layer.inputs == architecture.hidden)
    queries = (architecture.heads + 2 * architecture.kv_heads) * architecture.head_size
    return into / max(1, architecture.layers) - queries > 1.5 * architecture.intermediate


def logit_bytes(plan: Plan) -> float:
    """Count one chunk of logits, or all of them where chunks are switched off, with their gradients."""
    learned = max(1, round(plan.fullest_tokens * plan.learned_share))
    words = plan.architecture.vocabulary
    at_once = learned if "learned-logits" in plan.config.switched_off else logit_positions(plan.device, words)
    return float(min(at_once, learned) * words * LOGIT_BYTES)


def head_gradient_bytes(plan: Plan) -> float:
    """Count the gradient of a head that is trained: it is there before what was kept of the forward pass goes."""
    trained = plan.full or plan.config.train_embeddings
    return float(plan.architecture.embedding_parameters * HEAD_GRADIENT_BYTES) if trained else 0.0
