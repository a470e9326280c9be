"""The tokenizer of a model folder, read with the `tokenizers` package as transformers would set it up."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from studio import codec
from studio.data.tokenizing.chat_templates import PLAIN_TEMPLATE
from studio.errors import ModelError

_NAMES = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
"""The special tokens that a chat template may name."""

_RULES = b"1"
"""To be raised when the studio renders otherwise than before, so that what was counted is counted again."""

_FLAGS = ("lstrip", "rstrip", "single_word", "normalized")
_MEND = "Fetch the model again, or choose another one."


@dataclass(frozen=True)
class TemplateSources:
    """The chat templates that a model ships. Either may be empty; `tools` is one for conversations with tools only."""

    default: str = ""
    tools: str = ""


@dataclass(frozen=True)
class TokenizerFiles:
    """A tokenizer with what belongs to it. `special_tokens` is by name, such as "eos_token".

    `tool_template` is for conversations with tools, where the model ships one of its own. `text_start` and `text_end`
    stand around plain text. `sha256` is that of all that decides on the ids. `embeddings` is how many tokens the model
    has embeddings for, None unless that is fewer than the tokenizer has.
    """

    tokenizer: Tokenizer
    special_tokens: Mapping[str, str]
    special_ids: frozenset[int]
    special_texts: frozenset[str]
    end_ids: tuple[int, ...]
    template: str
    uses_plain_template: bool
    tool_template: str = ""
    text_start: tuple[int, ...] = ()
    text_end: tuple[int, ...] = ()
    sha256: str = ""
    embeddings: int | None = None


def read_tokenizer(folder: Path) -> TokenizerFiles:
    """Read tokenizer.json, tokenizer_config.json and the chat template of a model folder.

    Raises ModelError when tokenizer.json is missing, or a file cannot be read.
    """
    tokenizer = _load(folder / "tokenizer.json")
    config = _read_json(folder / "tokenizer_config.json")
    special_tokens = _special_tokens(folder, config)
    _add_missing(tokenizer, config, special_tokens)
    added = tokenizer.get_added_tokens_decoder()
    marked = {token.content: id for id, token in added.items() if token.special}
    named = {token: tokenizer.token_to_id(token) for token in special_tokens.values()}
    eos_id = named.get(special_tokens.get("eos_token", ""))
    end_ids = _end_ids(folder, eos_id, tokenizer.get_vocab_size())
    bos_id = named.get(special_tokens.get("bos_token", ""))
    text_start = _text_start(tokenizer)
    embeddings = _embeddings(folder, tokenizer)
    try:
        sources = find_templates(folder, config)
        digest = _digest(folder, sources, embeddings)
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"The chat template in {folder} cannot be read.", _MEND) from error
    return TokenizerFiles(
        tokenizer=tokenizer,
        special_tokens=special_tokens,
        special_ids=frozenset((*marked.values(), *(id for id in named.values() if id is not None), *end_ids)),
        special_texts=frozenset(text for text in (*marked, *named) if text),
        end_ids=end_ids,
        template=sources.default or _plain_template(begins=bos_id is not None and text_start[:1] == (bos_id,)),
        uses_plain_template=not sources.default,
        tool_template=sources.tools,
        text_start=text_start,
        text_end=() if eos_id is None or (embeddings and eos_id >= embeddings) else (eos_id,),
        sha256=digest,
        embeddings=embeddings,
    )


def find_templates(folder: Path, config: Mapping[str, Any]) -> TemplateSources:
    """Return the sources of the chat templates that a model folder ships.

    `chat_template.jinja` comes before `chat_template` in the tokenizer's configuration, which is a string or a list of
    named ones, of which "default" and "tool_use" count. Raises OSError or UnicodeDecodeError for an unreadable file.
    """
    file = folder / "chat_template.jinja"
    if file.is_file():
        beside = folder / "additional_chat_templates" / "tool_use.jinja"
        tools = beside.read_text(encoding="utf-8") if beside.is_file() else ""
        return TemplateSources(file.read_text(encoding="utf-8"), tools)
    found = config.get("chat_template")
    if isinstance(found, list):
        found = {each.get("name"): each.get("template") for each in found if isinstance(each, dict)}
    if not isinstance(found, dict):
        found = {"default": found}
    return TemplateSources(_source(found.get("default")), _source(found.get("tool_use")))


def _source(found: object) -> str:
    return found if isinstance(found, str) and found.strip() else ""


def _load(file: Path) -> Tokenizer:
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ModelError(
            f"The model has no tokenizer.json in {file.parent}.", "Choose a model that ships one, or fetch it again."
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"The tokenizer in {file} cannot be read.", _MEND) from error
    try:
        tokenizer = Tokenizer.from_str(text)
    except Exception as error:  # The tokenizers package raises nothing narrower.
        raise ModelError(f"The tokenizer in {file} is damaged.", _MEND) from error
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _read_json(file: Path) -> dict[str, Any]:
    """Read a JSON object; a missing file is an empty one."""
    try:
        value = codec.parse_file(file)
    except FileNotFoundError:
        return {}
    except (OSError, codec.Damaged) as error:
        raise ModelError(f"The file {file} cannot be read.", _MEND) from error
    if not isinstance(value, dict):
        raise ModelError(f"The file {file} does not hold what it should.", _MEND)
    return value


def _special_tokens(folder: Path, config: Mapping[str, Any]) -> dict[str, str]:
    found = {name: _content(config.get(name)) for name in _NAMES}
    if "added_tokens_decoder" not in config:  # The place where they stood before that key existed.
        older = _read_json(folder / "special_tokens_map.json")
        found |= {name: _content(older[name]) for name in _NAMES if older.get(name)}
    return {name: token for name, token in found.items() if token}


def _content(value: object) -> str:
    if isinstance(value, dict):
        value = value.get("content")
    return value if isinstance(value, str) else ""


def _add_missing(tokenizer: Tokenizer, config: Mapping[str, Any], special_tokens: Mapping[str, str]) -> None:
    """Add the tokens that the configuration names and tokenizer.json does not, in the order that transformers does."""
    known = {token.content for token in tokenizer.get_added_tokens_decoder().values()}
    listed = config.get("added_tokens_decoder")
    entries = sorted(listed.items(), key=lambda item: int(item[0])) if isinstance(listed, dict) else []
    for _, entry in entries:
        content = _content(entry)
        if content and content not in known and isinstance(entry, dict):
            flags = {name: bool(entry[name]) for name in _FLAGS if name in entry}
            tokenizer.add_tokens([AddedToken(content, special=bool(entry.get("special")), **flags)])
            known.add(content)
    extra = config.get("extra_special_tokens") or config.get("additional_special_tokens") or []
    extra = extra.values() if isinstance(extra, dict) else extra
    for token in (*special_tokens.values(), *map(_content, extra)):
        if token and token not in known:
            tokenizer.add_special_tokens([AddedToken(token, special=True)])
            known.add(token)


def _embeddings(folder: Path, tokenizer: Tokenizer) -> int | None:
    """Read from config.json how many tokens have embeddings; None where it names none, or enough for all."""
    outer = _read_json(folder / "config.json")
    inner = outer.get("text_config")  # where models that also see or hear keep it
    size = (inner if isinstance(inner, dict) else {}).get("vocab_size", outer.get("vocab_size"))
    highest = max(tokenizer.get_vocab().values(), default=-1)
    return size if type(size) is int and 0 < size <= highest else None


def _digest(folder: Path, sources: TemplateSources, embeddings: int | None) -> str:
    digest = hashlib.sha256(_RULES if embeddings is None else _RULES + b" %d" % embeddings)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        file = folder / name
        if file.is_file():
            digest.update(name.encode() + hashlib.sha256(file.read_bytes()).digest())
    for source in (sources.default or PLAIN_TEMPLATE, sources.tools):
        digest.update(hashlib.sha256(source.encode("utf-8", "replace")).digest())
    return digest.hexdigest()


def _end_ids(folder: Path, eos_id: int | None, vocabulary_size: int) -> tuple[int, ...]:
    """The end-of-sequence id of the tokenizer, and those of generation_config.json, which may list several."""
    stored = _read_json(folder / "generation_config.json").get("eos_token_id")
    candidates = [eos_id, *(stored if isinstance(stored, list) else [stored])]
    found = [id for id in candidates if type(id) is int and 0 <= id < vocabulary_size]
    return tuple(dict.fromkeys(found))


def _text_start(tokenizer: Tokenizer) -> tuple[int, ...]:
    """Return the tokens that the tokenizer itself puts before a text."""
    framed, bare = tokenizer.encode("a").ids, tokenizer.encode("a", add_special_tokens=False).ids
    starts = (place for place in range(len(framed)) if framed[place : place + len(bare)] == bare)
    return tuple(framed[: next(starts, 0)])


def _plain_template(*, begins: bool) -> str:
    """The plain template, with the first token in front when the tokenizer itself puts it there."""
    return ("{{ bos_token }}" if begins else "") + PLAIN_TEMPLATE
