"""The config.json files of well-known models, cut down to what decides their sizes."""

from typing import Any


def _config(family: str, sizes: tuple[int, ...], **others: Any) -> dict[str, Any]:
    """Make a config.json; `sizes` are hidden, intermediate, layers, heads, key-value heads and vocabulary."""
    hidden, intermediate, layers, heads, kv_heads, vocabulary = sizes
    return {
        "model_type": family,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "vocab_size": vocabulary,
        **others,
    }


TIED = {"tie_word_embeddings": True}
LLAMA_2_7B = _config("llama", (4096, 11_008, 32, 32, 32, 32_000), max_position_embeddings=4096)

KNOWN: dict[str, tuple[dict[str, Any], int]] = {
    "SmolLM2-135M": (_config("llama", (576, 1536, 30, 9, 3, 49_152), **TIED), 134_515_008),
    "SmolLM2-360M": (_config("llama", (960, 2560, 32, 15, 5, 49_152), **TIED), 361_821_120),
    "TinyLlama-1.1B": (_config("llama", (2048, 5632, 22, 32, 4, 32_000)), 1_100_048_384),
    "Llama-2-7B": (LLAMA_2_7B, 6_738_415_616),
    "Llama-3.1-8B": (_config("llama", (4096, 14_336, 32, 32, 8, 128_256)), 8_030_261_248),
    "Llama-3.2-1B": (_config("llama", (2048, 8192, 16, 32, 8, 128_256), head_dim=64, **TIED), 1_235_814_400),
    "Mistral-7B-v0.3": (_config("mistral", (4096, 14_336, 32, 32, 8, 32_768)), 7_248_023_552),
    "Qwen2.5-0.5B": (_config("qwen2", (896, 4864, 24, 14, 2, 151_936), **TIED), 494_032_768),
    "Qwen2.5-7B": (_config("qwen2", (3584, 18_944, 28, 28, 4, 152_064)), 7_615_616_512),
    "Qwen3-0.6B": (_config("qwen3", (1024, 3072, 28, 16, 8, 151_936), head_dim=128, **TIED), 596_049_920),
    "gemma-2b": (_config("gemma", (2048, 16_384, 18, 8, 1, 256_000), head_dim=256), 2_506_172_416),
    "gemma-2-2b": (_config("gemma2", (2304, 9216, 26, 8, 4, 256_000), head_dim=256), 2_614_341_888),
    "gemma-3-1b": (_config("gemma3_text", (1152, 6912, 26, 4, 1, 262_144), head_dim=256), 999_885_952),
    "phi-2": (
        _config("phi", (2560, 10_240, 32, 32, 32, 51_200), tie_word_embeddings=False, qk_layernorm=False),
        2_779_683_840,
    ),
    "Phi-3.5-mini": (_config("phi3", (3072, 8192, 32, 32, 32, 32_064)), 3_821_079_552),
    "gpt2": (
        {"model_type": "gpt2", "n_embd": 768, "n_layer": 12, "n_head": 12, "n_positions": 1024, "vocab_size": 50_257},
        124_439_808,
    ),
    "pythia-410m": (
        {
            "model_type": "gpt_neox",
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "vocab_size": 50_304,
        },
        405_334_016,
    ),
    "SmolLM3-3B": (_config("smollm3", (2048, 11_008, 36, 16, 4, 128_256)), 3_075_098_624),
    "OLMo-2-7B": (_config("olmo2", (4096, 11_008, 32, 32, 32, 100_352)), 7_298_617_344),
    "granite-3.1-2b": (_config("granite", (2048, 8192, 40, 32, 8, 49_155), **TIED), 2_533_531_648),
    "Mixtral-8x7B": (
        _config("mixtral", (4096, 14_336, 32, 32, 8, 32_000), num_local_experts=8, num_experts_per_tok=2),
        46_702_792_704,
    ),
    "Qwen1.5-MoE-A2.7B": (
        _config(
            "qwen2_moe",
            (2048, 5632, 24, 16, 16, 151_936),
            num_experts=60,
            num_experts_per_tok=4,
            moe_intermediate_size=1408,
            shared_expert_intermediate_size=5632,
        ),
        14_315_784_192,
    ),
    "Qwen3-30B-A3B": (
        _config(
            "qwen3_moe",
            (2048, 6144, 48, 32, 4, 151_936),
            head_dim=128,
            num_experts=128,
            num_experts_per_tok=8,
            moe_intermediate_size=768,
        ),
        30_532_122_624,
    ),
}
"""By name: config.json, and the number of parameters as published or counted by transformers."""
