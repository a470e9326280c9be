"""The numbers of a decoder that a forecast needs, from its config.json alone, without torch.

Families that `studio.models.families` lists are exact to the last parameter. Any other decoder is taken from the
common keys of its config.json and the layout of its files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from studio.errors import ModelError
from studio.models.base_files import ensure_size, read_config
from studio.models.families import FAMILIES, KEYS, Family
from studio.models.kinds import check_kind
from studio.models.layout import LinearLayer, ModelLayout, read_layout

_FORMATS = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


class UnknownFamily(ModelError):
    """A model whose sizes cannot be told from its config.json alone."""


@dataclass(frozen=True)
class Architecture:
    """The numbers of a decoder that a forecast needs, from its config.json alone."""

    family: str
    layers: int
    hidden: int
    intermediate: int
    """The width of the feed-forward part that one token passes through: of all its experts together."""
    heads: int
    kv_heads: int
    head_size: int
    vocabulary: int
    context: int | None
    """How many tokens it reads at most; None where config.json does not say."""
    tied: bool
    """Whether the output head is the word table itself."""
    layout: ModelLayout
    embedding_parameters: int
    head_parameters: int
    """0 where the head is tied."""
    experts: int = 0
    experts_per_token: int = 0
    stored: str = "bf16"
    """The number format of the model's files: "bf16", "fp16" or "fp32"."""

    @property
    def parameters(self) -> int:
        """All weights, each once."""
        return self.layout.parameters

    @property
    def linear_parameters(self) -> int:
        """The weights of the linear layers inside the blocks that an adapter can sit on."""
        return sum(layer.inputs * layer.outputs for layer in self.layout.layers)


def read_architecture(document: Mapping[str, Any], layout: ModelLayout | None = None) -> Architecture:
    """Read a model's config.json, and where the family is not known, the layout of its files.

    Raises ModelError for a model that is no decoder, that wants to run code of its own, or that misses a number;
    UnknownFamily where a layout would be needed and there is none.
    """
    numbers = _Numbers(document)
    _check_decoder(numbers)
    family = FAMILIES.get(numbers.family)
    if family is None and layout is None:
        raise UnknownFamily(
            f"The sizes of a model of the family '{numbers.family}' are known only once its files are here.",
            "Fetch the model, or choose one of a well-known family (Llama, Qwen, Mistral, Gemma, Phi and others).",
        )
    common = _common(numbers, FAMILIES["llama"] if family is None else family)
    return common if layout is None or (family and not numbers.nested) else replace(common, layout=layout)


def architecture_in(folder: Path) -> Architecture:
    """Read the architecture of a model that is here. Raises ModelError."""
    document = read_config(folder)
    if not _Numbers(document).nested and _Numbers(document).family in FAMILIES:
        return read_architecture(document)
    return read_architecture(document, read_layout(folder))


