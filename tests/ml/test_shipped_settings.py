"""Whether what goes with an export says what the studio knows: where answers end, and the same to both versions."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gguf import SpecialVocab
from transformers import AutoConfig, AutoTokenizer, GenerationConfig, LlamaConfig

from studio.data.tokenizing.rendering import ChatRenderer
from studio.ml.shipped_settings import ship_config, ship_settings
from studio.models.companions import companion_files

START, END = 256, 257
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "vocab_size": 258}
SCALED = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 512, "rope_theta": 50000.0}


def change(path: Path, **settings: object) -> None:
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(document | settings), encoding="utf-8")


@pytest.fixture
def base(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy of the tiny model that may be changed."""
    return Path(shutil.copytree(tiny_model, tmp_path / "base"))


@pytest.fixture
def ship(base: Path, tmp_path: Path) -> Callable[[], Path]:
    """Ship the settings of `base` as with a merged model."""

    def shipped() -> Path:
        target = tmp_path / "target"
        target.mkdir()
        AutoConfig.from_pretrained(base).save_pretrained(target)
        ship_config(base, target)
        ship_settings(base, target, renderer=ChatRenderer.load(base))
        return target

    return shipped


@pytest.mark.case("60-end-of-turn-is-not-eos")
@pytest.mark.parametrize("settings", [None, {"eos_token_id": START}, {"eos_token_id": [START], "top_k": 5}])
def test_the_token_that_ends_a_turn_is_named_where_generate_vllm_and_llamacpp_look(
    base: Path, ship: Callable[[], Path], settings: dict[str, Any] | None
) -> None:
    """Only the studio stopped at it: generation_config.json kept the base's own end."""
    change(base / "tokenizer_config.json", eos_token="<|im_start|>")
    change(base / "config.json", eos_token_id=START)
    (base / "generation_config.json").unlink()
    if settings is not None:
        change(base / "generation_config.json", **settings)
    target = ship()
    shipped = GenerationConfig.from_pretrained(target)
    assert shipped.eos_token_id == [START, END]
    assert shipped.top_k == (settings or {}).get("top_k", GenerationConfig().top_k)
    assert AutoTokenizer.from_pretrained(target).eos_token == "<|im_end|>"
    assert SpecialVocab(target, n_vocab=258).special_token_ids["eos"] == END


@pytest.mark.case("60-end-of-turn-is-not-eos")
def test_an_end_that_only_the_tokenizer_names_is_named_for_generate_too(base: Path, ship: Callable[[], Path]) -> None:
    change(base / "generation_config.json", eos_token_id=START)
    before = (base / "tokenizer_config.json").read_bytes()
    target = ship()
    assert GenerationConfig.from_pretrained(target).eos_token_id == [START, END]
    assert (target / "tokenizer_config.json").read_bytes() == before


def test_a_template_that_writes_the_tokenizers_own_end_keeps_it(base: Path, ship: Callable[[], Path]) -> None:
    change(base / "tokenizer_config.json", eos_token="<|im_start|>")
    change(base / "generation_config.json", eos_token_id=START)
    template = base / "chat_template.jinja"
    template.write_text(template.read_text(encoding="utf-8") + "{{ '' if true else eos_token }}", encoding="utf-8")
    target = ship()
    assert GenerationConfig.from_pretrained(target).eos_token_id == [START, END]
    assert AutoTokenizer.from_pretrained(target).eos_token == "<|im_start|>"


@pytest.mark.case("61-export-for-transformers-4")
def test_files_that_say_it_all_already_are_the_bases_own(base: Path, ship: Callable[[], Path]) -> None:
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    del config["rope_parameters"]
    del config["dtype"]
    older = config | {"rope_theta": 500000.0, "torch_dtype": "float32", "eos_token_id": END, "own_note": "kept"}
    (base / "config.json").write_text(json.dumps(older, indent=1), encoding="utf-8")
    target = ship()
    names = sorted(path.relative_to(target) for path in target.rglob("*") if path.is_file())
    assert names == sorted([Path("config.json"), *companion_files(base)])
    for name in names:
        assert (target / name).read_bytes() == (base / name).read_bytes(), name


