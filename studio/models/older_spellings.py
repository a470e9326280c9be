"""Rewrites what transformers 5 writes into a model folder so that transformers 4 reads the same.

Works on what config.json and tokenizer_config.json say.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

ROPE = "rope_parameters"

_NEW_CLASSES = ("TokenizersBackend", "TokenizersBackendFast")
_OLD_CLASS = "PreTrainedTokenizerFast"


class RopeNames(NamedTuple):
    """Under which names a family of transformers 4 has what stands in `rope_parameters` now."""

    theta: str
    share: str
    local_theta: str


ROPE_NAMES = (
    RopeNames("rope_theta", "partial_rotary_factor", "rope_local_base_freq"),
    RopeNames("rotary_emb_base", "rotary_pct", "rope_local_base_freq"),
    RopeNames("global_rope_theta", "partial_rotary_factor", "local_rope_theta"),
)
"""Most families, GPT-NeoX, ModernBERT's decoder."""


def with_old_rope(config: Mapping[str, Any], names: RopeNames, *, keep_new: bool = True) -> dict[str, Any]:
    """Return what config.json says with its rotary settings under the old names, too, in every part that has any.

    With `keep_new` false `rope_parameters` is left out.
    """
    written = {key: with_old_rope(value, names, keep_new=keep_new) for key, value in config.items() if _is_part(value)}
    found = {**config, **written}
    parameters = found.get(ROPE)
    if isinstance(parameters, dict):
        found |= {key: value for key, value in _old_rope(parameters, names) if key not in config}
        if not keep_new:
            del found[ROPE]
    return found


def _is_part(value: object) -> bool:
    return isinstance(value, dict) and isinstance(value.get(ROPE), dict)


def _old_rope(parameters: Mapping[str, Any], names: RopeNames) -> Iterator[tuple[str, Any]]:
    local = parameters.get("sliding_attention")
    whole = parameters.get("full_attention", parameters)
    if isinstance(local, dict) and "rope_theta" in local:
        yield names.local_theta, local["rope_theta"]
    if not isinstance(whole, dict):
        return
    for new, old in (("rope_theta", names.theta), ("partial_rotary_factor", names.share)):
        if new in whole:
            yield old, whole[new]
    rest = {key: value for key, value in whole.items() if key not in ("rope_theta", "partial_rotary_factor")}
    if rest.get("rope_type", "default") != "default":
        yield "rope_scaling", rest


def old_tokenizer_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return what tokenizer_config.json says with a class, and a list of further tokens, that both versions know."""
    found = dict(config)
    if found.get("tokenizer_class") in _NEW_CLASSES:
        found["tokenizer_class"] = _OLD_CLASS
        found.pop("backend", None)
    extra = found.get("extra_special_tokens")
    if isinstance(extra, list):  # version 4 has a mapping under this name, and breaks off at a list
        del found["extra_special_tokens"]
        if extra:
            found.setdefault("additional_special_tokens", extra)
    return found
