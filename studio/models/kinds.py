"""Base models that cannot be trained here, told from config.json before anything is fetched.

Encoders, models without attention, and weights that another tool packed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from studio.errors import ModelError

_NOT_DECODERS = frozenset(
    "albert bart bert big_bird bigbird_pegasus blenderbot blenderbot-small camembert canine clip convbert "
    "data2vec-text deberta deberta-v2 distilbert electra ernie ernie_m esm eurobert flaubert flava fnet fsmt "
    "funnel gte ibert jina_bert layoutlm layoutlmv2 layoutlmv3 led lilt longformer longt5 luke lxmert m2m_100 "
    "marian mbart megatron-bert mobilebert modernbert mpnet mra mt5 mvp nezha nllb-moe nomic_bert nystromformer "
    "pegasus pegasus_x perceiver plbart prophetnet qdqbert rembert roberta roberta-prelayernorm roc_bert roformer "
    "seamless_m4t siglip speech_to_text splinter squeezebert switch_transformers t5 t5gemma tapas umt5 vilt "
    "visual_bert vit wav2vec2 whisper xlm xlm-roberta xlm-roberta-xl xlnet xmod yoso".split()
)
_STATE_SPACE = frozenset("falcon_mamba hyena mamba mamba2 rwkv rwkv6 rwkv7 s4 xlstm".split())

_WRITES = re.compile(r"CausalLM|LMHead|ForConditionalGeneration|DoubleHeads|ForImageTextToText")
_ANOTHER_HEAD = re.compile(r"For([A-Z]\w+)$")

_PACKING_KEYS = ("quantization_config", "compression_config", "quantization")
"""Where transformers, older exports and MLX say how weights are packed."""

_PACKED_NAME = re.compile(
    r"([-_.](unsloth|dynamic|bnb|gptq|awq|fp8|mxfp4|nvfp4|int[48]|[2-8][-_]?bits?|w\d+a\d+|gguf|mlx|hqq|quantized|quant))+$",
    re.IGNORECASE,
)
"""What the names of packed models end in: unsloth/Llama-3.2-1B-Instruct-bnb-4bit."""

_PACKED_PARTS = re.compile(
    r"\.(qweight|qzeros|scales|g_idx|weight_packed|weight_shape|weight_scale|weight_zero_point|input_scale|codebooks|SCB)$"
)

_ANOTHER = "Choose a language model such as Llama, Qwen, Mistral, Gemma or Phi."
ORIGINAL = "Choose the original model instead. The method QLoRA keeps it in 4 or 8 bits while it trains."
"""What to do about a model whose weights are packed."""


def check_kind(config: Mapping[str, Any], *, name: str = "") -> None:
    """Check that a config.json is that of a decoder with attention whose weights are not packed.

    `name` is the model's on the Hub, where it is known. Raises ModelError that says which kind it is.
    """
    inner = config.get("text_config")
    parts = (inner, config) if isinstance(inner, Mapping) else (config,)
    for part in parts:
        _check_family(part)
    _check_head(config.get("architectures"))
    for key, value in nested_items(config):
        if key in _PACKING_KEYS and value is not None:
            method = value.get("quant_method") if isinstance(value, Mapping) else None
            raise _packed(method if isinstance(method, str) else "", original_of(name, config))


def _check_family(part: Mapping[str, Any]) -> None:
    named = part.get("model_type")
    family = named[:40] if isinstance(named, str) else "unnamed"
    if family in _STATE_SPACE:
        raise ModelError(
            f"This model ({family}) is a state-space model, and the studio trains only models with attention.",
            _ANOTHER,
        )
    encodes = family in _NOT_DECODERS and part.get("is_decoder") is not True
    looks_ahead = part.get("is_causal") is False or part.get("use_bidirectional_attention") is True
    if encodes or looks_ahead or part.get("is_encoder_decoder") is True:
        raise ModelError(f"This model ({family}) is not a decoder: it does not write text word by word.", _ANOTHER)


def nested_items(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what a config.json says, and what is said inside of it."""
    waiting = [document]
    while waiting:
        for key, value in waiting.pop().items():
            yield key, value
            if isinstance(value, dict):
                waiting.append(value)


def check_tensor_names(names: Iterable[str]) -> None:
    """Check that none of a model's tensors is a part of packed weights, of which its config.json says nothing.

    Raises ModelError.
    """
    if any(_PACKED_PARTS.search(name) for name in names):
        raise _packed("", "")


def original_of(name: str, config: Mapping[str, Any]) -> str:
    """Guess the name of the model that a packed one was made of, from its own name and its config; "" for no idea."""
    said = config.get("_name_or_path")
    for each in (name, said if isinstance(said, str) else ""):
        stripped = _PACKED_NAME.sub("", each)
        if stripped != each and re.fullmatch(r"[\w.-]+/[\w.-]+", stripped):
            return stripped
    return said if isinstance(said, str) and said != name and re.fullmatch(r"[\w.-]+/[\w.-]+", said) else ""


def _check_head(architectures: object) -> None:
    """Raises ModelError for a model that was stored with a head for another task, such as labels or gaps."""
    named = [each for each in architectures if isinstance(each, str)] if isinstance(architectures, list) else []
    heads = [head for each in named if (head := _ANOTHER_HEAD.search(each))]
    if heads and not any(_WRITES.search(each) for each in named):
        raise ModelError(
            f"This model was made for another task ({named[0][:60]}): it has no head that writes text.", _ANOTHER
        )


def _packed(method: str, original: str) -> ModelError:
    by = f" ({method[:40]})" if method else ""
    named = f"the original model, probably {original[:100]}," if original else "the original model"
    return ModelError(
        f"This model's weights were compressed by another tool{by}, and the studio cannot train them.",
        ORIGINAL.replace("the original model", named),
    )
