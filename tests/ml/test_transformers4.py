"""An export in the newest transformers 4: it loads, answers and stops there as it does in version 5."""

import functools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml import export, loading
from studio.ml.reference import Probe, compare, observe
from studio.ml.shipped_check import CONVERSATION, Asker, ask_apart, ask_shipped
from tests.ml.conftest import FOUR, FP32, PAD, conversation

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.case("61-export-for-transformers-4")]
THETA = 500000.0


@pytest.fixture(scope="module")
def ask4(transformers4: Path) -> Asker:
    return functools.partial(ask_apart, seconds=600, python=str(transformers4))


def stored(base: Path, version: int) -> None:
    """Write the settings of a model as this version of transformers does, with another theta than its default."""
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    tokenizer = json.loads((base / "tokenizer_config.json").read_text(encoding="utf-8"))
    if version == 4:
        config = {key: value for key, value in config.items() if key not in ("rope_parameters", "dtype")}
        config |= {"rope_theta": THETA, "torch_dtype": "float32"}
    else:
        config["rope_parameters"] = {"rope_type": "default", "rope_theta": THETA}
        tokenizer |= {"tokenizer_class": "TokenizersBackend", "backend": "tokenizers", "extra_special_tokens": []}
    # The mark that ends a turn is not the end that the base names.
    tokenizer["eos_token"] = "<|im_start|>"
    config["eos_token_id"] = 256
    (base / "generation_config.json").write_text(json.dumps({"eos_token_id": 256}), encoding="utf-8")
    (base / "config.json").write_text(json.dumps(config), encoding="utf-8")
    (base / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")


@pytest.mark.case("60-end-of-turn-is-not-eos")
@pytest.mark.parametrize("version", [4, 5])
def test_both_exports_answer_and_stop_as_the_run_does(
    tiny_model: Path, memorised: Path, ask4: Asker, tmp_path: Path, version: int
) -> None:
    """One did not load, or loaded with a theta of 10,000: the same short answers, and other logits after 300 tokens."""
    base = Path(shutil.copytree(tiny_model, tmp_path / "base"))
    stored(base, version)
    renderer = ChatRenderer.load(base)
    long = torch.randint(256, (300,), generator=torch.Generator().manual_seed(0)).tolist()
    prompts = [renderer.prompt(conversation(question)) for question, _ in FOUR[:2]]
    probes = [Probe(ids=(*long, *prompt), prompt=prompt) for prompt in prompts]
    files: dict[str, Any] = {"base": base, "renderer": renderer, "card": ""}
    live = observe(
        loading.load_adapter(loading.load_base(base, FP32), memorised), probes, end_ids=renderer.end_ids, pad_id=PAD
    )
    export.write_merged(adapter=memorised, target=tmp_path / "merged", probes=probes, pad_id=PAD, **files)
    export.write_adapter(memorised, target=tmp_path / "adapter", base_name="x", **files)
    exports = [ask_shipped(tmp_path / "merged", probes, placement=FP32, ask=ask4)]
    if version == 4:  # a base that version 5 wrote is none for version 4
        exports.append(ask_shipped(tmp_path / "adapter", probes, placement=FP32, ask=ask4, base=base))
    for shipped in exports:
        assert shipped.transformers.startswith("4.")
        agreement = compare(live, shipped.reference)
        assert agreement.largest_difference < export.tolerance(agreement)
        assert agreement.same_answers == 2
        assert shipped.prompt == renderer.prompt(conversation(CONVERSATION[0]["content"]))
        assert set(renderer.end_ids) <= set(shipped.end_ids)
        assert shipped.reference.answers[0][-1] == 257