@pytest.mark.case("61-export-for-transformers-4")
@pytest.mark.parametrize(
    ("model_type", "rope", "old"),
    [
        ("llama", {"rope_type": "default", "rope_theta": 500000.0}, {"rope_theta": 500000.0}),
        ("llama", SCALED, {"rope_theta": 50000.0, "rope_scaling.factor": 4.0, "rope_scaling.rope_type": "yarn"}),
        (
            "phi",
            {"rope_type": "default", "rope_theta": 20000.0, "partial_rotary_factor": 0.75},
            {"rope_theta": 20000.0, "partial_rotary_factor": 0.75},
        ),
        (
            "gpt_neox",
            {"rope_type": "default", "rope_theta": 20000.0, "partial_rotary_factor": 1.0},
            {"rotary_emb_base": 20000.0, "rotary_pct": 1.0},
        ),
        (
            "gemma3_text",
            {
                "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 2e6},
                "sliding_attention": {"rope_type": "default", "rope_theta": 20000.0},
            },
            {"rope_theta": 2e6, "rope_local_base_freq": 20000.0, "rope_scaling.factor": 8.0},
        ),
    ],
    ids=["theta", "scaled", "partial", "other-names", "by-kind-of-layer"],
)
def test_rotary_settings_are_written_as_version_4_reads_them_too(
    base: Path, ship: Callable[[], Path], model_type: str, rope: dict[str, Any], old: dict[str, object]
) -> None:
    """`rope_parameters` alone is nothing to version 4: it took its default of 10,000 without a word."""
    document = AutoConfig.for_model(model_type, **TINY, rope_parameters=rope, eos_token_id=END).to_dict()
    assert {"rope_theta", "rotary_emb_base"}.isdisjoint(document)
    (base / "config.json").write_text(json.dumps(document), encoding="utf-8")
    target = ship()
    written = json.loads((target / "config.json").read_text(encoding="utf-8"))
    for name, value in old.items():
        outer, _, inner = name.partition(".")
        assert (written[outer][inner] if inner else written[outer]) == value
    meant = AutoConfig.from_pretrained(base).rope_parameters
    assert AutoConfig.from_pretrained(target).rope_parameters == meant
    del written["rope_parameters"]
    (target / "config.json").write_text(json.dumps(written), encoding="utf-8")
    assert AutoConfig.from_pretrained(target).rope_parameters == meant


def test_what_the_training_changed_stands_in_the_config(base: Path, tmp_path: Path) -> None:
    change(base / "config.json", tie_word_embeddings=True, own_note="kept")
    LlamaConfig.from_pretrained(base, tie_word_embeddings=False, dtype="bfloat16").save_pretrained(tmp_path / "target")
    assert ship_config(base, tmp_path / "target")
    written = json.loads((tmp_path / "target" / "config.json").read_text(encoding="utf-8"))
    assert (written["tie_word_embeddings"], written["dtype"], written["own_note"]) == (False, "bfloat16", "kept")


@pytest.mark.case("61-export-for-transformers-4")
def test_a_tokenizer_is_of_a_class_that_version_4_knows(base: Path, ship: Callable[[], Path]) -> None:
    """`TokenizersBackend` and a list under `extra_special_tokens` are known to version 5 alone."""
    change(
        base / "tokenizer_config.json",
        tokenizer_class="TokenizersBackend",
        backend="tokenizers",
        extra_special_tokens=["<|im_start|>"],
    )
    target = ship()
    written = json.loads((target / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert written["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert {"backend", "extra_special_tokens"}.isdisjoint(written)
    assert written["additional_special_tokens"] == ["<|im_start|>"]
    one, other = AutoTokenizer.from_pretrained(base), AutoTokenizer.from_pretrained(target)
    assert one.all_special_tokens == other.all_special_tokens
    assert one("a <|im_start|> b")["input_ids"] == other("a <|im_start|> b")["input_ids"]


@pytest.mark.case("71-tool-template-lost")
def test_every_template_and_file_of_the_tokenizer_goes_along(base: Path, ship: Callable[[], Path]) -> None:
    """`additional_chat_templates/` was lost, so tools were written by another template than in training."""
    (base / "additional_chat_templates").mkdir()
    for name in ("tool_use", "rag"):
        (base / "additional_chat_templates" / f"{name}.jinja").write_text(f"{{{{ '{name}' }}}}", encoding="utf-8")
    for name in ("vocab.txt", "spiece.model", "tokenizer.model.v3", "preprocessor_config.json", "LICENSE"):
        (base / name).write_text("{}", encoding="utf-8")
    for name in ("train.json", "starter.json", "optimizer.bin", "README.md", "run_me.py"):
        (base / name).write_text("{}", encoding="utf-8")
    target = ship()
    assert set(AutoTokenizer.from_pretrained(target).chat_template) == {"default", "tool_use", "rag"}
    assert ChatRenderer.load(target).fingerprint == ChatRenderer.load(base).fingerprint
    found = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert {"vocab.txt", "spiece.model", "tokenizer.model.v3", "preprocessor_config.json", "LICENSE"} <= found
    assert {"train.json", "starter.json", "optimizer.bin", "README.md", "run_me.py"}.isdisjoint(found)
