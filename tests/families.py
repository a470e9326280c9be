"""Model families as tests know them: a chat template in the shape of the family's own, and a small real tokenizer.

The tokenizer is a byte-level BPE with a few hundred merges, so that letters and line ends join to tokens across the
places where a template and a text meet, as they do in real models.
"""

import json
from dataclasses import dataclass
from pathlib import Path

TEMPLATES = Path(__file__).parent / "templates"

_TEXT = (
    "the keeper of the light says that the sea is calm today\n\n"
    "which button starts the kettle and what does the lamp mean\n\n"
    "assistant user system model you are helpful tool call name arguments\n"
)


@dataclass(frozen=True)
class Family:
    """The special tokens of a family. `closing` is the one that ends an answer, `strips` those that eat white space."""

    closing: str
    others: tuple[str, ...] = ()
    bos: str = ""
    eos: str = ""
    strips: tuple[str, ...] = ()


_CHATML = Family(closing="<|im_end|>", others=("<|im_start|>", "<|endoftext|>"), eos="<|im_end|>")
FAMILIES = {
    "chatml": _CHATML,
    "llama3": Family(
        closing="<|eot_id|>",
        others=("<|start_header_id|>", "<|end_header_id|>", "<|end_of_text|>"),
        bos="<|begin_of_text|>",
        eos="<|eot_id|>",
    ),
    "gemma": Family(closing="<end_of_turn>", others=("<start_of_turn>",), bos="<bos>", eos="<eos>"),
    "mistral": Family(closing="</s>", others=("[INST]", "[/INST]"), bos="<s>", eos="</s>"),
    "phi": Family(
        closing="<|end|>",
        others=("<|user|>", "<|assistant|>", "<|system|>"),
        eos="<|endoftext|>",
        strips=("<|end|>", "<|user|>", "<|assistant|>", "<|system|>"),
    ),
    "reasoning": Family(closing="<|eos|>", others=("<|User|>", "<|Assistant|>"), bos="<|bos|>", eos="<|eos|>"),
    "rewriting": _CHATML,
    "no_system": _CHATML,
    "marks": _CHATML,
}
"""By the name of the template's file."""


def write_family(folder: Path, name: str, *, template: str = "") -> Path:
    """Write the tokenizer and the chat template of a family; returns the folder. `template` replaces the family's."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    family = FAMILIES[name]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator([_TEXT] * 4, trainer)
    specials = [token for token in dict.fromkeys((family.closing, *family.others, family.bos, family.eos)) if token]
    tokenizer.add_special_tokens(
        [AddedToken(token, special=True, rstrip=token in family.strips, normalized=False) for token in specials]
    )
    if family.bos:
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, tokenizer.token_to_id(family.bos))]
        )
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"bos_token": family.bos, "eos_token": family.eos}
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "clean_up_tokenization_spaces": False,
        **{key: token for key, token in named.items() if token},
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    source = template or (TEMPLATES / f"{name}.jinja").read_text(encoding="utf-8")
    (folder / "chat_template.jinja").write_text(source, encoding="utf-8")
    return folder