class _Numbers:
    """A config.json, asked for one number at a time. What a nested text model says counts."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        inner = document.get("text_config")
        self.nested = isinstance(inner, Mapping)
        self.document: Mapping[str, Any] = {**document, **inner} if isinstance(inner, Mapping) else document
        self.outer = document
        family = self.document.get("model_type")
        family = "gemma3_text" if family == "gemma3" else family
        self.family = family if isinstance(family, str) else "unnamed"
        known = FAMILIES.get(self.family)
        self.defaults: Mapping[str, object] = known.defaults if known is not None else {}

    def whole(self, name: str, default: int | None = None) -> int:
        """Return a positive number by its usual key.

        Raises ModelError when it is missing and has no default, and for one beyond any model's: each block is counted.
        """
        for key in KEYS.get(name, (name,)):
            value = self.document.get(key)
            if type(value) is int and value > 0:
                ensure_size(name, value)
                return value
        value = self.defaults.get(name, default)
        if isinstance(value, int):
            return value
        raise ModelError(f"The model's config.json does not say its {name}.", "Choose another model.")

    def stored(self) -> str:
        """Return the number format of the files: fp32 where config.json names none, as it long was."""
        named = self.document.get("dtype") or self.document.get("torch_dtype")
        return _FORMATS.get(named, "fp32") if isinstance(named, str) else "fp32"

    def says(self, name: bool | str) -> bool:
        """Return a truth, or what config.json says under a key."""
        return name if isinstance(name, bool) else bool(self.document.get(name, self.defaults.get(name, False)))


def _check_decoder(numbers: _Numbers) -> None:
    document = numbers.outer
    if "auto_map" in document and numbers.family not in FAMILIES:
        raise ModelError(
            "This model wants to run code that comes with it, and the studio does not do that.",
            "Choose a model that transformers knows by itself.",
        )
    check_kind(document)


def _common(numbers: _Numbers, family: Family) -> Architecture:
    """Put the numbers of config.json and the family's way to build blocks together."""
    hidden, heads = numbers.whole("hidden_size"), numbers.whole("num_attention_heads")
    vocabulary = numbers.whole("vocab_size")
    tied = numbers.says("tie_word_embeddings")
    experts = 0 if family.experts is None else numbers.whole("num_experts")
    feed = numbers.whole("intermediate_size", 4 * hidden)
    architecture = Architecture(
        family=numbers.family,
        layers=numbers.whole("num_hidden_layers"),
        hidden=hidden,
        intermediate=feed,
        heads=heads,
        kv_heads=numbers.whole("num_key_value_heads", heads),
        head_size=numbers.whole("head_dim", hidden // heads),
        vocabulary=vocabulary,
        context=numbers.whole("max_position_embeddings", 0) or None,
        tied=tied,
        layout=ModelLayout(0, ()),
        embedding_parameters=vocabulary * hidden,
        head_parameters=0 if tied else vocabulary * hidden,
        experts=experts,
        experts_per_token=numbers.whole("num_experts_per_tok", 0) if experts else 0,
        stored=numbers.stored(),
    )
    built = replace(architecture, layout=_layout(architecture, family, numbers))
    return replace(built, intermediate=_active_width(built, family, numbers))


def _active_width(architecture: Architecture, family: Family, numbers: _Numbers) -> int:
    """Count the feed-forward numbers that one token makes: with experts, those that it is sent to."""
    if family.experts is None:
        return architecture.intermediate
    width = architecture.experts_per_token * numbers.whole(family.experts.width)
    return width + (numbers.whole(family.experts.shared_width) if family.experts.shared_width else 0)


def _layout(architecture: Architecture, family: Family, numbers: _Numbers) -> ModelLayout:
    layers: list[LinearLayer] = []
    others = architecture.embedding_parameters + architecture.head_parameters
    others += architecture.vocabulary if family.head_bias else 0
    others += architecture.hidden * (2 if family.norm_bias else 1)  # the norm after the last block
    if family.learned_positions:
        others += numbers.whole("max_position_embeddings", 1024) * architecture.hidden
    for index in range(architecture.layers):
        block = list(_linear_layers(architecture, family, numbers, index=index))
        layers += [layer for layer, _ in block]
        others += sum(layer.outputs for layer, bias in block if bias)
        others += _norms(architecture, family, numbers)
        others += _experts(architecture, family, numbers) if _has_experts(family, numbers, index) else 0
    linear = sum(layer.inputs * layer.outputs for layer in layers)
    return ModelLayout(parameters=linear + others, layers=tuple(layers))


def _linear_layers(
    architecture: Architecture, family: Family, numbers: _Numbers, *, index: int
) -> Iterator[tuple[LinearLayer, bool]]:
    """Yield the linear layers of a block, each with whether it has a bias."""
    hidden, block = architecture.hidden, f"{family.blocks}.{index}"
    wide, narrow = architecture.heads * architecture.head_size, architecture.kv_heads * architecture.head_size
    outputs = (wide, narrow, narrow) if len(family.queries) == 3 else (wide + 2 * narrow,)
    for name, size in zip(family.queries, outputs, strict=True):
        yield LinearLayer(f"{block}.{family.attention}.{name}", hidden, size), numbers.says(family.query_bias)
    yield LinearLayer(f"{block}.{family.attention}.{family.output}", wide, hidden), numbers.says(family.output_bias)
    feed, part = architecture.intermediate, f"{block}.mlp"
    if family.experts is not None and _has_experts(family, numbers, index):
        if not family.experts.shared_width:
            return
        feed, part = numbers.whole(family.experts.shared_width), f"{block}.mlp.shared_expert"
        yield LinearLayer(f"{block}.mlp.shared_expert_gate", hidden, 1), False
    bias = numbers.says(family.feed_bias)
    joined = 2 if family.gated and len(family.feed_in) == 1 else 1
    for name in family.feed_in:
        yield LinearLayer(f"{part}.{name}", hidden, joined * feed), bias
    yield LinearLayer(f"{part}.{family.feed_out}", feed, hidden), bias


def _has_experts(family: Family, numbers: _Numbers, index: int) -> bool:
    """Tell whether a block has experts: transformers lets some blocks of the Qwen mixtures go without."""
    if family.experts is None:
        return False
    dense = numbers.document.get("mlp_only_layers")
    return index not in (dense if isinstance(dense, list) else ()) and not (
        (index + 1) % numbers.whole("decoder_sparse_step", 1)
    )


def _norms(architecture: Architecture, family: Family, numbers: _Numbers) -> int:
    bias = 2 if family.norm_bias else 1
    size = architecture.head_size
    each = {"head": 2 * size, "wide": (architecture.heads + architecture.kv_heads) * size}
    queries = each.get(family.query_norms, 0)
    if family.query_norms and family.query_norms not in each and numbers.says(family.query_norms):
        queries = 2 * size * bias
    return family.norms * architecture.hidden * bias + queries


def _experts(architecture: Architecture, family: Family, numbers: _Numbers) -> int:
    """Count a block's experts and its router."""
    assert family.experts is not None
    width = numbers.whole(family.experts.width)
    return architecture.experts * (architecture.hidden + 3 * architecture.hidden * width)
