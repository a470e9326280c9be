"""One tiny random model of each of the families that the engine is tested on."""

import copy
from typing import Any

import torch
from transformers import (
    CohereConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTNeoXConfig,
    GraniteConfig,
    LlamaConfig,
    MistralConfig,
    MixtralConfig,
    PhiConfig,
    PretrainedConfig,
    Qwen2Config,
    Qwen3Config,
)
from transformers.models.auto import AutoModelForCausalLM

from studio.config import RunConfig
from studio.ml.methods import make_trainable

WORDS = 97

_COMMON: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
_GROUPED = _COMMON | {"num_key_value_heads": 2}
_SIZED = _GROUPED | {"head_dim": 8}

FAMILIES: dict[str, PretrainedConfig] = {
    "llama": LlamaConfig(**_GROUPED, tie_word_embeddings=True),
    "qwen2": Qwen2Config(**_GROUPED),
    "qwen3": Qwen3Config(**_SIZED),
    "gemma2": Gemma2Config(**_SIZED, sliding_window=16, query_pre_attn_scalar=8),
    "gemma3": Gemma3TextConfig(**_SIZED, sliding_window=16, query_pre_attn_scalar=8),
    "mistral": MistralConfig(**_GROUPED, sliding_window=16),
    "phi": PhiConfig(**_COMMON, partial_rotary_factor=0.5),
    "gpt2": GPT2Config(
        vocab_size=WORDS, n_embd=32, n_layer=2, n_head=4, n_positions=256, initializer_range=0.2, bos_token_id=1,
        eos_token_id=2, attn_pdrop=0.0, resid_pdrop=0.0, embd_pdrop=0.0,
    ),
    "gpt_neox": GPTNeoXConfig(**_COMMON, rotary_pct=0.5),
    "mixtral": MixtralConfig(**_GROUPED, num_local_experts=4, num_experts_per_tok=2, sliding_window=None),
    "granite": GraniteConfig(**_GROUPED, logits_scaling=8.0, attention_multiplier=0.2),
    "cohere": CohereConfig(**_GROUPED, logit_scale=0.25),
}  # fmt: skip


def make_model(family: str, *, seed: int = 0) -> Any:
    """Make a family's model with random weights in fp32, in evaluation mode."""
    torch.manual_seed(seed)
    return AutoModelForCausalLM.from_config(copy.deepcopy(FAMILIES[family]), dtype=torch.float32).eval()


def make_adapted(family: str, config: RunConfig) -> Any:
    """Make a family's model with an adapter on it that is not zero, in evaluation mode."""
    model = make_trainable(make_model(family), config)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.1)
    return model.eval()
