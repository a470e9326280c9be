"""Well-known small chat models that a person can pick by name. Any other model on the Hub works as well."""

from dataclasses import dataclass

from studio.config import STARTER

APACHE = "Apache-2.0"


@dataclass(frozen=True)
class KnownModel:
    """A base model. `parameters` counts each weight once; `gated`: its licence must be accepted on its page."""

    id: str
    title: str
    parameters: int
    licence: str
    note: str
    gated: bool = False


KNOWN_MODELS = (
    KnownModel(
        STARTER, "SmolLM2 135M (starter)", 134_515_008, APACHE, "Trains on any laptop. It learns a manner, not facts."
    ),
    KnownModel(
        "HuggingFaceTB/SmolLM2-360M-Instruct",
        "SmolLM2 360M",
        361_821_120,
        APACHE,
        "A larger starter model.",
    ),
    KnownModel(
        "Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5 0.5B", 494_032_768, APACHE, "Many languages; still trains without a GPU."
    ),
    KnownModel(
        "TinyLlama/TinyLlama-1.1B-Chat-v1.0",
        "TinyLlama 1.1B",
        1_100_048_384,
        APACHE,
        "A small version of Llama 2.",
    ),
    KnownModel(
        "meta-llama/Llama-3.2-1B-Instruct",
        "Llama 3.2 1B",
        1_235_814_400,
        "Llama 3.2 Community",
        "A capable small model with a long context.",
        gated=True,
    ),
    KnownModel(
        "Qwen/Qwen2.5-1.5B-Instruct", "Qwen2.5 1.5B", 1_543_714_304, APACHE, "Many languages; needs a small GPU."
    ),
    KnownModel(
        "HuggingFaceTB/SmolLM2-1.7B-Instruct", "SmolLM2 1.7B", 1_711_376_384, APACHE, "English; needs a small GPU."
    ),
    KnownModel(
        "google/gemma-2-2b-it",
        "Gemma 2 2B",
        2_614_341_888,
        "Gemma",
        "Strong for its size. Its chat template takes no system prompt.",
        gated=True,
    ),
    KnownModel(
        "microsoft/Phi-3.5-mini-instruct", "Phi-3.5 mini 3.8B", 3_821_079_552, "MIT", "Good at reasoning; needs a GPU."
    ),
    KnownModel(
        "Qwen/Qwen2.5-7B-Instruct", "Qwen2.5 7B", 7_615_616_512, APACHE, "Needs a GPU; in 4-bit it fits into 16 GB."
    ),
)
