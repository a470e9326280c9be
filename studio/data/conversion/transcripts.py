"""A conversation written as one text, with marks where a speaker begins: the turns in it, or None when it is not one.

Known are the shapes of published data sets ("Human: ... Assistant: ...", "### Instruction: ... ### Response: ...") and
the control marks of the usual chat templates. White space next to a mark belongs to the mark. Knows nothing of columns.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

_SPEAKER = {
    **dict.fromkeys(("human", "user", "prompter", "instruction", "[inst]"), "user"),
    **dict.fromkeys(("assistant", "response", "model", "[/inst]"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function response", "ipython"), "tool"),
    "input": "input",
}


@dataclass(frozen=True)
class _Style:
    """How one family writes a conversation: the mark (its group is the speaker), and what may stand at a turn's end."""

    mark: re.Pattern[str]
    ends: tuple[str, ...] = ()


_STYLES = (
    _Style(re.compile(r"<\|im_start\|>(system|user|assistant|tool)\n"), ("<|im_end|>",)),
    _Style(
        re.compile(r"<\|start_header_id\|>(system|user|assistant|ipython)<\|end_header_id\|>"),
        ("<|end_of_text|>", "<|eot_id|>"),
    ),
    _Style(re.compile(r"<start_of_turn>(user|model)\n"), ("<eos>", "<end_of_turn>")),
    _Style(re.compile(r"<\|(system|user|assistant|prompter)\|>"), ("</s>", "<|end|>", "<|endoftext|>")),
    _Style(re.compile(r"(\[/?INST\])"), ("<s>", "</s>")),
    _Style(re.compile(r"### ?(Human|User|Assistant|System): ?")),
    _Style(re.compile(r"^### ?(System|Instruction|Input|Response):?[ \t]*$", re.MULTILINE)),
    _Style(re.compile(r"(?:\A|\n\n)(Human|Assistant):")),
    _Style(re.compile(r"^(System|User|Human|Assistant):", re.MULTILINE)),
    _Style(re.compile(r"^(SYSTEM|USER|ASSISTANT|FUNCTION RESPONSE):", re.MULTILINE), ("<|endoftext|>",)),
)
_WITHIN = 1_000
_BEGIN = re.compile(r"\s*(?:<s>|<bos>|<\|begin_of_text\|>)?\s*")
_ALPACA = re.compile(r"\s*Below is an instruction that describes a task[^#]*")
_SYSTEM, _SYSTEM_END = "<<SYS>>", "<</SYS>>"
_ANY_MARK = re.compile(r"<\||<start_of_turn>|\[INST\]|###|:")


def turns_of(text: str) -> list[object] | None:
    """Return the turns of a transcript as objects with `role` and `content`; None when the text is not one.

    A transcript begins with a mark, and both a person and an assistant speak in it.
    """
    if not _ANY_MARK.search(text, 0, _WITHIN):
        return None
    for style in _STYLES:
        turns = list(_split(text, style))
        if {"user", "assistant"} <= {turn["role"] for turn in turns}:
            return _with_inputs(turns)
    return None


def _with_inputs(turns: Sequence[Mapping[str, str]]) -> list[object]:
    """Put the input of an instruction into the turn before it."""
    found: list[Mapping[str, str]] = []
    for turn in turns:
        if turn["role"] != "input":
            found.append(turn)
        elif found:
            found[-1] = {**found[-1], "content": f"{found[-1]['content']}\n\n{turn['content']}"}
    return list(found)


def _split(text: str, style: _Style) -> Iterator[Mapping[str, str]]:
    """Yield the turns between the marks of a style; none when the text does not begin with one."""
    begin = _BEGIN.match(text)
    start = begin.end() if begin else 0
    preface = _ALPACA.match(text)
    if preface is not None:
        yield {"role": "system", "content": preface.group().strip()}
        start = preface.end()
    if not style.mark.match(text, start) and not style.mark.match(text):
        return
    marks = list(style.mark.finditer(text))
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        said = text[mark.end() : following.start() if following else len(text)].strip()
        for end in style.ends:
            said = said.removesuffix(end).rstrip()
        yield from _said(_SPEAKER[mark.group(1).lower()], said)


def _said(role: str, said: str) -> Iterator[Mapping[str, str]]:
    """Yield a turn, after the system message that Llama 2 puts into a question."""
    if said.startswith(_SYSTEM) and _SYSTEM_END in said:
        told, _, said = said.removeprefix(_SYSTEM).partition(_SYSTEM_END)
        yield {"role": "system", "content": told.strip()}
    yield {"role": role, "content": said.strip()}
