"""How the families of decoders in transformers build their blocks: names, biases and norms, as a table.

Holds what config.json does not say. Names and defaults are those of transformers' own classes; a test builds each
family there and compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Experts:
    """The mixture of experts of a family. An expert and its router are tensors that no adapter can sit on."""

    width: str = "intermediate_size"
    shared_width: str = ""
    """The key with the width of the expert that reads every token; empty where there is none."""


@dataclass(frozen=True)
class Family:
    """The blocks of one family. A bias is True, False, or the key of config.json that says so."""

    blocks: str = "model.layers"
    attention: str = "self_attn"
    queries: tuple[str, ...] = ("q_proj", "k_proj", "v_proj")
    """The projections of queries, keys and values; a single name where they are one layer."""
    output: str = "o_proj"
    feed_in: tuple[str, ...] = ("gate_proj", "up_proj")
    """The layers into the feed-forward part; a single name where they are one layer."""
    gated: bool = True
    feed_out: str = "down_proj"
    query_bias: bool | str = False
    output_bias: bool | str = False
    feed_bias: bool | str = False
    head_bias: bool = False
    norms: int = 2
    """How many norms of the hidden size a block has."""
    norm_bias: bool = False
    query_norms: str = ""
    """Whether queries and keys are normed: "" not, "head" each head, "wide" all heads together, or a config's key."""
    learned_positions: bool = False
    experts: Experts | None = None
    defaults: Mapping[str, object] = field(default_factory=dict)
    """What transformers takes where config.json does not say."""


_ATTENTION_BIAS = "attention_bias"
_QWEN = {"num_key_value_heads": 32}
_GEMMA = {"head_dim": 256, "tie_word_embeddings": True}

KEYS: Mapping[str, tuple[str, ...]] = {
    "hidden_size": ("hidden_size", "n_embd", "d_model"),
    "num_hidden_layers": ("num_hidden_layers", "n_layer", "num_layers", "n_layers"),
    "num_attention_heads": ("num_attention_heads", "n_head", "num_heads", "n_heads"),
    "intermediate_size": ("intermediate_size", "n_inner", "ffn_dim", "ffn_hidden_size"),
    "max_position_embeddings": ("max_position_embeddings", "n_positions", "n_ctx", "max_seq_len", "seq_length"),
    "num_experts": ("num_experts", "num_local_experts"),
}
"""Under which names config.json files keep the common numbers: the usual one first, then GPT-2's and others'."""

FAMILIES: Mapping[str, Family] = {
    "llama": Family(query_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, feed_bias="mlp_bias"),
    "mistral": Family(defaults={"num_key_value_heads": 8}),
    "qwen2": Family(query_bias=True, defaults=_QWEN),
    "qwen3": Family(
        query_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        query_norms="head",
        defaults={**_QWEN, "head_dim": 128},
    ),
    "gemma": Family(
        query_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, defaults={**_GEMMA, "num_key_value_heads": 16}
    ),
    "gemma2": Family(
        query_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, norms=4, defaults={**_GEMMA, "num_key_value_heads": 4}
    ),
    "gemma3_text": Family(
        query_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        norms=4,
        query_norms="head",
        # Gemma 3's own files leave out what transformers takes by itself.
        defaults={
            **_GEMMA,
            "num_key_value_heads": 4,
            "num_attention_heads": 8,
            "vocab_size": 262_208,
            "max_position_embeddings": 131_072,
        },
    ),
    "phi": Family(
        output="dense",
        feed_in=("fc1",),
        gated=False,
        feed_out="fc2",
        query_bias=True,
        output_bias=True,
        feed_bias=True,
        head_bias=True,
        norms=1,
        norm_bias=True,
        query_norms="qk_layernorm",
    ),
    "phi3": Family(queries=("qkv_proj",), feed_in=("gate_up_proj",)),
    "gpt2": Family(
        blocks="transformer.h",
        attention="attn",
        queries=("c_attn",),
        output="c_proj",
        feed_in=("c_fc",),
        gated=False,
        feed_out="c_proj",
        query_bias=True,
        output_bias=True,
        feed_bias=True,
        norm_bias=True,
        learned_positions=True,
        defaults={"tie_word_embeddings": True},
    ),
    "gpt_neox": Family(
        blocks="gpt_neox.layers",
        attention="attention",
        queries=("query_key_value",),
        output="dense",
        feed_in=("dense_h_to_4h",),
        gated=False,
        feed_out="dense_4h_to_h",
        query_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        feed_bias=True,
        norm_bias=True,
        defaults={_ATTENTION_BIAS: True},
    ),
    "smollm3": Family(
        query_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        feed_bias="mlp_bias",
        defaults={"num_key_value_heads": 4, "tie_word_embeddings": True},
    ),
    "olmo2": Family(query_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, query_norms="wide"),
    "granite": Family(query_bias=_ATTENTION_BIAS, output_bias=_ATTENTION_BIAS, feed_bias="mlp_bias"),
    "mixtral": Family(
        experts=Experts(),
        defaults={"num_key_value_heads": 8, "num_experts": 8, "num_experts_per_tok": 2},
    ),
    "qwen2_moe": Family(
        query_bias="qkv_bias",
        experts=Experts(width="moe_intermediate_size", shared_width="shared_expert_intermediate_size"),
        defaults={
            "num_key_value_heads": 16,
            "qkv_bias": True,
            "num_experts": 60,
            "num_experts_per_tok": 4,
            "moe_intermediate_size": 1408,
            "shared_expert_intermediate_size": 5632,
        },
    ),
    "qwen3_moe": Family(
        query_bias=_ATTENTION_BIAS,
        output_bias=_ATTENTION_BIAS,
        query_norms="head",
        experts=Experts(width="moe_intermediate_size"),
        defaults={
            "num_key_value_heads": 4,
            "num_experts": 128,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 768,
        },
    ),
}
"""By `model_type`, as config.json names it."""
